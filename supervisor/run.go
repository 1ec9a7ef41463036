// Package supervisor does one run: it opens the ledger and the run's private
// gateway, starts the program below a monitor with the run's token for a key,
// watches its clock and its calls, ends its tree when it has to, and settles and
// reports. A run inside another leaves the money to the gateway around it.
package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/proxy/remote"
	"github.com/Auro-rium/aex/v3/proxy/watch"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// Causes that end a run, besides the child's own end. The first one is the reason.
var (
	ErrBudget    = errors.New("budget exhausted")
	ErrGuard     = errors.New("guard")
	ErrTimeout   = errors.New("timeout")
	ErrStopped   = errors.New("stopped by the operator")
	ErrSignal    = errors.New("interrupted")
	ErrUnbooked  = errors.New("a call could not be booked")
	ErrLost      = errors.New("the run has lost its gateway")
	ErrNoMoney   = errors.New("nothing is left to spend")
	ErrNoBudget  = errors.New("no budget")
	ErrNoAgent   = errors.New("no such agent")
	errChildOver = errors.New("the program ended")
)

// tokenLife is how long a run's token outlives the aex that extends it.
const tokenLife = 15 * time.Minute

// session is a run under way.
type session struct {
	Spec
	ledger  *ledger.Ledger
	row     ledger.Run       // as the ledger has it
	had     []ledger.Account // the agent's accounts and its groups', as the run found them
	token   string
	gateway *proxy.Gateway
	around  around // the gateway elsewhere that books the run; nil: it is booked here
	relayed *remote.Relay
	url     string
	monitor *process.Launcher // waits for the program
	proc    *process.Process
	enclosure
	guard   *guard
	bypass  *bypass
	report  *Report
	folder  *adapter.Folder // what leads agents to the gateway; nil: nothing has to
	removed <-chan error    // how removing folder went; nil: that has not begun

	// stop ends the run; its first cause is the reason.
	ctx  context.Context
	stop context.CancelCauseFunc

	unbooked  atomic.Pointer[error]
	unmetered bool          // the run was not metered although the user requires it
	started   chan struct{} // closed when proc is there
	spent     sync.Once
	exhausted chan struct{} // closed when a call was refused because the run's money is used up
	upstream  atomic.Bool   // the budget that ended was that of an aex upstream
	asking    asking
	progress  progress
	owned     sync.WaitGroup // the goroutines of the run: it does not end before them
}

// Run does one whole run, below a monitor that is still starting. The monitor cannot be
// used again, whatever happens. The report is complete even if there is an error, unless
// that is ErrCutOff: after a second signal a run has its grace and ten seconds to end,
// whatever hangs.
func Run(ctx context.Context, m *process.Launcher, s Spec) (*Report, error) {
	r := &session{
		Spec: s, monitor: m, started: make(chan struct{}), exhausted: make(chan struct{}),
		report: &Report{Agent: s.Agent, Program: program(s), Outcome: "not_started", ExitCode: ExitInternal},
	}
	return r.bounded(m.Insisted(), func() error { return r.run(ctx) })
}

// run opens the ledger, opens the run, listens, starts the program, waits, ends
// its tree, settles and reports. What it opened it closes in the opposite
// order: the tree is gone before the gateway closes, every call is booked
// before the run ends, and the ledger closes last.
func (r *session) run(ctx context.Context) (err error) {
	r.ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	if err := r.monitor.Err(); err != nil {
		return err
	}
	defer r.monitor.Close()
	defer func() { err = errors.Join(err, r.unadapted()) }()
	defer func() {
		if r.proc != nil { // the monitor needs 2.5 ms to end: it has done so meanwhile
			err = errors.Join(err, r.proc.Close())
		}
	}()
	if r.Outer != nil || r.Gateway != nil {
		return r.runElsewhere(ctx)
	}

	r.progress.at("opening the ledger")
	r.Ledger.Held = r.heldUp
	if r.ledger, err = ledger.Open(ctx, r.Ledger); err != nil {
		return err
	}
	defer func() {
		r.progress.at("closing the ledger")
		err = errors.Join(err, r.ledger.Close())
	}()

	if err := r.enter(); err != nil {
		return err
	}

	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()

	if err := r.listen(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.shutdown()) }()

	if err := r.start(); err != nil {
		return err
	}
	defer r.endTree()

	r.watch()
	r.wait()
	return nil
}

