package supervisor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/ledger"
	"github.com/Auro-rium/aex/proxy"
)

// Causes that end a run, besides the child's own end. The first one stands.
var (
	ErrBudget    = errors.New("budget exhausted")
	ErrGuard     = errors.New("guard")
	ErrTimeout   = errors.New("timeout")
	ErrStopped   = errors.New("stopped by the operator")
	ErrSignal    = errors.New("interrupted")
	ErrUnbooked  = errors.New("a call could not be booked")
	ErrNoMoney   = errors.New("the agent has nothing left")
	ErrNoBudget  = errors.New("no budget")
	ErrNoAgent   = errors.New("no such agent")
	errChildOver = errors.New("the program ended")
)

// tokenLife is how long a run's token outlives the aex that extends it.
const tokenLife = 15 * time.Minute

// session is a run on its way.
type session struct {
	Spec
	ledger  *ledger.Ledger
	row     ledger.Run
	had     ledger.Account // the agent's, before
	token   string
	gateway *proxy.Gateway
	url     string
	monitor *Launcher // waits for the program
	proc    *Process
	closing chan struct{} // closed when proc is being closed
	guard   *guard
	bypass  *bypass
	report  *Report
	adapted string // directory of an adapter's files

	// stop ends the run; its first cause is the reason.
	ctx  context.Context
	stop context.CancelCauseFunc

	unbooked  atomic.Pointer[error]
	unmetered bool          // and the user wants it metered
	started   chan struct{} // closed when proc is there
	spent     sync.Once
	exhausted chan struct{} // closed when a call was refused for the last of the money
	upstream  atomic.Bool   // it was an upstream's budget that ended
	asking    asking
	owners    sync.WaitGroup
}

// Run does one run, whole: start a monitor, which comes up meanwhile, open the
// ledger, open the run, listen, start the program, wait, end its tree, settle,
// report. What it opened it closes in the opposite order: the tree is gone
// before the gateway closes, every call is booked before the run ends, and the
// ledger closes last. The report is complete also when an error comes with it.
func Run(ctx context.Context, s Spec) (rep *Report, err error) {
	rep = &Report{Agent: s.Agent, Program: filepath.Base(s.Argv[0]), Outcome: "not_started", ExitCode: ExitInternal}
	r := &session{Spec: s, report: rep, started: make(chan struct{}), closing: make(chan struct{}), exhausted: make(chan struct{})}
	r.ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	if r.monitor, err = Prepare(Command{
		TTY: s.TTY, Stdin: s.Stdin, Stdout: s.Stdout, Stderr: s.Stderr, Title: s.Title, DieWithParent: s.DieWithParent, Sensitive: true,
	}); err != nil {
		return rep, err
	}
	defer r.monitor.Close()
	defer func() { err = errors.Join(err, r.awaitClosed()) }()
	if s.Outer != nil {
		return rep, r.runInside(ctx)
	}

	if r.ledger, err = ledger.Open(ctx, s.Ledger); err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, r.ledger.Close()) }()

	if err := r.open(ctx); err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()

	if err := r.listen(); err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, r.shutdown()) }()

	if err := r.start(); err != nil {
		return rep, err
	}
	defer r.endTree()

	r.watch()
	r.wait()
	return rep, nil
}

// listen opens the run's private gateway on loopback.
func (r *session) listen() error {
	config := net.ListenConfig{}
	config.SetMultipathTCP(false)
	l, err := config.Listen(r.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening on loopback: %w", err)
	}
	r.url = "http://" + l.Addr().String()
	r.guard = newGuard(r.Guard, r.stop, r.say)
	r.gateway = proxy.New(proxy.Options{
		Ledger: r.ledger, Registry: r.Registry, Key: r.Key, KeyHint: r.KeyHint, NoClamp: r.NoClamp, CAFile: r.CAFile,
		Watch: r.noticed, Ask: r.ask,
		Extend: func(ctx context.Context, h ledger.TokenHash) bool {
			return h == ledger.HashToken(r.token) && r.ledger.ExtendToken(ctx, h, time.Now().Add(tokenLife)) == nil
		},
		Broken: r.unbookable,
		Logf: func(format string, args ...any) {
			if r.Verbose {
				r.say(format, args...)
			}
		},
	})
	r.owners.Go(func() {
		if err := r.gateway.Serve(l); err != nil {
			r.stop(fmt.Errorf("%w: %w", ErrUnbooked, err))
		}
	})
	return nil
}

