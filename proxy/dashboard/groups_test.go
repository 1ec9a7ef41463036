package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// grouped is a desk over acme, acme/search and acme/search/deep, with atlas in
// the last, which has made a call there and one before it came.
func grouped(t *testing.T) *desk {
	t.Helper()
	w := newWorld(t, setup{agent: "10"})
	call := func() {
		t.Helper()
		status, body, err := w.postWithin(t.Context(), "/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
		must(t, err)
		if status != 200 {
			t.Fatal(body)
		}
		w.booked(1)
	}
	call()
	for _, n := range []ledger.NewGroup{
		{Name: "acme", Budgets: map[ledger.Window]ledger.Micros{ledger.Monthly: 5_000_000, ledger.Total: 9_000_000}},
		{Name: "acme/search", Budgets: map[ledger.Window]ledger.Micros{ledger.Daily: 2_000_000}},
		{Name: "acme/search/deep"}, {Name: "other"},
	} {
		_, err := w.ledger.CreateGroup(t.Context(), n)
		must(t, err)
	}
	to := "acme/search/deep"
	_, err := w.ledger.SetAgent(t.Context(), "atlas", ledger.AgentChange{Group: &to})
	must(t, err)
	call()
	return newDesk(t, w, nil)
}

// show fails unless a page has all of the texts.
func (k *desk) show(path string, texts ...string) {
	k.t.Helper()
	status, _, page := k.get("/dashboard" + path)
	if status != http.StatusOK {
		k.t.Fatalf("%s: %d", path, status)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			k.t.Errorf("%s does not show %q:\n%s", path, text, page)
		}
	}
}

func TestGroupsAreShown(t *testing.T) {
	k := grouped(t)
	g, err := k.ledger.Group(t.Context(), "acme")
	must(t, err)
	spent := g.Account.Charged().String()
	if all, err := k.ledger.Totals(t.Context()); err != nil || g.Account.Charged() == 0 || g.Account.Charged() >= all.Spent+all.Overrun {
		t.Fatalf("acme has spent %s of %s, %v", spent, all.Spent+all.Overrun, err)
	}
	k.show("/groups", "4 groups", `class="in2"`, `aria-label="acme/search/deep"`, "of $5.00 a month", "of $2.00 a day", "none of its own")
	k.show("/groups?q=search", "2 of 4 groups", "<bdi>acme/search/deep</bdi>")
	_, _, page := k.get("/dashboard/groups?sort=used") // the tree has acme before what is in it
	if most, less := strings.Index(page, "<bdi>acme/search</bdi>"), strings.Index(page, "<bdi>acme</bdi>"); most < 0 || less < most {
		t.Errorf("acme/search has used more of its budget than acme, and stands at %d, acme at %d:\n%s", most, less, page)
	}
	k.show("/group?group=acme", `data-figure="group-spent">`+spent, `data-figure="spent">`+spent, "acme/search/deep", "None. Move one there")
	k.show("/group?group=acme&by=group", "/dashboard/group?group=acme%2fsearch%2fdeep", spent)
	k.show("/group?group=acme/search/deep", "None of its own; those around it hold.", `/dashboard/agent?agent=atlas`, "agent.set", `aria-label="Groups around"`)
	k.show("/chart.svg?group=acme&by=group", "<svg")
	k.show("/agents", "in <a class=\"name\" href=\"/dashboard/group?group=acme%2fsearch%2fdeep\"")
	k.show("/agents?group=acme", "Agents in group <bdi>acme</bdi>", "1 agents", "atlas")
	k.show("/agents?group=other", "No agent of this group")
	k.show("/agent?agent=atlas", "Budgets of its groups", "of $2.00 a day", "its calls are charged there")
	k.show("", "Budgets of groups", "per group")
	k.show("/events?group=acme/search", `>group.create</span>`, `>window.open</span>`)
	k.show("/act?do=topup-group&group=acme", "this month", "all time", "aex group topup acme DOLLARS/WINDOW")
	status, h, csv := k.get("/dashboard/groups?format=csv")
	if lines := strings.Split(strings.TrimSpace(csv), "\n"); status != 200 || !strings.Contains(h.Get("Content-Disposition"), "aex-groups.csv") || len(lines) != 6 ||
		!strings.HasPrefix(lines[1], "acme,total,9.000000,") || !strings.HasPrefix(lines[3], "acme/search,daily,2.000000,") {
		t.Errorf("%d %v\n%s", status, h, csv)
	}
	for _, path := range []string{"/group?group=nobody", "/group", "/act?do=pause-group&group=nobody"} {
		if status, _, page := k.get("/dashboard" + path); status != http.StatusNotFound || !strings.Contains(page, "no such agent, group or run") {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestGroupsAreActedOn(t *testing.T) {
	k := grouped(t)
	token := k.csrf()
	do := func(what, group, amount, window string) (int, string) {
		status, _, page := k.post("/dashboard/act", url.Values{"do": {what}, "group": {group}, "amount": {amount}, "window": {window}, "csrf": {token}})
		return status, page
	}
	if status, page := do("topup-group", "acme", "1.50", "monthly"); status != 200 || !strings.Contains(page, "group acme&#39;s monthly window has a budget of $6.50") {
		t.Errorf("top up: %d %s", status, page)
	}
	for _, wrong := range [][2]string{{"1", "daily"}, {"1", ""}, {"0", "monthly"}, {"", "monthly"}, {"1", "hourly"}} {
		if status, page := do("topup-group", "acme", wrong[0], wrong[1]); status != http.StatusBadRequest || !strings.Contains(page, `role="alert"`) {
			t.Errorf("%q: %d %s", wrong, status, page)
		}
	}
	if status, page := do("pause-group", "acme/search", "", ""); status != 200 || !strings.Contains(page, "group acme/search is paused") {
		t.Errorf("pause: %d %s", status, page)
	}
	k.show("/groups", "paused</span>", "paused by <bdi>acme/search</bdi>")
	k.show("/group?group=acme/search/deep", "paused by <bdi>acme/search</bdi>")
	status, body, err := k.postWithin(t.Context(), "/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
	if err != nil || status != http.StatusForbidden || !strings.Contains(body, "group acme/search is paused") {
		t.Errorf("a call of a paused group: %d %s %v", status, body, err)
	}
	if status, _ := do("resume-group", "acme/search", "", ""); status != 200 {
		t.Errorf("resume: %d", status)
	}
	if g, err := k.ledger.Group(t.Context(), "acme/search"); err != nil || g.Paused {
		t.Errorf("still paused: %v", err)
	}
}
