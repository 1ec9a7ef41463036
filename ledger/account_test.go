package ledger

import (
	"errors"
	"testing"
	"time"
)

// TestBookings: what an account can take of a cost is spent and the rest is
// overrun; what comes back pays the overrun first.
func TestBookings(t *testing.T) {
	for _, c := range []struct {
		name         string
		before       account
		cost         Micros
		spent, over  Micros
		told, budget Micros
	}{
		{"it fits", account{limited: true, target: 10, budget: 10, spent: 4}, 6, 10, 0, 0, 10},
		{"it does not", account{limited: true, target: 10, budget: 10, spent: 4}, 9, 10, 3, 3, 10},
		{"nothing", account{limited: true, target: 10, budget: 10, spent: 10, overrun: 5}, 0, 10, 5, 0, 10},
		{"a part of the overrun comes back", account{limited: true, target: 10, budget: 10, spent: 10, overrun: 5}, -3, 10, 2, 0, 10},
		{"more than the overrun", account{limited: true, target: 10, budget: 10, spent: 10, overrun: 5}, -7, 8, 0, 0, 10},
		{"a budget that was lowered follows", account{limited: true, target: 2, budget: 8, spent: 8}, -3, 5, 0, 0, 5},
		{"no budget", account{spent: 4}, 9, 13, 0, 0, 0},
		{"no budget, and back", account{spent: 4}, -3, 1, 0, 0, 0},
	} {
		a := c.before
		told, err := a.book(c.cost)
		if err != nil || told != c.told || a.spent != c.spent || a.overrun != c.over || a.budget != c.budget {
			t.Errorf("%s: told %d, %v; spent %d, overrun %d of %d", c.name, told, err, a.spent, a.overrun, a.budget)
		}
	}
	for _, limited := range []bool{true, false} {
		a := account{limited: limited, target: 10, budget: 10, spent: 4}
		if _, err := a.book(-5); !errors.Is(err, ErrCorrupt) {
			t.Errorf("more comes back than was spent: %v", err)
		}
	}
	short := account{limited: true, target: 10, budget: 10, reserved: 3}
	if _, err := short.settle(4, 1); !errors.Is(err, ErrCorrupt) || short.reserved != 3 {
		t.Errorf("a hold that is not reserved: %v, %+v", err, short)
	}
	if _, err := short.settle(3, 1); err != nil || short.reserved != 0 || short.spent != 1 {
		t.Errorf("one that is: %v, %+v", err, short)
	}
}

// TestTopUps: from one micro-dollar up to the largest budget, on a budget; what
// was overrun is paid first.
func TestTopUps(t *testing.T) {
	limited := func(target, spent, overrun Micros) account {
		return account{limited: true, target: target, budget: target, spent: spent, overrun: overrun}
	}
	for _, c := range []struct {
		name   string
		before account
		by     Micros
		ok     bool
		paid   Micros
		budget Micros
	}{
		{"the least", limited(10, 0, 0), 1, true, 0, 11},
		{"the overrun first", limited(10, 10, 4), 3, true, 3, 13},
		{"all of the overrun", limited(10, 10, 4), 9, true, 4, 19},
		{"to the largest budget", limited(0, 0, 0), maxAmount, true, 0, maxAmount},
		{"on top of one", limited(1, 0, 0), maxAmount - 1, true, 0, maxAmount},
		{"beyond it", limited(1, 0, 0), maxAmount, false, 0, 1},
		{"more than any", limited(0, 0, 0), maxAmount + 1, false, 0, 0},
		{"nothing", limited(10, 0, 0), 0, false, 0, 10},
		{"less", limited(10, 0, 0), -1, false, 0, 10},
		{"no budget", account{}, 5, false, 0, 0},
	} {
		a := c.before
		paid, err := a.topUp(c.by)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrInvalid) || paid != c.paid || a.budget != c.budget {
			t.Errorf("%s: paid %d, %v; the budget is %d", c.name, paid, err, a.budget)
		}
	}
	a := limited(10, 10, 4)
	if a.retarget(nil); a.limited || a.spent != 14 || a.overrun != 0 {
		t.Errorf("a budget that is taken away leaves %+v", a)
	}
	if got := (Account{Spent: 10, Overrun: 4}).Charged(); got != 14 {
		t.Errorf("charged %d", got)
	}
	budget := Micros(100)
	if left, ok := (Account{Budget: &budget, Spent: 10, Reserved: 4}).Left(); left != 86 || !ok {
		t.Errorf("left %d, %v", left, ok)
	}
	if left, ok := (Account{Spent: 10, Reserved: 4}).Left(); left != 0 || ok {
		t.Errorf("left of no budget %d, %v", left, ok)
	}
	for want, a := range map[string]Account{"agent x": {Kind: AgentAccount, Window: Total, Name: "x"}, "run x": {Kind: RunAccount, Name: "x"}, "agent x's daily window": {Kind: WindowAccount, Window: Daily, Name: "x"}} {
		if got := a.Whose(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for b, ok := range map[Micros]bool{0: true, maxAmount: true, maxAmount + 1: false, -1: false} {
		if err := validBudget(&b); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("a budget of %d: %v", b, err)
		}
	}
}

