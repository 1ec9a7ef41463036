package dashboard

import (
	"encoding/csv"
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

func TestCallsTellWhatHappened(t *testing.T) {
	began := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	at := func(action string, after time.Duration, body map[string]any) ledger.Event {
		text, err := json.Marshal(body)
		must(t, err)
		return ledger.Event{Seq: 1, Time: began.Add(after), Action: action, Body: text}
	}
	for _, c := range []struct {
		event        ledger.Event
		ending, kind string
		notes        []string
	}{
		{at("usage.commit", time.Second, map[string]any{"ending": "complete", "how": "settled", "model_served": "m"}), "complete", "good", nil},
		{at("usage.commit", time.Second, map[string]any{"ending": "complete", "how": "settled", "clamped": 1200, "model_asked": "alias", "model_sent": "m"}), "complete", "good",
			[]string{"output capped to 1,200 tokens to fit the budget", "asked for alias"}},
		{at("usage.commit", time.Second, map[string]any{"ending": "cut", "how": "estimated"}), "cut", "warn", []string{"in doubt: estimated, because of cut"}},
		{at("usage.cancel", time.Second, map[string]any{"ending": "refused", "status": 400}), "refused", "warn", []string{"nothing was charged", "the provider answered 400"}},
		{at("usage.recovered", time.Second, map[string]any{"how": "recovered"}), "in doubt", "warn", []string{"its aex died: booked in full"}},
		{at("usage.late", time.Second, map[string]any{}), "late", "warn", []string{"the difference to what was booked in full"}},
		{at("policy.deny", time.Second, map[string]any{"code": "model_not_allowed", "reason": "aex: no gpt-4o here", "count": 3}), "refused", "bad", []string{"model_not_allowed", "no gpt-4o here", "3 times"}},
		{at("budget.deny", time.Second, map[string]any{"cause": "call_exceeds_budget", "needed_micro": 500_000}), "refused", "bad", []string{"call_exceeds_budget", "it could cost $0.50"}},
	} {
		rows := callRows([]ledger.Event{c.event}, began, began.Add(4*time.Second))
		if len(rows) != 1 || rows[0].Ending != c.ending || rows[0].Kind != c.kind || strings.Join(rows[0].Notes, "|") != strings.Join(c.notes, "|") {
			t.Errorf("%s %s: %+v", c.event.Action, c.event.Body, rows)
		}
	}
	rows := callRows([]ledger.Event{at("usage.commit", 3*time.Second, map[string]any{"latency_ms": 1000}), at("run.open", 0, nil)}, began, began.Add(4*time.Second))
	if len(rows) != 1 || rows[0].At != 500 || rows[0].Len != 250 {
		t.Errorf("on the time line: %+v", rows)
	}
}

func TestRangesOfDays(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)
	home := t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home})
	must(t, err)
	defer l.Close()
	d := &Dashboard{o: Options{Now: func() time.Time { return now }}, ledger: l}
	read := func(query string) view {
		v, err := d.readView(httptest.NewRequest("GET", "/dashboard?"+query, nil))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := read("from=2026-11-01&to=2026-11-07")
	before, ok := v.before()
	if v.Range != custom || v.Per != ledger.ByDay || !v.end().Equal(time.Date(2026, 11, 7, 23, 59, 59, 999e6, time.UTC)) || !ok ||
		!before.Until.Equal(time.Date(2026, 10, 31, 23, 59, 59, 999e6, time.UTC)) || before.Since.Format(time.DateOnly) != "2026-10-25" {
		t.Errorf("a week: %+v, before it %+v", v, before)
	}
	if q := string(v.Query("by", "model")); !strings.Contains(q, "from=2026-11-01") || strings.Contains(string(v.Query("range", "7d")), "from=") {
		t.Errorf("the address %s", q)
	}
	if v := read("from=2026-11-19&to=2026-11-25"); !v.end().Equal(now) || v.Per != ledger.ByHour {
		t.Errorf("until now: %+v", v)
	}
	for _, wrong := range []string{"from=2026-11-09&to=2026-11-01", "from=yesterday", "to=2026-11-09", "from=2027-01-01"} {
		if v := read(wrong); v.Range != "24h" {
			t.Errorf("%s is %+v", wrong, v)
		}
	}
	if _, ok := read("range=all").before(); ok {
		t.Error("something was before everything")
	}
	tokyo, err := ledger.ParseZone("Asia/Tokyo")
	must(t, err)
	_, err = l.SetZone(t.Context(), tokyo, false)
	must(t, err)
	if v := read("from=2026-11-07"); !v.since.Equal(time.Date(2026, 11, 6, 15, 0, 0, 0, time.UTC)) || v.To != "2026-11-20" || !v.until.Equal(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)) {
		t.Errorf("days of Tokyo: %+v", v)
	}
}

func TestAgentsInOrder(t *testing.T) {
	row := func(name string, budget, spent, rate int64) budgetRow {
		b := budgetRow{Agent: ledger.Agent{Name: name}, Account: ledger.Account{Spent: ledger.Micros(spent)}, Rate: ledger.Micros(rate)}
		if budget > 0 {
			m := ledger.Micros(budget)
			b.Account.Budget = &m
			b.Ends, b.Lasts = rate > 0, time.Hour*time.Duration(budget-spent)/time.Duration(max(rate, 1))
		}
		return b
	}
	for by, want := range map[string]string{
		"left": "spent poor rich free", "used": "spent rich poor free", "spent": "free rich spent poor", "burn": "rich free spent poor", "name": "free poor rich spent", "lasts": "rich free poor spent",
	} {
		rows := []budgetRow{row("rich", 1000, 500, 90), row("poor", 100, 10, 0), row("free", 0, 900, 0), row("spent", 50, 50, 0)}
		sortBudgets(rows, by)
		var names []string
		for _, r := range rows {
			names = append(names, r.Agent.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("by %s: %s, not %s", by, got, want)
		}
	}
}

func TestCSVIsPlain(t *testing.T) {
	w := httptest.NewRecorder()
	must(t, sendCSV(w, "x", []string{"agent", "cost_usd"}, [][]string{{"=1+1", "-0.5"}, {"@x", usdCSV(1_234_567)}, {"a\x1b[31m", usdCSV(-5)}}))
	rows, err := csv.NewReader(w.Body).ReadAll()
	must(t, err)
	if got := rows[1][0] + rows[1][1] + rows[2][0] + rows[2][1] + rows[3][1]; got != "'=1+1-0.5'@x1.234567-0.000005" || strings.Contains(rows[3][0], "\x1b") {
		t.Errorf("%q", rows)
	}
}
