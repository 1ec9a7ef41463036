package policy

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// drawCeiling draws a ceiling as Bound makes them.
func drawCeiling(t *rapid.T) Ceiling {
	asked := rapid.OneOf(rapid.Int64Range(0, 64), rapid.Int64Range(0, 200_000)).Draw(t, "asked")
	c := Ceiling{
		Input:  Pico(rapid.Int64Range(0, 1_000_000_000_000).Draw(t, "input")),
		Output: Pico(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 5), rapid.Int64Range(0, 1_000_000_000)).Draw(t, "output")),
		Asked:  asked,
		Clamp:  rapid.Bool().Draw(t, "clamp"),
	}
	c.Least = min(asked, rapid.Int64Range(16, 30_000).Draw(t, "least"))
	if !c.Clamp {
		c.Least = asked
	}
	c.Floor = max(min(floorTokens, asked), c.Least)
	return c
}

func TestShareLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCeiling(t)
		money := rapid.OneOf(rapid.Int64Range(-5, 1_000), rapid.Int64Range(0, 5_000_000), rapid.Int64Range(0, math.MaxInt64))
		unreserved := money.Draw(t, "unreserved")
		share := c.Share(unreserved)
		switch {
		case share < 0 || share > max(unreserved, 0):
			t.Fatalf("share of %d is %d", unreserved, share)
		case share > 0 && (share < c.LeastMicros() || share > c.MostMicros()):
			t.Fatalf("share %d is not between %d and %d", share, c.LeastMicros(), c.MostMicros())
		case share == 0 && unreserved >= c.LeastMicros() && c.LeastMicros() > 0:
			t.Fatalf("nothing of %d, and %d would do", unreserved, c.LeastMicros())
		case c.Clamp && share > 0 && share < c.MostMicros() && share+int64(c.Output)/picoPerMicro+1 < unreserved/2:
			t.Fatalf("a lone caller gets %d of %d", share, unreserved)
		case !c.Clamp && share != 0 && share != c.MostMicros():
			t.Fatalf("without clamping a share of %d for %d", share, c.MostMicros())
		}
		if cap := c.Cap(share); share > 0 {
			if cap < c.Least || cap > c.Asked {
				t.Fatalf("a share of %d caps at %d, outside of %d to %d", share, cap, c.Least, c.Asked)
			}
			if c.hold(cap) > share {
				t.Fatalf("a cap of %d costs %d, more than the hold of %d", cap, c.hold(cap), share)
			}
		}
		if more := money.Draw(t, "more"); more > unreserved && c.Share(more) < share {
			t.Fatalf("share of %d is %d, of %d only %d", unreserved, share, more, c.Share(more))
		}
		if got := c.Cap(c.MostMicros()); got != c.Asked {
			t.Fatalf("the most caps at %d of %d", got, c.Asked)
		}
	})
}

// TestShareOfLargeAsks is a client that asks for 128,000 tokens in every call
// at $15 per million with $0.50 left: one call gets a useful answer, three are
// in flight together, and a fourth waits.
func TestShareOfLargeAsks(t *testing.T) {
	asked := int64(128_000)
	m := Model{Price: Price{Rates: Rates{Input: usd(t, "3"), Output: usd(t, "15")}}, Context: 200_000}
	c, err := Bound(Call{Wire: Chat, BodyBytes: 2_000, Messages: 1, OutputCap: &asked}, m, true)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(500_000)
	for i, least := range []int64{16_000, 8_000, 7_000} {
		share := c.Share(left)
		if got := c.Cap(share); got < least {
			t.Fatalf("call %d gets %d tokens, want at least %d", i+1, got, least)
		}
		left -= share
	}
	if left < 0 || left >= c.LeastMicros() {
		t.Fatalf("%d is left; the fourth call should have to wait for %d", left, c.LeastMicros())
	}
}

// TestShareOfSmallAsks is a client of small calls: what is left in the end is
// less than its smallest call is worth.
func TestShareOfSmallAsks(t *testing.T) {
	asked := int64(1_024)
	m := Model{Price: Price{Rates: Rates{Input: usd(t, "0.60"), Output: usd(t, "2.40")}}}
	c, err := Bound(Call{Wire: Chat, BodyBytes: 2_048, Messages: 1, OutputCap: &asked}, m, true)
	if err != nil {
		t.Fatal(err)
	}
	left, calls := int64(500_000), 0
	for ; c.Share(left) > 0 && calls < 10_000; calls++ {
		cost, err := Cost(m.Price, Usage{Input: 600, Output: 300}, "")
		if err != nil || cost > c.Share(left) {
			t.Fatalf("a call costs %d of a share of %d: %v", cost, c.Share(left), err)
		}
		left -= cost
	}
	if left >= 25_000 || calls < 400 {
		t.Fatalf("%d calls leave %d of 500000", calls, left)
	}
}

// TestSharesExactly: an input of 5 micro-dollars and 100 tokens, output tokens of 3 micro-dollars in two outputs.
func TestSharesExactly(t *testing.T) {
	c := Ceiling{Input: 5_000_000, Output: 3_000_000, InputTk: 100, Asked: 1000, Least: 16, Floor: 200, Outputs: 2, Clamp: true}
	small, single, whole, free := c, c, c, c
	small.Asked, single.Outputs, whole.Clamp, free.Output = 50, 0, false, 0
	whole.Least = whole.Asked
	estimate := func(output, outputs int64) int64 {
		n, err := c.Estimate(output, outputs)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for what, got := range map[string][2]int64{
		"one output": {estimate(10, 1), 35}, "of three": {estimate(10, 3), 17}, "of none": {estimate(10, 0), 35}, "of two, evenly": {estimate(10, 2), 20},
		"fewest tokens": {c.LeastTokens(), 132}, "cap of 300": {c.CapOf(300), 100}, "cap of 5,000": {c.CapOf(5000), 1000}, "cap of no outputs": {single.CapOf(300), 200},
		"floor": {c.FloorMicros(), 605}, "floor of a small call": {small.FloorMicros(), 155},
		"all or nothing": {whole.Share(3005), 3005}, "nothing": {whole.Share(3004), 0},
		"less than the least": {c.Share(52), 0}, "the least": {c.Share(53), 53}, "the floor's": {c.Share(605), 605}, "up to the floor": {c.Share(700), 605},
		"half": {c.Share(2006), 1007}, "all that is asked": {c.Share(7000), 3005},
		"the cap of a hold": {c.Cap(305), 100}, "a hold for more": {c.Cap(9000), 1000}, "free output": {free.Cap(5), 1000},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", what, got[0], got[1])
		}
	}
}
