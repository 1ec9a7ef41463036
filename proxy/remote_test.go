package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"golang.org/x/sys/unix"
)

// Tokens of the agent that opens runs, and of the runs that it opens.
const runsToken = "0123456789abcdef0123456789abcdef"

var remoteToken = strings.Repeat("cd", 32)

// opener mints the token that opens runs.
func (w *world) opener() {
	w.t.Helper()
	must(w.t, w.ledger.AddToken(w.t.Context(), ledger.NewToken{Hash: ledger.HashToken(runsToken), Agent: w.agent, Scope: ledger.Runs}))
}

// another is one more gateway on the world's ledger, as in another process.
func (w *world) another(patience time.Duration) *world {
	w.t.Helper()
	o := *w
	var err error
	o.ledger, err = ledger.Open(w.t.Context(), ledger.Options{Path: filepath.Join(w.home, "aex.db"), Home: w.t.TempDir()})
	must(w.t, err)
	o.gateway = New(Options{
		Ledger: o.ledger, Registry: w.registry("", wirePrices), Key: func(policy.Provider) string { return realKey }, Logf: w.t.Logf, Patience: patience,
	})
	front := httptest.NewServer(o.gateway)
	o.url = front.URL
	w.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		must(w.t, o.gateway.Shutdown(ctx))
		front.Close()
		must(w.t, o.ledger.Close())
	})
	return &o
}

// openRemote opens a run with the agent's token.
func (w *world) openRemote(ask string) (o inner.Opened) {
	w.t.Helper()
	status, answer := w.as(w.t.Context(), runsToken, "POST", "/v1/aex/runs", ask)
	if status != 200 {
		w.t.Fatalf("opening a run: %d %s", status, answer)
	}
	must(w.t, json.Unmarshal([]byte(answer), &o))
	return o
}

func (w *world) attach(id ledger.RunID) {
	w.t.Helper()
	if status, answer := w.as(w.t.Context(), runsToken, "POST", "/v1/aex/runs/"+string(id)+"/attach", `{}`); status != 200 {
		w.t.Fatalf("attaching: %d %s", status, answer)
	}
}

// moves opens a run here whose call hangs at the provider, and takes it over at
// another gateway. Until then somebody attends it.
func (w *world) moves(b *world) (inner.Opened, *inner.Run) {
	w.t.Helper()
	run := w.openRemote(`{"budget_micro":100000,"token":"` + remoteToken + `"}`)
	in := w.gateway.inner.Find(run.RunID)
	in.Attend(1)
	go w.as(w.t.Context(), remoteToken, "POST", "/v1/chat/completions", hello)
	must(w.t, w.provider.Hung(w.t.Context(), 1))
	b.attach(run.RunID)
	in.Attend(-1)
	return run, in
}

var hanging = fakeprovider.Options{Behaviour: fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders}}

// A gateway that ends a run, of which the one before has a call under way, goes
// on: the other one learns of the end, cuts the call and books it, then the run
// ends.
func TestAnEndWaitsForCallsElsewhere(t *testing.T) {
	w := newWorld(t, setup{provider: hanging, change: func(o *Options) { o.Patience = 240 * time.Millisecond }})
	w.opener()
	b := w.another(120 * time.Millisecond)
	run, _ := w.moves(b) // and nobody attends it there
	ended := b.awaitEnd(run.RunID)
	if ended.Outcome != "lost" || ended.Account.Reserved != 0 || ended.Account.Spent == 0 || ended.Calls != 1 {
		t.Errorf("%+v", ended)
	}
	if w.gateway.failed.Load() || b.gateway.failed.Load() {
		t.Error("a gateway that is shared lets nothing through any more")
	}
	for w.gateway.inner.Count()+b.gateway.inner.Count() > 0 { // neither keeps it
		runtime.Gosched()
	}
}