// TestLastUse of an account is the latest, whatever a clock does.
func TestLastUse(t *testing.T) {
	a := account{last: 10}
	if a.reserve(1, 5); a.last != 10 {
		t.Errorf("set back to %d", a.last)
	}
	if a.reserve(1, 20); a.last != 20 || a.calls != 2 || a.reserved != 2 {
		t.Errorf("%+v", a)
	}
}

// TestAllTokensCount of every class, once.
func TestAllTokensCount(t *testing.T) {
	u := Usage{Input: 1, CacheRead: 2, CacheWrite5m: 4, CacheWrite1h: 8, Output: 16, AudioIn: 32, AudioOut: 64, Searches: 128}
	if u.Total() != 127 {
		t.Errorf("%d", u.Total())
	}
	var sums tallySums
	sums.add(1, 5, Settlement{Usage: u, Latency: 1500 * time.Millisecond, FirstToken: 20 * time.Millisecond})
	sums.add(1, 5, Settlement{})            // not measured
	sums.add(0, -2, Settlement{Usage: u})   // a difference is no call
	sums.add(0, 0, Settlement{Latency: 10}) // nor is one of nothing
	if sums.calls != 2 || sums.cost != 8 || sums.input != 1+32 || sums.cached != 2+4+8 || sums.output != 16+64 || sums.latency != 1500 || sums.firstToken != 20 {
		t.Errorf("%+v", sums)
	}
	measured := func(counts []int64) (n int64) {
		for _, c := range counts {
			n += c
		}
		return n
	}
	if measured(sums.latencies[:]) != 1 || measured(sums.firsts[:]) != 1 {
		t.Errorf("of one measured call: %v, %v", sums.latencies, sums.firsts)
	}
}

// TestRoomOfAMinute: tokens fit up to the limit, wait for as many of the oldest
// calls as are in their way, and never fit where they are more than a minute has.
func TestRoomOfAMinute(t *testing.T) {
	second := int64(time.Second / time.Millisecond)
	p := &pace{calls: []paced{{at: 0, tokens: 300}, {at: 10 * second, tokens: 300}, {at: 20 * second, tokens: 300}}}
	now := 30 * second
	for tokens, want := range map[int64]time.Duration{0: 0, 100: 0, 101: 30 * time.Second, 400: 30 * time.Second, 401: 40 * time.Second, 1_000: 50 * time.Second} {
		if retry, ok := p.roomFor(tokens, 1_000, now); retry != want || ok != (want == 0) {
			t.Errorf("%d tokens: %v, %v; want %v", tokens, retry, ok, want)
		}
	}
	if retry, ok := p.roomFor(1_001, 1_000, now); retry != 0 || ok {
		t.Errorf("more than a minute has: %v, %v", retry, ok)
	}
	for l, want := range map[Limits]bool{{}: false, {Concurrency: 3}: false, {RequestsPerMinute: 1}: true, {TokensPerMinute: 1}: true} {
		if l.paced() != want {
			t.Errorf("%+v", l)
		}
	}
}
