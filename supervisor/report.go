package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/watch"
	"github.com/Auro-rium/aex/v3/supervisor/process"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// Exit codes of aex run. A program that ended by itself keeps its own.
const (
	ExitBudget        = 121 // the budget is gone, also when the program then ended by itself
	ExitGuard         = 122 // a guard or the operator ended the run
	ExitTimeout       = 124 // --timeout, --idle-timeout
	ExitInternal      = 125 // aex's own fault, or wrong usage
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// Report is what became of a run. Money is in micro-dollars.
type Report struct {
	RunID     string         `json:"run_id"`
	Agent     string         `json:"agent"`
	Program   string         `json:"program"`
	Adapter   string         `json:"adapter,omitempty"` // that the program was adapted by
	Agents    []string       `json:"agents,omitempty"`  // known agents that ran
	Outcome   string         `json:"outcome"`           // exited, signalled, budget, guard, timeout, stopped, interrupted, lost, unbooked, not_started
	Reason    string         `json:"reason,omitempty"`
	ExitCode  int            `json:"exit_code"` // of aex
	Child     *ChildStatus   `json:"child,omitempty"`
	Budget    *ledger.Micros `json:"budget_micro"` // the smaller of the run's and what the agent had
	Spent     ledger.Micros  `json:"spent_micro"`
	Overrun   ledger.Micros  `json:"overrun_micro"`
	Unknown   bool           `json:"unknown,omitempty"` // the ledger could not be written: the sums here are not the run's
	Calls     int64          `json:"calls"`
	Refused   int64          `json:"refused"`
	Clamped   int64          `json:"clamped"` // calls whose output cap was lowered
	LeastCap  int64          `json:"least_cap,omitempty"`
	Local     int64          `json:"local_calls"`             // calls to a local model, at no price
	Doubt     ledger.Micros  `json:"in_doubt_micro"`          // of what was spent: estimates, of calls that ended without their usage
	Doubtful  int64          `json:"in_doubt_calls"`          // those calls
	Exhausted bool           `json:"exhausted"`               // the budget was gone at the end, whatever the outcome
	Inside    string         `json:"inside_run_id,omitempty"` // the run around this one, which books for it
	Gateway   string         `json:"gateway,omitempty"`       // the shared gateway that books for it
	Metered   bool           `json:"metered"`
	Bypassed  string         `json:"bypassed,omitempty"` // host of a provider that the program talked to without aex
	Sandbox   *SandboxReport `json:"sandbox,omitempty"`
	Started   time.Time      `json:"started"`
	Duration  float64        `json:"duration_s"`
	Ended     []process.Proc `json:"ended_processes,omitempty"`
	Survivors []process.Proc `json:"survivors,omitempty"`
	Orphans   []process.Proc `json:"orphans,omitempty"`

	// What the last call that was refused for money could have cost, and what was
	// left then; 0: the last call was not.
	Needed  ledger.Micros `json:"needed_micro,omitempty"`
	Left    ledger.Micros `json:"left_micro,omitempty"`
	Whose   string        `json:"whose,omitempty"`   // the budget that had too little: "group acme's daily window"
	Changed []string      `json:"changed,omitempty"` // in requests, to bound what they could cost

	short *ledger.Refusal // of the last call, where money refused it
	last  time.Time       // when it came in

	inside int64 // refusals of calls of the runs inside this one, which its calls are counted with

	mu     sync.Mutex
	signal process.Status
}

// SandboxReport is what kept the program in.
type SandboxReport struct {
	Level   string            `json:"level"` // full, network; "": there was none
	Missing []sandbox.Missing `json:"missing,omitempty"`
	Open    []string          `json:"open,omitempty"` // what that level leaves open
	Hosts   int               `json:"hosts"`          // that were let through
	Refused int               `json:"refused_hosts"`
}

// ChildStatus is how the program itself ended.
type ChildStatus struct {
	ExitCode int    `json:"exit_code"`
	Signal   string `json:"signal,omitempty"`
}

// count keeps what only the gateway knows of the run's calls.
func (p *Report) count(n watch.Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n.Late {
		p.Doubt -= n.Was
		p.Doubtful--
		return
	}
	if n.Unmade && n.Run != "" && string(n.Run) != p.RunID {
		p.inside++
	}
	if n.Shows() && !n.Began.Before(p.last) {
		p.last, p.short = n.Began, n.Money
	}
	if n.Local {
		p.Local++
	}
	if n.Doubt {
		p.Doubt += n.Cost
		p.Doubtful++
	}
	if n.Clamped > 0 {
		p.Clamped++
		if p.LeastCap == 0 || n.Clamped < p.LeastCap {
			p.LeastCap = n.Clamped
		}
	}
}

// decide turns what is known into the outcome and the exit code. Money outranks the
// program's own end: a run whose budget is gone says so even if the program ended in its
// grace. It decides when the tree is ended, and again once every call is booked.
func (r *session) decide() {
	p := r.report
	cause := context.Cause(r.ctx)
	gone := errors.Is(cause, ErrBudget)
	select {
	case <-r.exhausted:
		gone = true
	default:
	}
	if err := r.unbooked.Load(); err != nil {
		cause = *err
	}
	switch {
	case errors.Is(cause, ErrUnbooked):
		p.end("unbooked", ExitInternal, cause.Error())
	case errors.Is(cause, ErrLost):
		p.end("lost", ExitInternal, cause.Error())
	case gone && r.upstream.Load():
		p.end("budget", ExitBudget, "the budget of the aex upstream is exhausted")
	case gone:
		p.end("budget", ExitBudget, "")
	case errors.Is(cause, ErrGuard):
		p.end("guard", ExitGuard, cause.Error())
	case errors.Is(cause, ErrTimeout):
		p.end("timeout", ExitTimeout, cause.Error())
	case errors.Is(cause, ErrStopped):
		p.end("stopped", ExitGuard, cause.Error())
	case r.unmetered:
		p.end("guard", ExitGuard, "guard: traffic not metered")
	case r.OnExhausted != ExhaustedRefuse && p.gaveUp(r.proc.Status()):
		p.end("budget", ExitBudget, p.nextCall())
	default:
		p.ended(r.proc.Status())
	}
}

// end sets how the run ended.
func (p *Report) end(outcome string, code int, reason string) {
	p.Outcome, p.ExitCode, p.Reason, p.signal = outcome, code, reason, process.Status{}
}

// ended takes over the program's own end, where aex did not end the run.
func (p *Report) ended(s process.Status) {
	switch {
	case s.Lost:
		p.end("lost", ExitInternal, "the monitor died")
	case s.Signal != 0:
		p.end("signalled", 128+int(s.Signal), "")
		p.signal = s
	default:
		p.end("exited", s.Code, "")
	}
}

// childStatus is how the program itself ended; nil when nobody saw it.
func childStatus(s process.Status) *ChildStatus {
	if s.Lost {
		return nil
	}
	c := &ChildStatus{ExitCode: s.Code}
	if s.Signal != 0 {
		c.Signal = s.Signal.String()
	}
	return c
}

// detail is what the ledger keeps of the report beside what it knows itself.
func (p *Report) detail() any {
	d := map[string]any{
		"reason": p.Reason, "child": p.Child, "clamped": p.Clamped, "local_calls": p.Local, "bypassed": p.Bypassed,
		"in_doubt_micro": p.Doubt, "in_doubt_calls": p.Doubtful,
		"ended_processes": len(p.Ended), "survivors": len(p.Survivors), "orphans": len(p.Orphans),
	}
	if p.Sandbox != nil {
		d["sandbox"], d["sandbox_hosts"], d["sandbox_refused_hosts"] = p.Sandbox.Level, p.Sandbox.Hosts, p.Sandbox.Refused
	}
	return d
}

// Like is the status that aex ends with: the child's own signal where that is
// how it ended.
func (p *Report) Like() process.Status { return p.signal }

// fill completes the report from the run and from the accounts of its agent and its
// groups, as the ledger has them. An overrun of the run's or the agent's budget is this
// run's: an agent with an earlier one could not have started it. An overrun of a group's
// budget may be another run's.
func (p *Report) fill(r *session, row ledger.Run, has []ledger.Account) {
	cost := row.Account.Spent + row.Account.Overrun
	p.Overrun = min(cost, max(row.Account.Overrun, has[0].Overrun))
	p.Spent = cost - p.Overrun
	p.Calls, p.Refused = row.Calls, row.Refused+p.inside
	p.meter()
	p.Duration = row.Ended.Sub(row.Started).Seconds()
	p.Budget = row.Account.Budget
	for _, had := range r.had {
		left, limited := had.Left()
		raised, still := topped(had, has)
		if !limited || !still && had.Kind == ledger.GroupAccount { // the agent was moved out of it
			continue
		}
		if left += raised; p.Budget == nil || left < *p.Budget {
			p.Budget = &left
		}
	}
}

// topped is by how much an account's budget was raised during the run. still is false where
// the account is no longer one of the agent's or its groups'.
func topped(had ledger.Account, has []ledger.Account) (by ledger.Micros, still bool) {
	for _, now := range has {
		if now.Kind == had.Kind && now.Name == had.Name && now.Window == had.Window && now.Start.Equal(had.Start) {
			if now.Budget == nil || had.Budget == nil {
				return 0, now.Budget != nil
			}
			return max(0, *now.Budget-*had.Budget), true
		}
	}
	return 0, false
}