// A call goes on at the gateway that its run has left, for as long as the run
// does elsewhere.
func TestACallOutlivesTheMoveOfItsRun(t *testing.T) {
	w := newWorld(t, setup{provider: hanging, change: func(o *Options) { o.Patience = 240 * time.Millisecond }})
	w.opener()
	b := w.another(time.Minute)
	run, in := w.moves(b)
	for range 3 { // for longer than a run has that nobody attends
		lost := w.openRemote(`{"budget_micro":1000,"token":"` + ledger.NewSecret(ledger.SecretOfRun) + `"}`)
		if ended := w.awaitEnd(lost.RunID); ended.Outcome != inner.Lost {
			t.Fatalf("%+v", ended)
		}
	}
	if in.Over() || in.Idle() {
		t.Error("the call was cut")
	}
	w.provider.Release()
	for w.gateway.inner.Count() > 0 {
		runtime.Gosched()
	}
	if row, err := b.ledger.Run(t.Context(), string(run.RunID)); err != nil || row.State != ledger.RunOpen || row.Account.Reserved != 0 || row.Account.Spent == 0 {
		t.Errorf("%+v %v", row, err)
	}
}

// A runner that ends such a run is answered when it has ended, as it said.
func TestARunnerEndsARunWithCallsElsewhere(t *testing.T) {
	w := newWorld(t, setup{provider: hanging, change: func(o *Options) { o.Patience = 240 * time.Millisecond }})
	w.opener()
	b := w.another(time.Minute)
	run, _ := w.moves(b)
	status, answer := b.as(t.Context(), remoteToken, "POST", "/v1/aex/runs/"+string(run.RunID)+"/end", `{"outcome":"exited","exit_code":3}`)
	var s inner.Status
	must(t, json.Unmarshal([]byte(answer), &s))
	if row, err := b.ledger.Run(t.Context(), string(run.RunID)); status != 200 || s.State != "ended" || s.Calls != 1 || err != nil || row.Outcome != "exited" || row.ExitCode != 3 {
		t.Errorf("%d %+v, %+v %v", status, s, row, err)
	}
}

// Whoever comes back while the run is about to be ended has it again: what ends
// is then none of its business.
func TestARunThatIsAboutToEndIsTakenOverAnew(t *testing.T) {
	w := newWorld(t, setup{provider: hanging, change: func(o *Options) { o.Patience = time.Hour }})
	w.opener()
	b := w.another(time.Hour)
	run, _ := w.moves(b)
	before := b.gateway.inner.Find(run.RunID)
	if _, err := b.gateway.inner.End(before, ledger.RunEnd{Outcome: "lost"}); err == nil {
		t.Fatal("the run ended with a call under way")
	}
	b.attach(run.RunID)
	anew := b.gateway.inner.Find(run.RunID)
	if anew == before || anew.Over() {
		t.Fatal("the run that was taken over anew is about to be ended")
	}
	w.provider.Release()
	row, err := b.ledger.Run(t.Context(), string(run.RunID))
	for ; err == nil && row.Account.Reserved > 0; row, err = b.ledger.Run(t.Context(), string(run.RunID)) {
		runtime.Gosched()
	}
	must(t, err)
	if _, err := b.gateway.inner.End(before, ledger.RunEnd{Outcome: "lost"}); !errors.Is(err, inner.ErrAnew) {
		t.Errorf("what was about to be ended ended what is there anew: %v", err)
	}
	b.gateway.inner.Forget(before)
	if b.gateway.inner.Find(run.RunID) != anew {
		t.Error("what is there anew was forgotten")
	}
}

