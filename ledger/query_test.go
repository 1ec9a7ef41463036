package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// history is a ledger whose clock the test moves.
type history struct {
	*ledger.Ledger
	t   *testing.T
	now time.Time
}

func newHistory(t *testing.T, start time.Time) *history {
	t.Helper()
	h := &history{t: t, now: start}
	dir := t.TempDir()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: ledger.Place(dir), Home: dir, Now: func() time.Time { return h.now }})
	if err != nil {
		t.Fatal(err)
	}
	h.Ledger = l
	t.Cleanup(func() {
		verify(t, l)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// call books one call.
func (h *history) call(token, model string, cost ledger.Micros, latency time.Duration) {
	h.t.Helper()
	hold, no, err := h.Admit(h.t.Context(), ledger.Admission{Token: ledger.HashToken(token), Least: 1000, Most: 1000, Call: ledger.CallInfo{Wire: "chat", ModelAsked: model, Provider: "openai"}})
	if err != nil || no != nil {
		h.t.Fatal(no, err)
	}
	_, err = h.Settle(h.t.Context(), hold.ID, ledger.Settlement{How: ledger.Settled, Cost: cost, ModelServed: model, Usage: ledger.Usage{Input: 2, CacheRead: 3, Output: 5}, Latency: latency, FirstToken: latency / 10})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) run(agent, token string) ledger.RunID {
	h.t.Helper()
	r, err := h.OpenRun(h.t.Context(), ledger.NewRun{Agent: agent, Program: "bot", Token: ledger.HashToken(token), Expires: h.now.Add(1000 * time.Hour), Metered: true})
	if err != nil {
		h.t.Fatal(err)
	}
	return r.ID
}

func (h *history) spend(f ledger.SpendFilter) string {
	h.t.Helper()
	all, err := h.Spend(h.t.Context(), f)
	if err != nil {
		h.t.Fatal(err)
	}
	var lines []string
	for _, s := range all {
		line := fmt.Sprintf("%s %d/%d", s.Key, s.Calls, s.Cost)
		if f.Per != "" {
			line = s.Bucket.Format("01-02T15 ") + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, ", ")
}

func TestSpendGroupsByTimeAndKey(t *testing.T) {
	h := newHistory(t, time.Date(2026, 1, 31, 22, 10, 0, 0, time.UTC))
	agent(t, h.Ledger, ledger.NewAgent{Name: "a"})
	agent(t, h.Ledger, ledger.NewAgent{Name: "b"})
	r := h.run("a", "r")
	h.call("r", "m", 10, time.Second)
	h.call("token of a", "m", 3, time.Second) // without a run
	h.now = h.now.Add(time.Hour)
	h.call("r", "n", 20, time.Second)
	h.now = h.now.Add(2 * time.Hour) // February
	h.call("r", "m", 40, time.Second)
	h.call("token of b", "m", 5, time.Second)
	feb := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		f    ledger.SpendFilter
		want string
	}{
		{ledger.SpendFilter{}, " 5/78"},
		{ledger.SpendFilter{By: ledger.ByAgent}, "a 4/73, b 1/5"},
		{ledger.SpendFilter{By: ledger.ByModel}, "m 4/58, n 1/20"},
		{ledger.SpendFilter{By: ledger.ByRun}, string(r) + " 3/70,  2/8"},
		{ledger.SpendFilter{By: ledger.ByModel, Run: r}, "m 2/50, n 1/20"},
		{ledger.SpendFilter{By: ledger.ByModel, Agent: "a"}, "m 3/53, n 1/20"},
		{ledger.SpendFilter{Model: "n"}, " 1/20"},
		{ledger.SpendFilter{Per: ledger.ByHour}, "01-31T22  2/13, 01-31T23  1/20, 02-01T01  2/45"},
		{ledger.SpendFilter{Per: ledger.ByDay}, "01-31T00  3/33, 02-01T00  2/45"},
		{ledger.SpendFilter{Per: ledger.ByMonth}, "01-01T00  3/33, 02-01T00  2/45"},
		{ledger.SpendFilter{Per: ledger.ByMonth, By: ledger.ByAgent}, "01-01T00 a 3/33, 02-01T00 a 1/40, 02-01T00 b 1/5"},
		{ledger.SpendFilter{Per: ledger.ByDay, By: ledger.ByRun}, "01-31T00 " + string(r) + " 2/30, 01-31T00  1/3, 02-01T00 " + string(r) + " 1/40, 02-01T00  1/5"},
		{ledger.SpendFilter{Since: feb}, " 2/45"},
		{ledger.SpendFilter{Until: feb.Add(-time.Minute)}, " 3/33"},
		{ledger.SpendFilter{By: ledger.ByRun, Since: feb, Agent: "b"}, " 1/5"},
		{ledger.SpendFilter{Agent: "nobody"}, ""},
	} {
		if got := h.spend(c.f); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.f, got, c.want)
		}
	}
	h.now = h.now.Add(time.Hour)
	for range 3 {
		if err := h.Refused(t.Context(), ledger.RefusedCall{Agent: "b", Code: "model_not_allowed"}); err != nil {
			t.Fatal(err)
		}
	}
	causes, err := h.Spend(t.Context(), ledger.SpendFilter{By: ledger.ByCause, Agent: "b", Per: ledger.ByHour, Since: feb})
	if err != nil || len(causes) != 1 || causes[0].Key != "model_not_allowed" || causes[0].Refused != 1 || causes[0].Calls != 0 {
		t.Errorf("causes %+v, %v", causes, err)
	}
	if got := h.spend(ledger.SpendFilter{}); got != " 5/78" {
		t.Errorf("with refusals %s", got)
	}
	if _, err := h.Spend(t.Context(), ledger.SpendFilter{By: "colour"}); err == nil {
		t.Error("spending is summed by colour")
	}
}

