package supervisor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// Outer is the run that this aex was started in, as its environment tells. A
// run inside it opens no ledger and listens nowhere: the gateway around it does
// both, and only that books.
type Outer struct {
	url, token string
	run        ledger.RunID
}

// ErrStale reports an environment that names a run whose gateway is gone.
var ErrStale = errors.New("the run of this environment is over")

// Bounds of what is read from the gateway around, and how long it may not
// answer.
const (
	maxOuterAnswer = 1 << 20
	outerPatience  = 5 * time.Second
	outerGone      = 30 * time.Second
)

// outerClient goes to loopback, past every proxy.
var outerClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

// FindOuter finds the run that the environment says this process is in. Nil: it
// is in none. ErrStale: it was, and that run is over.
func FindOuter(ctx context.Context, environ []string) (*Outer, error) {
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	o := &Outer{url: strings.TrimSuffix(env["AEX_URL"], "/"), token: env["AEX_AGENT_TOKEN"], run: ledger.RunID(env["AEX_RUN_ID"])}
	if o.url == "" || o.token == "" || o.run == "" {
		return nil, nil
	}
	var budget struct {
		Run ledger.RunID `json:"run"`
	}
	ctx, done := context.WithTimeout(ctx, outerPatience)
	defer done()
	err := o.call(ctx, http.MethodGet, "/budget", nil, &budget)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: run %s at %s: %w", ErrStale, short(o.run), o.url, err)
	case budget.Run != o.run:
		return nil, fmt.Errorf("%w: %s is not the gateway of run %s", ErrStale, o.url, short(o.run))
	}
	return o, nil
}

// refusedOuter is what the gateway around refused.
type refusedOuter struct {
	code, message string
}

func (e *refusedOuter) Error() string { return strings.TrimPrefix(e.message, "aex: ") }

// call asks the gateway around.
func (o *Outer) call(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, o.url+"/v1/aex"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+o.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := outerClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxOuterAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct {
			Error struct{ Message string }
		}
		_ = json.Unmarshal(text, &refusal) // what is no refusal of aex has a status at least
		return &refusedOuter{resp.Header.Get("X-Aex-Code"), cmp.Or(refusal.Error.Message, resp.Status)}
	}
	return json.Unmarshal(text, answer)
}

func (r *session) innerPath() string { return "/runs/" + url.PathEscape(string(r.row.ID)) }

// runInside does a run inside another: the gateway around it opens, meters,
// books and ends it; the program is supervised here.
func (r *session) runInside(ctx context.Context) (err error) {
	if err := r.openInside(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.closeInside(ctx)) }()
	defer r.owners.Wait()
	defer r.stop(nil)

	if err := r.enter(); err != nil {
		return err
	}
	if r.inside != nil { // the gateway is the outer's
		r.inside.Close()
	}
	if err := r.start(); err != nil {
		return err
	}
	defer r.endTree()

	r.watchInside()
	r.wait()
	r.callsInside()
	return nil
}

// openInside asks the gateway around for a run and its token.
func (r *session) openInside(ctx context.Context) error {
	ask := proxy.InnerRun{
		Program: r.report.Program, Agent: r.Agent, Budget: r.Budget, MaxCalls: r.MaxCalls, Policy: r.Policy, Bypasses: environ.PassesKey(r.PassEnv, r.keys()),
	}
	if r.OnExhausted == ExhaustedAsk {
		ask.AskMilli = max(r.AskTimeout.Milliseconds(), 1)
	}
	r.progress.at("asking the gateway around for a run")
	var opened proxy.Opened
	err := r.Outer.call(ctx, http.MethodPost, "/runs", ask, &opened)
	var refused *refusedOuter
	switch {
	case errors.As(err, &refused) && refused.code == "budget_exceeded":
		r.report.Outcome, r.report.ExitCode = "budget", ExitBudget
		return fmt.Errorf("%w: %w", ErrNoMoney, err)
	case err != nil:
		return fmt.Errorf("opening a run inside run %s: %w", short(r.Outer.run), err)
	}
	r.token, r.url = opened.Token, r.Outer.url
	r.row = ledger.Run{ID: opened.RunID, Parent: opened.Parent, Agent: opened.Agent, Started: time.Now(), Metered: !ask.Bypasses}
	r.progress.is(string(r.row.ID))
	r.report.RunID, r.report.Agent, r.report.Started = string(r.row.ID), opened.Agent, r.row.Started
	r.report.Inside, r.report.Budget = string(opened.Parent), opened.Budget
	r.guard = newGuard(r.Guard, r.stop, r.say)
	if r.Agent != "" && r.Agent != opened.Agent {
		r.say("this is inside run %s of agent %s, who pays; what %s may not do holds, too", short(opened.Parent), opened.Agent, r.Agent)
	}
	if r.Budget != nil && opened.Budget != nil && *opened.Budget < *r.Budget {
		r.say("run %s has %s left, less than the %s asked for: that is the limit", short(opened.Parent), *opened.Budget, *r.Budget)
	}
	return nil
}

