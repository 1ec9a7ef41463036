package cli

import (
	"encoding/json"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// What is in doubt is shown beside what was spent, and is the same in every view.
func TestEveryViewTellsTheSameDoubt(t *testing.T) {
	home, l := spentHome(t)
	var want ledger.Micros
	for i, owner := range []string{"agent's " + enemy, "run's " + enemy} {
		hold, no, err := l.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken(owner), Most: 500, Least: 500, Call: ledger.CallInfo{Wire: "chat", ModelAsked: "gpt-4o-mini", Provider: "openai"}})
		noError(t, err)
		if no != nil {
			t.Fatalf("%+v", no)
		}
		cost := ledger.Micros(300 + 11*i)
		_, err = l.Settle(t.Context(), hold.ID, ledger.Settlement{How: ledger.Estimated, Cost: cost, Ending: "cut"})
		noError(t, err)
		want += cost
	}
	check := func(who string, got ledger.Micros) {
		t.Helper()
		if got != want {
			t.Errorf("%s says that %d is in doubt, it is %d", who, got, want)
		}
	}
	check("the dashboard's headline", figure(t, fetch(t, home, l, "/dashboard?range=all&by=agent"), "in-doubt"))
	metrics := scrape(t, l)
	check("aex_in_doubt_usd", metricSum(t, metrics, "aex_in_doubt_usd"))
	check("aex_agent_in_doubt_usd", metricSum(t, metrics, "aex_agent_in_doubt_usd"))
	if calls := metricSum(t, metrics, "aex_in_doubt_calls"); calls != 2_000_000 {
		t.Errorf("aex_in_doubt_calls says %d millionths", calls)
	}
	for _, c := range []struct{ command, member string }{{"status", "in_doubt"}, {"metrics", "total_in_doubt"}} {
		var view map[string]any
		noError(t, json.Unmarshal([]byte(output(t, home, c.command, "--json")), &view))
		micros, _ := view[c.member+"_micro"].(float64)
		check("aex "+c.command, ledger.Micros(micros))
		if calls := view[c.member+"_calls"]; calls != 2.0 {
			t.Errorf("aex %s: %v calls", c.command, calls)
		}
	}
	for _, by := range []string{"agent", "model", "run", "day"} {
		var lines []struct {
			Doubt ledger.Micros `json:"in_doubt_micro"`
		}
		noError(t, json.Unmarshal([]byte(output(t, home, "report", "--by", by, "--json")), &lines))
		var sum ledger.Micros
		for _, line := range lines {
			sum += line.Doubt
		}
		check("aex report --by "+by, sum)
	}
}
