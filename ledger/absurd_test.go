package ledger_test

import (
	"math"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// A provider that reports absurd figures stops nobody: they are bounded where
// they are booked, and the sums of them do not overflow.
func TestAbsurdUsageStopsNoLedger(t *testing.T) {
	l := open(t, t.TempDir())
	h := agent(t, l, ledger.NewAgent{Name: "x", Budget: usd(t, "1")})
	for range 4 {
		hold, no, err := l.Admit(t.Context(), ledger.Admission{Token: h, Least: 1, Most: 5})
		if err != nil || no != nil {
			t.Fatal(no, err)
		}
		u := ledger.Usage{Input: math.MaxInt64, CacheRead: math.MaxInt64, Output: 9e18, Searches: -7}
		if _, err := l.Settle(t.Context(), hold.ID, ledger.Settlement{How: ledger.Estimated, Cost: 5, Usage: u}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range events(t, l, ledger.EventFilter{Action: "usage.commit"}) {
		if strings.Contains(string(e.Body), "searches") {
			t.Errorf("searches below 0 are kept: %s", e.Body)
		}
	}
	spent, err := l.Spend(t.Context(), ledger.SpendFilter{By: ledger.ByAgent})
	if err != nil || len(spent) != 1 || spent[0].Calls != 4 || spent[0].Cost != 20 || spent[0].Input != 4<<40 || spent[0].Cached != 4<<40 || spent[0].Output != 4<<40 {
		t.Errorf("%+v %v", spent, err)
	}
}
