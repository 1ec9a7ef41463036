package proxy

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
)

// as asks the gateway with another token than the run's.
func (w *world) as(ctx context.Context, token, method, path, body string) (status int, answer string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, w.url+path, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// openInner opens a run inside the one of token.
func (w *world) openInner(token, ask string) (o inner.Opened) {
	w.t.Helper()
	status, answer := w.as(w.t.Context(), token, "POST", "/v1/aex/runs", ask)
	if status != 200 {
		w.t.Fatalf("opening a run: %d %s", status, answer)
	}
	must(w.t, json.Unmarshal([]byte(answer), &o))
	return o
}

// awaitEnd waits until a run has ended.
func (w *world) awaitEnd(id ledger.RunID) ledger.Run {
	w.t.Helper()
	states := w.ledger.WatchRun(w.t.Context(), id, ledger.RunOpen)
	for {
		run, err := w.ledger.Run(w.t.Context(), string(id))
		must(w.t, err)
		if run.State == ledger.RunEnded {
			return run
		}
		<-states
	}
}

// A run that nobody attends is ended; one that is attended is not.
func TestInnerRunIsAttended(t *testing.T) {
	w := newWorld(t, setup{change: func(o *Options) { o.Patience = 120 * time.Millisecond }})
	kept := w.openInner(w.token, `{"program":"kept"}`)
	answered := make(chan string)
	go func() {
		_, answer := w.as(t.Context(), w.token, "GET", "/v1/aex/runs/"+string(kept.RunID)+"?after=open", "")
		answered <- answer
	}()
	for w.gateway.inner.Find(kept.RunID) == nil || !w.gateway.inner.Find(kept.RunID).Attended() {
		runtime.Gosched()
	}
	lost := w.openInner(w.token, `{"program":"lost"}`)
	deeper := w.openInner(lost.Token, `{"program":"deeper"}`)
	for _, id := range []ledger.RunID{lost.RunID, deeper.RunID} {
		if run := w.awaitEnd(id); run.Outcome != "lost" {
			t.Errorf("%+v", run)
		}
	}
	if run, err := w.ledger.Run(t.Context(), string(kept.RunID)); err != nil || run.State != ledger.RunOpen || w.gateway.Open() != 0 {
		t.Errorf("%+v, %d calls open, %v", run, w.gateway.Open(), err)
	}
	must(t, w.ledger.SetRunState(t.Context(), kept.RunID, ledger.RunEnding))
	if answer := <-answered; !strings.Contains(answer, `"state":"ending"`) {
		t.Errorf("a run that is stopped is told as %s", answer)
	}
}

// Only the token of the run around it sees or ends a run, and only a run's
// token opens one.
func TestInnerRunIsItsParents(t *testing.T) {
	w := newWorld(t, setup{})
	must(t, w.ledger.AddToken(t.Context(), ledger.NewToken{Hash: ledger.HashToken("agents"), Agent: w.agent, Scope: ledger.Execution}))
	one, two := w.openInner(w.token, `{"budget_micro":1000}`), w.openInner(w.token, `{}`)
	deeper := w.openInner(one.Token, `{"budget_micro":5000}`)
	if deeper.Budget == nil || *deeper.Budget != 1000 || deeper.Parent != one.RunID {
		t.Errorf("%+v", deeper)
	}
	end := `{"outcome":"exited","exit_code":3}`
	for _, tt := range []struct {
		name, token, method, path, body string
		status                          int
	}{
		{"an agent's token", "agents", "POST", "", `{}`, 400},
		{"no JSON", w.token, "POST", "", `{`, 400},
		{"a negative budget", w.token, "POST", "", `{"budget_micro":-1}`, 400},
		{"a policy that is none", w.token, "POST", "", `{"policy":{"nope":1}}`, 400},
		{"a budget by another name", w.token, "POST", "", `{"budget":1}`, 400},
		{"more than an object", w.token, "POST", "", `{}{}`, 400},
		{"more than its end", w.token, "POST", "", `{}}`, 400},
		{"too large", w.token, "POST", "", `{"program":"` + strings.Repeat("x", 64<<10) + `"}`, 413},
		{"its own token", one.Token, "GET", "/" + string(one.RunID), "", 404},
		{"a sister's token", two.Token, "POST", "/" + string(one.RunID) + "/end", end, 404},
		{"the grandparent's token", w.token, "GET", "/" + string(deeper.RunID), "", 404},
		{"no such run", w.token, "GET", "/ffff", "", 404},
		{"no such end", w.token, "POST", "/" + string(one.RunID) + "/end", `{"outcome":"a prompt"}`, 400},
		{"no such method", w.token, "DELETE", "/" + string(one.RunID), "", 405},
		{"its parent's token", w.token, "GET", "/" + string(one.RunID), "", 200},
		{"the end", w.token, "POST", "/" + string(one.RunID) + "/end", end, 200},
		{"the end again", w.token, "POST", "/" + string(one.RunID) + "/end", end, 404},
		{"what was inside it", one.Token, "GET", "/" + string(deeper.RunID), "", 404},
	} {
		if status, answer := w.as(t.Context(), tt.token, tt.method, "/v1/aex/runs"+tt.path, tt.body); status != tt.status {
			t.Errorf("%s: %d %s", tt.name, status, answer)
		}
	}
	if run := w.awaitEnd(deeper.RunID); run.Outcome != "lost" {
		t.Errorf("%+v", run)
	}
	if status, answer := w.as(t.Context(), one.Token, "POST", "/v1/chat/completions", hello); status != 402 {
		t.Errorf("a call of a run that has ended: %d %s", status, answer)
	}
}

// The end of a run cuts its calls, and books them before it answers.
func TestInnerRunEndsItsCalls(t *testing.T) {
	w := newWorld(t, setup{provider: fakeprovider.Options{Behaviour: fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders}}})
	in := w.openInner(w.token, `{}`)
	go w.as(t.Context(), in.Token, "POST", "/v1/chat/completions", hello)
	must(t, w.provider.Hung(t.Context(), 1))
	status, answer := w.as(t.Context(), w.token, "POST", "/v1/aex/runs/"+string(in.RunID)+"/end", `{"outcome":"exited"}`)
	var s inner.Status
	must(t, json.Unmarshal([]byte(answer), &s))
	if status != 200 || s.State != "ended" || s.Calls != 1 || s.Spent == 0 || s.Open != 0 || s.Ended == nil {
		t.Errorf("%d %+v", status, s)
	}
	outer, err := w.ledger.Run(t.Context(), string(w.run))
	if err != nil || outer.Account.Spent != s.Spent || outer.Account.Reserved != 0 {
		t.Errorf("the outer run has %+v, %v", outer.Account, err)
	}
}
