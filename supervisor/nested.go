package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/remote"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// Outer is the run that this aex was started in, as its environment tells. A run inside it
// opens no ledger and has no gateway of its own: the gateway around it has both, and alone
// books.
type Outer struct {
	url, token string
	run        ledger.RunID
	inner      ledger.RunID // the one that was opened inside it
}

// ErrStale reports an environment that names a run whose gateway is gone.
var ErrStale = errors.New("the run of this environment is over")

// How long the gateway around may be without an answer.
const (
	outerPatience = 5 * time.Second
	outerGone     = 30 * time.Second
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

// around is a gateway elsewhere that books for a run: that of the run around it, or a
// shared one.
type around interface {
	Open(context.Context, inner.Request) (inner.Opened, error)
	// Status waits until the state differs from after; for "" it answers at once.
	Status(ctx context.Context, after string) (inner.Status, error)
	End(context.Context, inner.End) (inner.Status, error)
}

// Open asks the gateway around for a run.
func (o *Outer) Open(ctx context.Context, ask inner.Request) (opened inner.Opened, err error) {
	err = o.call(ctx, http.MethodPost, "/runs", ask, &opened)
	o.inner = opened.RunID
	return opened, err
}

// Status tells how the run inside is.
func (o *Outer) Status(ctx context.Context, after string) (s inner.Status, err error) {
	path := o.innerPath()
	if after != "" {
		path += "?after=" + url.QueryEscape(after)
	}
	return s, o.call(ctx, http.MethodGet, path, nil, &s)
}

// End ends the run inside.
func (o *Outer) End(ctx context.Context, how inner.End) (s inner.Status, err error) {
	return s, o.call(ctx, http.MethodPost, o.innerPath()+"/end", how, &s)
}

func (o *Outer) innerPath() string { return "/runs/" + url.PathEscape(string(o.inner)) }

// call asks the gateway around.
func (o *Outer) call(ctx context.Context, method, path string, body, answer any) error {
	return remote.Ask(ctx, outerClient, o.url, o.token, method, path, body, answer)
}

// runElsewhere does a run that a gateway elsewhere opens, meters, books and
// ends: that of the run around it, or a shared one on another machine. The
// program is supervised here.
func (r *session) runElsewhere(ctx context.Context) (err error) {
	open, listen := r.openInside, r.listenNowhere
	if r.Outer == nil {
		open, listen = r.openRemote, r.relay
		defer r.Gateway.Close()
	}
	if err := open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.closeInside(ctx)) }()
	defer r.owned.Wait()
	defer r.stop(nil)

	if err := r.enter(); err != nil {
		return err
	}
	end, err := listen()
	if err != nil {
		return err
	}
	defer end()
	if err := r.start(); err != nil {
		return err
	}
	defer r.endTree()

	r.watchInside()
	r.wait()
	r.callsInside()
	return nil
}

// listenNowhere is for a run whose gateway is that of the run around it.
func (r *session) listenNowhere() (end func(), err error) {
	if r.inside != nil {
		_ = r.inside.Close() // nobody has connected
	}
	return func() {}, nil
}

// openInside asks the gateway around for a run and its token.
func (r *session) openInside(ctx context.Context) error {
	r.around = r.Outer
	opened, err := r.openAround(ctx)
	if err != nil {
		return fmt.Errorf("opening a run inside run %s: %w", short(r.Outer.run), err)
	}
	r.token, r.url = opened.Token, r.Outer.url
	if r.Agent != "" && r.Agent != opened.Agent {
		r.say("this is inside run %s of agent %s, who pays; what %s may not do holds, too", short(opened.Parent), opened.Agent, r.Agent)
	}
	if r.Budget != nil && opened.Budget != nil && *opened.Budget < *r.Budget {
		r.say("run %s has %s left, less than the %s asked for: that is the limit", short(opened.Parent), *opened.Budget, *r.Budget)
	}
	return nil
}

