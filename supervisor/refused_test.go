package supervisor

import (
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/watch"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// TestWhatAFailureIsFor: a program fails for money where its last call that shows how it
// stands with money was refused for that. A call that aex refuses for another cause shows
// nothing: who finds no money tries another model, which the policy may deny.
func TestWhatAFailureIsFor(t *testing.T) {
	money := &ledger.Refusal{Needed: 40, Budget: 100, Spent: 90}
	short, denied := watch.Notice{Run: "r", Unmade: true, Money: money}, watch.Notice{Run: "r", Unmade: true, Code: "model_not_allowed"}
	answered, unreachable := watch.Notice{Run: "r"}, watch.Notice{Run: "r", Code: "upstream_unreachable"}
	inside := watch.Notice{Run: "s", Unmade: true, Code: "policy_denied"}
	nobody := watch.Notice{Unmade: true, Code: "invalid_token"}
	for _, c := range []struct {
		name    string
		notices []watch.Notice
		code    int
		gaveUp  bool
		inside  int64
	}{
		{"nothing was refused", []watch.Notice{answered}, 1, false, 0},
		{"money", []watch.Notice{answered, short}, 1, true, 0},
		{"money, and it ends well", []watch.Notice{answered, short}, 0, false, 0},
		{"an answer after it", []watch.Notice{short, answered}, 1, false, 0},
		{"no provider after it", []watch.Notice{short, unreachable}, 1, false, 0},
		{"another model that is denied after it", []watch.Notice{short, denied}, 1, true, 0},
		{"a denial alone", []watch.Notice{answered, denied}, 1, false, 0},
		{"a denial before it", []watch.Notice{denied, short}, 1, true, 0},
		{"an answer between", []watch.Notice{short, answered, denied}, 1, false, 0},
		{"a run inside is denied", []watch.Notice{short, inside, inside, nobody}, 1, true, 2},
	} {
		p := &Report{RunID: "r"}
		for i, n := range c.notices {
			n.Began = time.UnixMilli(int64(i + 1))
			p.count(n)
		}
		if got := p.gaveUp(process.Status{Code: c.code}); got != c.gaveUp || p.inside != c.inside {
			t.Errorf("%s: gave up for money: %v; %d refused inside", c.name, got, p.inside)
		}
	}
}

// TestNeedIsOfTheLastCall: what stood in the way is told of the last call alone, though
// the end was worked out before that was known.
func TestNeedIsOfTheLastCall(t *testing.T) {
	p := &Report{RunID: "r"}
	p.count(watch.Notice{Run: "r", Unmade: true, Began: time.UnixMilli(1), Money: &ledger.Refusal{Needed: 40, Budget: 100, Spent: 90}})
	if p.nextCall() == "" || p.Needed != 40 || p.Left != 10 {
		t.Fatalf("%+v", p)
	}
	p.count(watch.Notice{Run: "r", Began: time.UnixMilli(2)})
	if p.nextCall() != "" || p.Needed != 0 || p.Left != 0 || p.Whose != "" {
		t.Errorf("needs %s of %s of %q", p.Needed, p.Left, p.Whose)
	}
}
