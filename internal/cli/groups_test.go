package cli

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// enemyGroup is a group's name as an enemy would choose it: all that the rule
// for names lets through.
const enemyGroup = `=cmd|'!A1<b>"&lt;`

// groupedHome is a home with a tree of groups, in which agents have spent odd
// amounts, some of them before they were moved.
func groupedHome(t *testing.T) (home string, l *ledger.Ledger) {
	t.Helper()
	home = t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home})
	noError(t, err)
	t.Cleanup(func() { noError(t, l.Close()) })
	names := []string{"acme", "acme/a", "acme/a/deep", "acme/b", enemyGroup}
	for i, name := range names {
		_, err := l.CreateGroup(t.Context(), ledger.NewGroup{Name: name, Budgets: map[ledger.Window]ledger.Micros{ledger.Monthly: 1_000_000 + ledger.Micros(i)}})
		noError(t, err)
	}
	for i, in := range append(names, "") {
		name, token := string(rune('p'+i)), ledger.HashToken(in)
		_, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: name, Group: in})
		noError(t, err)
		noError(t, l.AddToken(t.Context(), ledger.NewToken{Hash: token, Agent: name, Scope: ledger.Execution}))
		spend(t, l, token, ledger.Micros(101+17*i), "gpt-4o-mini", "")
		to := names[(i+2)%len(names)]
		_, err = l.SetAgent(t.Context(), name, ledger.AgentChange{Group: &to})
		noError(t, err)
		spend(t, l, token, ledger.Micros(1009+31*i), "gpt-4o-mini", "")
	}
	return home, l
}

func TestEveryViewTellsTheSameOfGroups(t *testing.T) {
	home, l := groupedHome(t)
	groups, err := l.Groups(t.Context())
	noError(t, err)
	type told struct {
		Name    string        `json:"name"`
		Spent   ledger.Micros `json:"spent_micro"`
		Burn    int64         `json:"burn_rate_micro_per_sec"`
		Budgets []struct {
			Spent ledger.Micros `json:"spent_micro"`
		} `json:"budgets"`
	}
	var status, metrics struct {
		Groups []told `json:"groups"`
	}
	var list []told
	noError(t, json.Unmarshal([]byte(output(t, home, "status", "--json")), &status))
	noError(t, json.Unmarshal([]byte(output(t, home, "metrics", "--json")), &metrics))
	noError(t, json.Unmarshal([]byte(output(t, home, "group", "list", "--json")), &list))
	text := scrape(t, l)
	for _, g := range groups {
		want := spentByEvents(t, l, g.Account.ID)
		check := func(who string, got ledger.Micros) {
			t.Helper()
			if got != want || want == 0 {
				t.Errorf("%s: %s says %d, the events %d", g.Name, who, got, want)
			}
		}
		check("its account", g.Account.Charged())
		check("its month", g.Windows[0].Charged())
		for who, all := range map[string][]told{"aex status": status.Groups, "aex metrics": metrics.Groups, "aex group list": list} {
			i := slices.IndexFunc(all, func(o told) bool { return o.Name == g.Name })
			if i < 0 {
				t.Fatalf("%s does not tell of %s", who, g.Name)
			}
			check(who, all[i].Spent)
			check(who+" of the month", all[i].Budgets[0].Spent)
			if burns := who == "aex metrics"; burns != (all[i].Burn > 0) {
				t.Errorf("%s: %s says that it burns %d", g.Name, who, all[i].Burn)
			}
		}
		var lines []spendView
		noError(t, json.Unmarshal([]byte(output(t, home, "report", "--group", g.Name, "--by", "none", "--json")), &lines))
		check("aex report", lines[0].Cost)
		page := fetch(t, home, l, "/dashboard/group?range=all&group="+url.QueryEscape(g.Name))
		check("the page", figure(t, page, "group-spent"))
		check("the table", figure(t, page, "spent"))
		harmlessPage(t, "the page of "+g.Name, page)
		if g.Name != enemyGroup {
			check("Prometheus", metricSum(t, text, `aex_group_cost_usd_total\{group="`+g.Name+`"\}`))
		}
	}
	audit, err := l.Verify(t.Context(), nil)
	noError(t, err)
	if !audit.OK() {
		t.Errorf("audit: %+v", audit)
	}
}

// Names of groups are text wherever they are shown.
func TestHostileGroupsAreText(t *testing.T) {
	home, l := groupedHome(t)
	for _, path := range []string{"/groups", "/groups?sort=used", "/agents", "/agents?group=" + url.QueryEscape(enemyGroup), "/act?do=topup-group&group=" + url.QueryEscape(enemyGroup), "?by=group", "/chart.svg?by=group", "/events?group=" + url.QueryEscape(enemyGroup)} {
		harmlessPage(t, path, fetch(t, home, l, "/dashboard"+path))
	}
}

// spentByEvents adds up the events that charge an account.
func spentByEvents(t *testing.T, l *ledger.Ledger, account int64) (sum ledger.Micros) {
	t.Helper()
	noError(t, eachEvent(t.Context(), l, ledger.EventFilter{Since: time.Now().Add(-time.Hour)}, func(e ledger.Event) error {
		var told struct {
			Accounts []int64 `json:"accounts"`
		}
		err := json.Unmarshal(e.Body, &told)
		if slices.Contains(told.Accounts, account) {
			sum += e.Cost
		}
		return err
	}))
	return sum
}