// openAround opens the run at the gateway around.
func (r *session) openAround(ctx context.Context) (inner.Opened, error) {
	ask := inner.Request{
		Program: r.report.Program, Agent: r.Agent, Budget: r.Budget, NoBudget: r.NoBudget, MaxCalls: r.MaxCalls, Policy: r.Policy,
		Bypasses: environ.PassesKey(r.PassEnv, r.keys()), Rules: r.AgentRules,
	}
	if r.OnExhausted == ExhaustedAsk {
		ask.AskMilli = max(r.AskTimeout.Milliseconds(), 1)
	}
	r.progress.at("asking the gateway around for a run")
	opened, err := r.around.Open(ctx, ask)
	var refused *remote.Refused
	switch {
	case errors.As(err, &refused) && refused.Code == "budget_exceeded":
		r.report.Outcome, r.report.ExitCode = "budget", ExitBudget
		return opened, fmt.Errorf("%w: %w", ErrNoMoney, err)
	case err != nil:
		return opened, err
	}
	r.row = ledger.Run{ID: opened.RunID, Parent: opened.Parent, Agent: opened.Agent, Started: time.Now(), Metered: !ask.Bypasses}
	r.progress.is(string(r.row.ID))
	r.report.RunID, r.report.Agent, r.report.Started = string(r.row.ID), opened.Agent, r.row.Started
	r.report.Inside, r.report.Budget = string(opened.Parent), opened.Budget
	r.guard = newGuard(r.Guard, r.stop, r.say)
	return opened, nil
}

// watchInside starts what looks after the run while the program works.
func (r *session) watchInside() {
	r.owned.Go(func() { r.guard.watch(r.ctx, r.proc, r.callsInside) })
	r.bypass = newBypass(r.proc)
	r.owned.Go(func() { r.bypass.watch(r.ctx) })
	r.owned.Go(func() { r.seeAgents(r.ctx) })
	r.owned.Go(r.attend)
}

// attend follows the run's state. The open request tells the gateway around that this aex
// is still there.
func (r *session) attend() {
	state, heard := string(ledger.RunOpen), time.Now()
	for r.ctx.Err() == nil {
		s, err := r.around.Status(r.ctx, state)
		var refused *remote.Refused
		switch {
		case r.ctx.Err() != nil:
			return
		case errors.As(err, &refused) && refused.Code == "run_not_found":
			r.stop(fmt.Errorf("%w: %s ended it", ErrStopped, r.aroundName()))
			return
		case errors.Is(err, remote.ErrUnheard):
			r.stop(fmt.Errorf("%w: %w", ErrLost, err))
			return
		case err != nil && (errors.Is(err, remote.ErrLost) || r.Outer != nil && time.Since(heard) > outerGone):
			r.stop(fmt.Errorf("%w: %s does not answer: %w", ErrLost, r.aroundName(), err))
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

// aroundName names the gateway around to people.
func (r *session) aroundName() string {
	if r.Outer == nil {
		return "the gateway " + r.Gateway.URL()
	}
	return "the aex of run " + short(r.row.Parent)
}

// changed acts on a new state of the run.
func (r *session) changed(s inner.Status) {
	r.asks(s.Asks)
	if s.Outcome == inner.Lost {
		r.stop(fmt.Errorf("%w: %w", ErrLost, remote.ErrUnheard))
		return
	}
	switch s.State {
	case inner.Limited:
		r.stop(errCallLimit)
	case inner.Exhausted:
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
	s, err := r.around.Status(ctx, "")
	if err != nil {
		return 0 // attend reports a gateway that stays away
	}
	r.report.heard(s)
	r.guard.free.Store(s.Local)
	return r.guard.caughtUp(s.Calls) + int(s.Open)
}

// closeInside ends the run at the gateway around, and completes the report.
func (r *session) closeInside(ctx context.Context) (err error) {
	r.unadapt()
	if closed(r.started) {
		r.callsInside()
		r.callCheck()
		r.decide()
	}
	r.progress.at("ending the run at the gateway around")
	s, err := r.around.End(context.WithoutCancel(ctx), inner.End{Outcome: r.report.Outcome, ExitCode: r.report.ExitCode})
	if err != nil {
		return fmt.Errorf("ending run %s: %w", short(r.row.ID), err)
	}
	p := r.report
	p.Spent, p.Overrun, p.Calls, p.Refused = s.Spent, s.Overrun, s.Calls, s.Refused
	if r.relayed != nil {
		p.Refused += r.relayed.Refused()
	}
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