// start runs the program below a monitor, with the token for a key.
func (r *session) start() (err error) {
	env, removed := childEnv(r.Environ, r.PassEnv, r.keys(), r.url, r.token, string(r.row.ID))
	r.report.Metered = r.row.Metered
	if r.Verbose {
		r.say("gateway %s, run %s, agent %s", r.url, short(r.row.ID), r.row.Agent)
		for _, name := range removed {
			r.say("%s is not passed on", name)
		}
	}
	if !r.row.Metered {
		r.say("a provider's key or base URL is passed on: what is spent with it is not metered")
	}
	if env, err = r.adaptProgram(env); err != nil {
		return err
	}
	r.monitor.Argv, r.monitor.Env, r.monitor.Dir, r.monitor.RunID = r.Argv, env, r.Dir, string(r.row.ID)
	r.proc, err = r.monitor.Launch()
	switch {
	case errors.Is(err, ErrNotFound):
		r.report.ExitCode = ExitNotFound
	case errors.Is(err, ErrNotExecutable):
		r.report.ExitCode = ExitNotExecutable
	}
	if err == nil {
		close(r.started)
	}
	return err
}

// keys are the variables that any provider's key may be in, those of
// models.yaml included.
func (r *session) keys() (names []string) {
	for _, p := range r.Registry.Providers() {
		names = append(names, p.KeyEnvs()...)
	}
	return names
}

// unbookable is told once that a call could not be booked: nothing outranks
// that in how the run ends.
func (r *session) unbookable(err error) {
	err = fmt.Errorf("%w: %w", ErrUnbooked, err)
	r.unbooked.Store(&err)
	r.stop(err)
}

// noticed is told of every answered call.
func (r *session) noticed(n proxy.Notice) {
	r.report.count(n)
	if n.Owner != "" && n.Owner != r.row.ID && n.Code != "" {
		return // the limit of a run inside this one, whose aex sees to it
	}
	own := n.Owner == "" || n.Owner == r.row.ID
	switch {
	case n.Upstream:
		r.upstream.Store(true)
	case r.OnExhausted == ExhaustedAsk && n.Code == "":
		own = false // an overrun: the next call asks
	}
	if r.OnExhausted == ExhaustedRefuse && n.Code == "budget_exceeded" {
		return
	}
	n.Ends = n.Ends && own && r.OnExhausted != ExhaustedRefuse
	r.guard.noticed(n)
	if n.Ends {
		r.spent.Do(func() { close(r.exhausted) })
	}
}

// watch starts what looks after the run while the program works.
func (r *session) watch() {
	r.owners.Go(func() { r.guard.watch(r.ctx, r.proc, r.gateway.Open) })
	r.bypass = newBypass(r.proc)
	r.owners.Go(func() { r.bypass.watch(r.ctx) })
	r.owners.Go(r.sweep)
	r.owners.Go(func() {
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
				if err := r.ledger.ExtendToken(context.WithoutCancel(r.ctx), ledger.HashToken(r.token), now.Add(tokenLife)); err != nil {
					r.stop(fmt.Errorf("%w: %w", ErrUnbooked, err))
					return
				}
			}
		}
	})
	states := r.ledger.WatchRun(r.ctx, r.row.ID, ledger.RunOpen)
	r.owners.Go(func() {
		for state := range states {
			if state == ledger.RunEnding || state == ledger.RunEnded {
				r.stop(ErrStopped)
			}
		}
	})
}