func program(s Spec) string { return plain.Discreet(filepath.Base(s.Argv[0])) }

// listen opens the run's private gateway on loopback, or on the sandbox's loopback where
// the program is in one.
func (r *session) listen() error {
	l, err := r.loopback()
	if err != nil {
		return err
	}
	r.guard = newGuard(r.Guard, r.stop, r.say)
	r.gateway = proxy.New(proxy.Options{
		Ledger: r.ledger, Registry: r.Registry, Key: r.Key, KeyHint: r.KeyHint, NoClamp: r.NoClamp, CAFile: r.CAFile,
		Alone: ledger.Identity{AgentID: r.row.AgentID, Agent: r.row.Agent, Run: r.row.ID},
		Watch: r.noticed, Ask: r.ask, Asks: r.OnExhausted == ExhaustedAsk, Outside: r.tunnelTo(),
		Extend: func(ctx context.Context, h ledger.TokenHash) error {
			if h != ledger.HashToken(r.token) {
				return ledger.ErrNotFound
			}
			return r.ledger.ExtendToken(ctx, h, time.Now().Add(tokenLife))
		},
		Broken: r.unbookable,
		Logf: func(format string, args ...any) {
			if r.Verbose {
				r.say(format, args...)
			}
		},
	})
	r.owned.Go(func() {
		if err := r.gateway.Serve(l); err != nil {
			r.stop(fmt.Errorf("%w: %w", ErrUnbooked, err))
		}
	})
	return nil
}

// start runs the program below a monitor, with the token for a key.
func (r *session) start() error {
	to := environ.Gateway{URL: r.url, Token: r.token, Run: string(r.row.ID)}
	child := to.Lead(environ.Caller{Environ: r.Environ, Pass: r.PassEnv, Set: r.KeysSet, Keys: r.keys()})
	r.report.Metered = r.row.Metered
	if r.Verbose {
		r.say("gateway %s, run %s, agent %s", r.url, short(r.row.ID), r.row.Agent)
		for _, name := range child.Removed {
			r.say("%s is not passed on", name)
		}
	}
	if !r.row.Metered {
		r.say("a provider's key or base URL is passed on: what is spent with it is not metered")
	}
	if len(child.Lost) > 0 {
		r.say("not passed on, as aex does not meter what is spent by it: %s (--pass-env NAME keeps it, and the run is then not metered)", strings.Join(child.Lost, ", "))
	}
	env, err := r.adapt(child, to)
	if err != nil {
		return err
	}
	if env, err = r.confine(env); err != nil {
		return err
	}
	r.progress.at("starting the program")
	r.monitor.Argv, r.monitor.Env, r.monitor.Dir, r.monitor.RunID = r.Argv, env, r.Dir, string(r.row.ID)
	if r.ledger != nil {
		r.monitor.Rest = r.ledger.Rest
	}
	r.proc, err = r.monitor.Launch()
	switch {
	case errors.Is(err, process.ErrNotFound):
		r.report.ExitCode = ExitNotFound
	case errors.Is(err, process.ErrNotExecutable):
		r.report.ExitCode = ExitNotExecutable
	}
	if err == nil {
		close(r.started)
		r.relays()
	}
	return err
}

// keys are the variables that may hold a provider's key, those of models.yaml included.
func (r *session) keys() (names []string) {
	for _, p := range r.Registry.Providers() {
		names = append(names, p.KeyEnvs()...)
	}
	if ledger.OnServer(r.Ledger.Path) { // what lets aex into the ledger is not for the program
		names = append(names, "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSSLKEY", "PGSSLPASSWORD")
	}
	return names
}