// What an agent's token may ask for, and how often.
func TestOpeningRemoteRuns(t *testing.T) {
	w := newWorld(t, setup{})
	w.opener()
	ask := func(more string) string {
		return `{"token":"` + ledger.NewSecret(ledger.SecretOfRun) + `"` + more + `}`
	}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"a budget of nothing", "POST", "", ask(`,"budget_micro":0`), 400, "allows no call"},
		{"a negative budget", "POST", "", ask(`,"budget_micro":-1`), 400, "allows no call"},
		{"no budget anywhere", "POST", "", ask(""), 402, "no budget"},
		{"no token", "POST", "", `{"budget_micro":1000}`, 400, "64 hex digits"},
		{"a short token", "POST", "", `{"token":"abcd"}`, 400, "64 hex digits"},
		{"a token of somebody's", "POST", "", `{"budget_micro":1000,"token":"` + w.token + `"}`, 400, "in use"},
		{"a negative limit of calls", "POST", "", ask(`,"budget_micro":1000,"max_calls":-1`), 400, "call limit"},
		{"a list", "GET", "", "", 400, "opens runs"},
		{"somebody's run", "POST", "/" + string(w.run) + "/attach", "{}", 404, "no run"},
		{"another's end", "POST", "/" + string(w.run) + "/end", `{"outcome":"exited"}`, 400, "opens runs"},
		{"a run", "POST", "", ask(`,"budget_micro":1000`), 200, `"budget_micro":1000`},
		{"a run without limit", "POST", "", ask(`,"no_budget":true`), 200, `"budget_micro":null`},
	} {
		if status, answer := w.as(t.Context(), runsToken, tt.method, "/v1/aex/runs"+tt.path, tt.body); status != tt.status || !strings.Contains(answer, tt.says) {
			t.Errorf("%s: %d %s", tt.name, status, answer)
		}
	}
	one, again := w.openRemote(`{"token":"`+remoteToken+`","budget_micro":5}`), w.openRemote(`{"token":"`+remoteToken+`","budget_micro":5}`)
	if one.RunID != again.RunID || *again.Budget != 5 {
		t.Errorf("asked twice it opens %+v and %+v", one, again)
	}
}

// A ledger that another process holds passes: a run is opened later.
func TestOpeningARunWhileTheLedgerIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.opener()
	f, err := os.Open(filepath.Join(w.home, "aex.db.lock"))
	must(t, err)
	defer f.Close()
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	status, answer := w.as(t.Context(), runsToken, "POST", "/v1/aex/runs", `{"budget_micro":1000,"token":"`+remoteToken+`"}`)
	if status != 503 || !strings.Contains(answer, "another process holds the ledger") || w.gateway.failed.Load() {
		t.Errorf("%d %s", status, answer)
	}
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_UN))
	w.openRemote(`{"budget_micro":1000,"token":"` + remoteToken + `"}`)
}

// A run is opened also where calls under way hold the last of its agent's budget:
// they may leave some. Where that is spent it is not.
func TestARunWhereCallsHoldTheLast(t *testing.T) {
	w := newWorld(t, setup{provider: hanging})
	w.opener()
	in := w.openInner(w.token, `{}`)
	go w.as(t.Context(), in.Token, "POST", "/v1/chat/completions", hello)
	must(t, w.provider.Hung(t.Context(), 1))
	ag, err := w.ledger.Agent(t.Context(), w.agent)
	must(t, err)
	held := &ag.Account.Reserved
	ag, err = w.ledger.SetAgent(t.Context(), w.agent, ledger.AgentChange{Budget: &held})
	if left, limited := ag.Account.Left(); err != nil || left != 0 || !limited || *held == 0 {
		t.Fatalf("%+v %v", ag.Account, err)
	}
	w.openRemote(`{"budget_micro":1000,"token":"` + remoteToken + `"}`)
	w.openInner(w.token, `{}`)
	if status, answer := w.as(t.Context(), w.token, "POST", "/v1/aex/runs/"+string(in.RunID)+"/end", `{"outcome":"exited"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	ask := `{"budget_micro":1000,"token":"` + ledger.NewSecret(ledger.SecretOfRun) + `"}`
	if status, answer := w.as(t.Context(), runsToken, "POST", "/v1/aex/runs", ask); status != 402 || !strings.Contains(answer, "has used ") {
		t.Errorf("with all of it spent: %d %s", status, answer)
	}
	if status, answer := w.as(t.Context(), w.token, "POST", "/v1/aex/runs", `{}`); status != 402 || !strings.Contains(answer, "nothing left") {
		t.Errorf("inside, with all of it spent: %d %s", status, answer)
	}
}