// wait returns when the program has ended or something else ended the run. A
// program whose money is gone, or that was sent a signal, has the grace to end
// by itself.
func (r *session) wait() {
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

// endTree ends whatever the program left or is, and keeps in the report how it
// went. The accounts need not wait until the terminal is given back.
func (r *session) endTree() {
	r.report.Child = childStatus(r.proc.Status())
	r.decide()
	var ended Ended
	if r.keeps() {
		r.report.Orphans = r.proc.Orphans()
	} else {
		ended = r.proc.End(Ending{Grace: 2 * time.Second})
	}
	r.report.Ended, r.report.Survivors = ended.Ended, ended.Survivors
	r.report.Child = childStatus(r.proc.Status())
	r.meterCheck()
	close(r.closing)
	if len(r.report.Orphans) > 0 {
		// They leave the run's cgroup before the run has ended in the ledger: who sweeps goes by that.
		r.proc.Close()
		return
	}
	go r.proc.Close() // awaitClosed waits for it, and tells of its error
}

// awaitClosed returns when the terminal is as it was.
func (r *session) awaitClosed() error {
	if !is(r.closing) {
		return nil
	}
	return r.proc.Close()
}

// meterCheck tells of a run that went past the gateway, and fails it where the
// user wants every run metered.
func (r *session) meterCheck() {
	if host := r.bypass.host(); host != "" {
		r.report.Bypassed, r.unmetered = host, r.Guard.RequireMetered
		r.say("traffic not metered: the program was connected to %s without aex", host)
	}
}

// callCheck fails a run without a call where the user wants it metered. It
// waits for the gateway: a program may end with its answer, before the call
// that it was for is booked.
func (r *session) callCheck() {
	if r.Guard.RequireMetered && !r.unmetered && r.guard.calls() == 0 {
		r.unmetered = true
		r.say("traffic not metered: the program made no call")
	}
}

// keeps tells whether processes that outlive the program are left alone.
func (r *session) keeps() bool {
	return errors.Is(context.Cause(r.ctx), errChildOver) && r.report.Outcome == "exited" && r.Orphans != OrphansKill
}

// shutdown closes the gateway once every call is booked. The tree is gone:
// nobody waits for an answer.
func (r *session) shutdown() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := r.gateway.Shutdown(ctx)
	r.stop(nil)
	r.owners.Wait()
	return err
}

// close ends the run in the ledger and completes the report. Every call is
// booked by now: one that overran, or could not be booked, decides how the run
// ended, also when the program was quicker.
func (r *session) close(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.unadapt()) }()
	if r.proc != nil {
		r.callCheck()
		r.decide()
	}
	if before, err := r.ledger.Run(context.WithoutCancel(ctx), string(r.row.ID)); err == nil {
		r.report.Exhausted = before.State == ledger.RunExhausted || r.upstream.Load()
	}
	detail, err := json.Marshal(r.report.detail())
	if err != nil {
		return err
	}
	row, err := r.ledger.EndRun(context.WithoutCancel(ctx), r.row.ID, ledger.RunEnd{
		Outcome: r.report.Outcome, ExitCode: r.report.ExitCode, Detail: detail,
	})
	if err != nil {
		r.report.Unknown = true
		return fmt.Errorf("ending run %s: %w", short(r.row.ID), err)
	}
	agent, err := r.ledger.Agent(context.WithoutCancel(ctx), r.row.Agent)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) { // deleted meanwhile
		return err
	}
	r.report.fill(r, row, agent.Account)
	return nil
}

// say prints a line for the user; it does not disturb a raw terminal.
func (r *session) say(format string, args ...any) {
	line := "aex: " + fmt.Sprintf(format, args...)
	switch {
	case r.Quiet:
	case is(r.started) && !is(r.closing):
		r.proc.Notice(line)
	default:
		_ = r.awaitClosed() // Run tells of its error
		fmt.Fprintln(r.Stderr, printable(line))
	}
}

// is tells whether what a channel stands for has come about.
func is(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func short(id ledger.RunID) string { return string(id[:min(4, len(id))]) }
