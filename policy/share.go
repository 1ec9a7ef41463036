package policy

import "math"

// micros is the ceiling with so many output tokens, rounded up.
func (c Ceiling) micros(output int64) (int64, error) {
	var s sum
	s.add(1, c.Input)
	s.add(output, c.Output)
	return s.micros()
}

// Estimate is the price, in micro-US-dollars rounded up, of the whole input
// bound and so many output tokens in all; as many as one output may have cost
// as much as they would in each.
func (c Ceiling) Estimate(output, outputs int64) (int64, error) {
	outputs = max(outputs, 1)
	return c.micros((output + outputs - 1) / outputs)
}

// hold is micros where Bound has made sure that the amount fits.
func (c Ceiling) hold(output int64) int64 {
	m, err := c.micros(output)
	if err != nil {
		return math.MaxInt64
	}
	return m
}

// MostMicros is the hold that covers all that is asked; micro-US-dollars,
// rounded up.
func (c Ceiling) MostMicros() int64 { return c.hold(c.Asked) }

// HoldOf is the hold for so many tokens of each output; micro-US-dollars,
// rounded up.
func (c Ceiling) HoldOf(output int64) int64 { return c.hold(output) }

// LeastMicros is the smallest hold that is worth the call; micro-US-dollars,
// rounded up.
func (c Ceiling) LeastMicros() int64 { return c.hold(c.Least) }

// LeastTokens is the fewest tokens, input and all outputs, that the call is
// worth.
func (c Ceiling) LeastTokens() int64 { return c.InputTk + c.Least*c.Outputs }

// CapOf is the output cap of each output that so many tokens, input and all
// outputs together, leave room for; at most Asked.
func (c Ceiling) CapOf(tokens int64) int64 {
	return min(c.Asked, (tokens-c.InputTk)/max(c.Outputs, 1))
}

// FloorMicros is the hold of what a call gets while there is room;
// micro-US-dollars, rounded up.
func (c Ceiling) FloorMicros() int64 { return c.hold(min(c.Floor, c.Asked)) }

// Share is the hold for so much unreserved money:
// output part = min(asked, max(half of what is unreserved, min(Floor, all that
// is unreserved))), after the input part; 0 when Least does not fit.
//
// It is never above unreserved and never falls when unreserved rises. A lone
// caller gets what it asks or at least half. Without Clamp it is all or
// nothing. A call that costs nothing has a share of 0 that means nothing:
// where LeastMicros is 0 there is nothing to hold.
func (c Ceiling) Share(unreserved int64) int64 {
	least, most := c.LeastMicros(), c.MostMicros()
	switch {
	case unreserved < least || !c.Clamp && unreserved < most:
		return 0
	case !c.Clamp || least == most:
		return most
	}
	room := min(c.Asked, c.affords(unreserved))
	// Half of all for the output, whatever the input takes: a lone caller of
	// modest prompts can count on it.
	half := Ceiling{Output: 2 * c.Output}.affords(unreserved)
	return c.hold(min(room, max(half, c.Floor)))
}

// affords is how many output tokens a hold pays for after the input.
func (c Ceiling) affords(micros int64) int64 {
	var s sum
	s.add(micros, picoPerMicro)
	return s.quotient(c.Input, c.Output)
}

// Cap is the output cap, in tokens, that a hold of so many micro-US-dollars
// pays for, at most Asked.
func (c Ceiling) Cap(hold int64) int64 {
	if c.Output == 0 {
		return c.Asked
	}
	return min(c.Asked, c.affords(hold))
}
