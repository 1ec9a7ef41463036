package ledger

import "testing"

// TestUsedUp: an account is used up when its budget is spent, also one of nothing,
// and while it is overrun; not when calls under way hold all that is left.
func TestUsedUp(t *testing.T) {
	budget, nothing := Micros(100), Micros(0)
	for _, c := range []struct {
		name string
		a    Account
		want bool
	}{
		{"no limit", Account{Spent: 100}, false},
		{"no limit, overrun", Account{Overrun: 1}, false},
		{"unused", Account{Budget: &budget}, false},
		{"all but a micro-dollar", Account{Budget: &budget, Spent: 99}, false},
		{"held by calls under way", Account{Budget: &budget, Spent: 40, Reserved: 60}, false},
		{"spent", Account{Budget: &budget, Spent: 100}, true},
		{"overrun, a hold of which some came back", Account{Budget: &budget, Spent: 90, Overrun: 5}, true},
		{"a budget of nothing", Account{Budget: &nothing}, true},
	} {
		if got := c.a.UsedUp(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestShortest: the account that has the least left for a new call is the one
// that is overrun before all others, and none that has no limit.
func TestShortest(t *testing.T) {
	budget := Micros(100)
	path := []Account{{Name: "no limit", Spent: 1000}, {Name: "half", Budget: &budget, Spent: 50}, {Name: "held", Budget: &budget, Reserved: 80}}
	if short := Shortest(path); short == nil || short.Name != "held" {
		t.Errorf("%+v", short)
	}
	path = append(path, Account{Name: "overrun", Budget: &budget, Spent: 60, Overrun: 30})
	if short := Shortest(path); short == nil || short.Name != "overrun" {
		t.Errorf("%+v", short)
	}
	if short := Shortest(path[:1]); short != nil {
		t.Errorf("without any limit: %+v", short)
	}
}