// watchInside starts what looks after the run while the program works.
func (r *session) watchInside() {
	r.owners.Go(func() { r.guard.watch(r.ctx, r.proc, r.callsInside) })
	r.bypass = newBypass(r.proc)
	r.owners.Go(func() { r.bypass.watch(r.ctx) })
	r.owners.Go(func() { r.seeAgents(r.ctx) })
	r.owners.Go(r.attend)
}

// attend follows the run's state. The gateway around takes the open request for
// this aex being there.
func (r *session) attend() {
	state, heard := string(ledger.RunOpen), time.Now()
	for r.ctx.Err() == nil {
		var s proxy.RunStatus
		err := r.Outer.call(r.ctx, http.MethodGet, r.innerPath()+"?after="+url.QueryEscape(state), nil, &s)
		var refused *refusedOuter
		switch {
		case r.ctx.Err() != nil:
			return
		case errors.As(err, &refused) && refused.code == "run_not_found":
			r.stop(fmt.Errorf("%w: run %s ended it", ErrStopped, short(r.row.Parent)))
			return
		case err != nil && time.Since(heard) > outerGone:
			r.stop(fmt.Errorf("%w: the aex of run %s does not answer: %w", ErrUnbooked, short(r.row.Parent), err))
			return
		case err != nil:
			select {
			case <-r.ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		state, heard = s.State, time.Now()
		r.changed(s)
	}
}

// changed acts on a state of the run that is new.
func (r *session) changed(s proxy.RunStatus) {
	switch s.State {
	case proxy.Limited:
		r.stop(errCallLimit)
	case proxy.Exhausted:
		if r.OnExhausted != ExhaustedRefuse {
			r.spent.Do(func() { close(r.exhausted) })
		}
	case string(ledger.RunEnding), string(ledger.RunEnded):
		r.stop(ErrStopped)
	}
}

// callsInside is the number of calls under way or made since it was last asked
// for.
func (r *session) callsInside() int {
	ctx, done := context.WithTimeout(context.WithoutCancel(r.ctx), outerPatience)
	defer done()
	var s proxy.RunStatus
	if err := r.Outer.call(ctx, http.MethodGet, r.innerPath(), nil, &s); err != nil {
		return 0 // attend tells when it stays so
	}
	r.report.heard(s)
	r.guard.free.Store(s.Local)
	return r.guard.caughtUp(s.Calls) + int(s.Open)
}

// closeInside ends the run at the gateway around, and completes the report.
func (r *session) closeInside(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.unadapt()) }()
	if is(r.started) {
		r.callsInside()
		r.callCheck()
		r.decide()
	}
	r.progress.at("ending the run at the gateway around")
	var s proxy.RunStatus
	how := proxy.InnerEnd{Outcome: r.report.Outcome, ExitCode: r.report.ExitCode}
	if err := r.Outer.call(context.WithoutCancel(ctx), http.MethodPost, r.innerPath()+"/end", how, &s); err != nil {
		return fmt.Errorf("ending run %s: %w", short(r.row.ID), err)
	}
	p := r.report
	p.Spent, p.Overrun, p.Calls, p.Refused = s.Spent, s.Overrun, s.Calls, s.Refused
	p.Clamped, p.LeastCap, p.Local = s.Clamped, s.LeastCap, s.Local
	p.Exhausted = p.refusedForMoney() || s.Exhausted
	p.Doubt, p.Doubtful = s.Doubt, s.Doubtful
	p.meter()
	p.Started = s.Started
	if s.Ended != nil {
		p.Duration = s.Ended.Sub(s.Started).Seconds()
	}
	return nil
}