func TestSpendCountsHowLongCallsTook(t *testing.T) {
	h := newHistory(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	agent(t, h.Ledger, ledger.NewAgent{Name: "a"})
	for _, took := range []time.Duration{9 * time.Millisecond, 10 * time.Millisecond, 11 * time.Millisecond, time.Second, 100 * time.Second} {
		h.call("token of a", "m", 1, took)
	}
	kinds, err := h.Spend(t.Context(), ledger.SpendFilter{By: ledger.ByKind, Agent: "a"})
	if err != nil || len(kinds) != 1 {
		t.Fatal(kinds, err)
	}
	s := kinds[0]
	if s.Model != "m" || s.Provider != "openai" || s.Wire != "chat" || s.Calls != 5 || s.Input != 10 || s.Cached != 15 || s.Output != 25 || s.Latency != 101*time.Second+30*time.Millisecond {
		t.Errorf("sums %+v", s)
	}
	if got := fmt.Sprint(s.Latencies); got != "[2 1 0 0 0 0 0 1 0 0 0 0 0 0 1]" {
		t.Errorf("latencies %s", got)
	}
	if got := fmt.Sprint(s.FirstTokens); got != "[2 1 0 0 0 0 0 1 0 0 0 0 0 0 0 1 0]" {
		t.Errorf("first tokens %s", got)
	}
}

func TestQuantileInterpolates(t *testing.T) {
	bounds := []int64{10, 20, 40}
	for _, c := range []struct {
		counts  []int64
		percent int64
		want    time.Duration
	}{
		{[]int64{10, 0, 0, 0}, 50, 5 * time.Millisecond},
		{[]int64{10, 10, 0, 0}, 50, 10 * time.Millisecond},
		{[]int64{10, 10, 0, 0}, 75, 15 * time.Millisecond},
		{[]int64{0, 0, 4, 0}, 100, 40 * time.Millisecond},
		{[]int64{1, 0, 0, 99}, 95, 40 * time.Millisecond},
	} {
		if got, ok := ledger.Quantile(bounds, c.counts, c.percent); !ok || got != c.want {
			t.Errorf("%d%% of %v: %s, want %s", c.percent, c.counts, got, c.want)
		}
	}
	if _, ok := ledger.Quantile(bounds, make([]int64, 4), 50); ok {
		t.Error("nothing has a median")
	}
}

func TestBurnIsOfTheLastMinutes(t *testing.T) {
	h := newHistory(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	agent(t, h.Ledger, ledger.NewAgent{Name: "a", Budget: usd(t, "1")})
	r := h.run("a", "r")
	h.call("r", "m", 900, time.Second)
	h.now = h.now.Add(20 * time.Minute)
	h.call("r", "m", 100, time.Second)
	h.call("token of a", "m", 50, time.Second)
	h.now = h.now.Add(5 * time.Minute)
	b, err := h.Burn(t.Context(), ledger.BurnWindow)
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Agent(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if b.Cost != 150 || b.ByAgent[a.ID] != 150 || b.ByRun[r] != 100 || b.Until.Sub(b.Since) != ledger.BurnWindow {
		t.Errorf("burn %+v", b)
	}
	if rate := b.Rate(b.Cost, a.CreatedAt); rate != 600 { // 150 in a quarter of an hour
		t.Errorf("rate %d", rate)
	}
	if rate := b.Rate(b.Cost, b.Until.Add(-5*time.Minute)); rate != 1800 { // of something younger
		t.Errorf("rate %d", rate)
	}
	if d, ok := b.Lasts(300, 150, a.CreatedAt); !ok || d != 30*time.Minute {
		t.Errorf("lasts %s", d)
	}
	if _, ok := b.Lasts(300, 0, a.CreatedAt); ok {
		t.Error("idle ends")
	}
	if d, ok := b.Lasts(1<<60, 1, a.CreatedAt); !ok || d <= 0 {
		t.Errorf("a very long time is %s", d)
	}
}

func TestEventsAreFoundInBothDirections(t *testing.T) {
	h := newHistory(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	agent(t, h.Ledger, ledger.NewAgent{Name: "a"})
	agent(t, h.Ledger, ledger.NewAgent{Name: `b"\`})
	r := h.run("a", "r")
	for range 5 {
		h.call("r", "m", 1, time.Second)
	}
	h.now = h.now.Add(3 * time.Hour)
	h.call(`token of b"\`, "m", 1, time.Second)
	seqs := func(f ledger.EventFilter) (got string, more int64) {
		t.Helper()
		page, err := h.Events(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got += fmt.Sprintf("%d:%s ", e.Seq, e.Action)
		}
		return strings.TrimSpace(got), page.More
	}
	for _, c := range []struct {
		f    ledger.EventFilter
		want string
		more int64
	}{
		{ledger.EventFilter{Newest: true, Limit: 2}, "11:usage.commit 10:usage.commit", 10},
		{ledger.EventFilter{Newest: true, Limit: 2, Before: 10}, "9:usage.commit 8:usage.commit", 8},
		{ledger.EventFilter{Newest: true, Limit: 2, Before: 3}, "2:token.add 1:agent.create", 0},
		{ledger.EventFilter{Newest: true, Limit: 2, Before: 1}, "", 0},
		{ledger.EventFilter{Newest: true, Action: "token.add", Scan: 7}, "", 5},
		{ledger.EventFilter{Newest: true, Action: "token.add", Before: 5, Scan: 7}, "4:token.add 2:token.add", 0},
		{ledger.EventFilter{Action: "run."}, "5:run.open", 0},
		{ledger.EventFilter{Action: "run"}, "", 0},
		{ledger.EventFilter{Action: "token.add"}, "2:token.add 4:token.add", 0},
		{ledger.EventFilter{Action: "token.add", Limit: 1}, "2:token.add", 2},
		{ledger.EventFilter{Action: "token.add", After: 2, Limit: 1}, "4:token.add", 4},
		{ledger.EventFilter{Action: "usage.commit", Scan: 6}, "6:usage.commit", 6},
		{ledger.EventFilter{Action: "usage.commit", After: 6, Before: 9}, "7:usage.commit 8:usage.commit", 0},
		{ledger.EventFilter{After: 11}, "", 0},
		{ledger.EventFilter{Newest: true, Agent: `b"\`}, "11:usage.commit 4:token.add 3:agent.create", 0},
		{ledger.EventFilter{Newest: true, Run: r, Action: "usage.", Limit: 1}, "10:usage.commit", 10},
		{ledger.EventFilter{Newest: true, Since: h.now.Add(-time.Minute)}, "11:usage.commit", 0},
		{ledger.EventFilter{Newest: true, Action: "token.", Until: h.now.Add(-time.Minute)}, "4:token.add 2:token.add", 0},
		{ledger.EventFilter{Action: "usage.commit", Until: h.now, After: 9}, "10:usage.commit", 0},
	} {
		if got, more := seqs(c.f); got != c.want || more != c.more {
			t.Errorf("%+v:\n got %q, more %d\nwant %q, more %d", c.f, got, more, c.want, c.more)
		}
	}
}

func TestOpenHoldsAreOfEveryProcess(t *testing.T) {
	h := newHistory(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	token := agent(t, h.Ledger, ledger.NewAgent{Name: "a"})
	hold, no, err := h.Admit(t.Context(), ledger.Admission{Token: token, Most: 70, Call: ledger.CallInfo{ModelAsked: "m"}})
	if err != nil || no != nil {
		t.Fatal(no, err)
	}
	open, err := h.OpenHolds(t.Context(), 10)
	if err != nil || len(open) != 1 || open[0].ID != hold.ID || open[0].Agent != "a" || open[0].Amount != 70 || open[0].Call.ModelAsked != "m" {
		t.Errorf("open holds %+v, %v", open, err)
	}
	if n, held, err := h.HoldCount(t.Context()); err != nil || n != 1 || held != 70 {
		t.Errorf("%d hold %s, %v", n, held, err)
	}
	if _, err := h.Settle(t.Context(), hold.ID, ledger.Settlement{How: ledger.Cancelled}); err != nil {
		t.Fatal(err)
	}
	if n, _, err := h.HoldCount(t.Context()); err != nil || n != 0 {
		t.Errorf("%d are left, %v", n, err)
	}
	if c := h.Commits(); c.Count == 0 || c.Sum <= 0 {
		t.Errorf("commits %+v", c)
	}
}