// unbookable is told once that a call could not be booked. No other reason for the end
// of the run outranks that.
func (r *session) unbookable(err error) {
	err = fmt.Errorf("%w: %w", ErrUnbooked, err)
	r.unbooked.Store(&err)
	r.stop(err)
}

// noticed is told of every answered call. When one was refused because the run's money is
// used up, it closes exhausted, and wait lets the grace begin.
func (r *session) noticed(n watch.Notice) {
	if n.Over && n.Run == r.row.ID {
		r.stop(ErrStopped) // the refusal of a call may come before the news of the run's state
	}
	if n.Owner != "" && n.Owner != r.row.ID {
		n.Money = nil // a run inside this one was short, not this one
	}
	r.report.count(n)
	for _, change := range r.report.fresh(n.Changed) {
		r.say("a request was changed to fit: %s", change)
	}
	if n.Owner != "" && n.Owner != r.row.ID && n.Code != "" {
		return // it is the limit of a run inside this one, which another aex ends
	}
	own := n.Owner == "" || n.Owner == r.row.ID
	switch {
	case n.Upstream:
		r.upstream.Store(true)
	case r.OnExhausted == ExhaustedAsk && n.Code == "":
		own = false // after an overrun the next call asks for help
	}
	if r.OnExhausted == ExhaustedRefuse && n.Code == "budget_exceeded" {
		return
	}
	n.Ends = n.Ends && own && r.OnExhausted != ExhaustedRefuse
	if !n.Late {
		r.guard.noticed(n)
	}
	if n.Ends {
		r.spent.Do(func() { close(r.exhausted) })
	}
}

// watch starts what looks after the run while the program works.
func (r *session) watch() {
	r.owned.Go(func() { r.guard.watch(r.ctx, r.proc, r.gateway.Open) })
	r.bypass = newBypass(r.proc)
	r.owned.Go(func() { r.bypass.watch(r.ctx) })
	r.owned.Go(func() { r.seeAgents(r.ctx) })
	if r.tunnel != nil {
		r.owned.Go(func() { r.bookNetwork(r.ctx) })
	}
	r.owned.Go(r.sweep)
	r.owned.Go(func() {
		tick := time.NewTicker(tokenLife / 3)
		defer tick.Stop()
		for {
			select {
			case <-r.ctx.Done():
				return
			case <-r.ledger.Broken():
				r.stop(ErrUnbooked)
				return
			case now := <-tick.C:
				err := r.ledger.ExtendToken(context.WithoutCancel(r.ctx), ledger.HashToken(r.token), now.Add(tokenLife))
				if err != nil && !errors.Is(err, ledger.ErrHeld) { // otherwise the next tick tries again: the token lasts for three
					r.stop(fmt.Errorf("%w: %w", ErrUnbooked, err))
					return
				}
			}
		}
	})
	states := r.ledger.WatchRun(r.ctx, r.row.ID, ledger.RunOpen)
	r.owned.Go(func() {
		for state := range states {
			if state == ledger.RunEnding || state == ledger.RunEnded {
				r.stop(ErrStopped)
			}
		}
	})
}

// wait returns when the program has ended, or when something else has ended the run. A
// program whose money is gone, or that was sent a signal, has the grace to end by itself.
func (r *session) wait() {
	r.progress.at("waiting for the program")
	exhausted, interrupted := r.exhausted, r.proc.Interrupted()
	var grace <-chan time.Time
	var reason error
	for {
		select {
		case <-r.proc.Done():
			r.stop(cmp.Or(reason, errChildOver))
			return
		case <-r.ctx.Done():
			return
		case <-exhausted:
			exhausted, reason = nil, ErrBudget
			grace = time.After(r.Grace)
		case <-interrupted:
			interrupted = nil
			if reason == nil {
				reason, grace = ErrSignal, time.After(r.Grace)
			}
		case <-grace:
			r.stop(reason)
			return
		}
	}
}
