package policy

import "time"

// lagTokens is how many tokens, for each output, a provider may have made but not yet sent
// when a stream broke.
const lagTokens = 256

// Broken is what is known of an answer that ended without its usage.
type Broken struct {
	Call     Call
	Model    Model
	Cap      int64         // output tokens that each output may have; 0: not known
	Shown    int64         // bytes of output that passed: no token is shorter than one
	Reported int64         // the most output tokens that the provider told of
	Hidden   bool          // the model makes output that the answer does not show
	Took     time.Duration // since the request was sent
	// WentOn: the connection broke, but the host goes on to make, and bill, what it was
	// asked for.
	WentOn bool
	// Stopped: aex closed the connection, or the peer reset one that was direct,
	// and the host states that this ends the bill: nothing was made after it.
	Stopped bool
}

// Output is the most output tokens that were made, of all outputs together: the
// smallest of the bounds that hold; the cap is one. Without any it is -1.
func (b Broken) Output() int64 {
	outputs := max(b.Call.Outputs, 1)
	least := int64(-1)
	bound := func(tokens int64) {
		if tokens = max(tokens, b.Reported); least < 0 || tokens < least {
			least = tokens
		}
	}
	if b.Cap > 0 {
		bound(b.Cap * outputs)
	}
	// What was shown does not bound the loops of a hosted tool.
	if seen := b.Shown + lagTokens*outputs; !b.WentOn && len(b.Call.Hosted) == 0 {
		switch hides := b.Hidden || b.Model.Thinks.Hides(b.Call); {
		case !hides:
			bound(seen)
		case b.Call.Reason && b.Call.ThinkingCap > 0: // a target, which models exceed a little
			bound(seen + (b.Call.ThinkingCap*3+1)/2*outputs)
		}
	}
	if b.Stopped {
		made := b.Model.Provider.Host().PaceOf() * int64(b.Took/time.Millisecond) / 1000
		bound((made + lagTokens) * outputs)
	}
	return least
}
