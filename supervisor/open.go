package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// open opens the run, if its agent has money, with a token of its own. It makes
// the agent if there is none.
func (r *session) open(ctx context.Context) (err error) {
	for _, rec := range r.ledger.Recovered() {
		r.say("settled %s in full for a call of run %s, whose aex died", rec.Amount, short(rec.Run))
	}
	r.token = ledger.NewSecret(ledger.SecretOfRun)
	run := ledger.NewRun{
		Agent: r.Agent, Budget: r.Budget, Program: r.report.Program, Token: ledger.HashToken(r.token), May: r.may,
		Expires: time.Now().Add(tokenLife), MaxCalls: r.MaxCalls, Policy: r.Policy, Metered: !environ.PassesKey(r.PassEnv, r.keys()),
	}
	r.row, err = r.ledger.OpenRun(ctx, run)
	if errors.Is(err, ledger.ErrNotFound) {
		if err := r.makeAgent(ctx); err != nil {
			return err
		}
		r.row, err = r.ledger.OpenRun(ctx, run)
	}
	least := ledger.Shortest(r.had)
	switch {
	case errors.Is(err, ErrNoMoney):
		r.report.Outcome, r.report.ExitCode = "budget", ExitBudget
	case err == nil && least != nil && r.Budget != nil:
		if left, _ := least.Left(); left < *r.Budget {
			r.say("%s has %s left, less than the %s asked for: that is the limit", least.Whose(), left, *r.Budget)
		}
	}
	r.progress.is(string(r.row.ID))
	r.report.RunID, r.report.Started = string(r.row.ID), r.row.Started
	return err
}

// may refuses a run whose agent, or a group around it, has nothing left, and a run that
// would have no limit although nobody asked for that.
func (r *session) may(path []ledger.Account) error {
	r.had = path
	bounded := r.Budget != nil || r.NoBudget
	for _, a := range path {
		if a.UsedUp() {
			return &NoMoneyError{a}
		}
		bounded = bounded || a.Budget != nil
	}
	if !bounded {
		return fmt.Errorf("%w for agent %s", ErrNoBudget, r.Agent)
	}
	return nil
}

// NoMoneyError says whose budget is used up, so that no run was opened. It is
// ErrNoMoney.
type NoMoneyError struct{ Account ledger.Account }

func (e *NoMoneyError) Error() string {
	return fmt.Sprintf("%v: %s has used %s of %s", ErrNoMoney, e.Account.Whose(), e.Account.Charged(), *e.Account.Budget)
}

func (e *NoMoneyError) Unwrap() error { return ErrNoMoney }

// sweep ends what is left of runs whose aex and monitor were both killed. A run's cgroup
// has the run's id, and the ledger knows which runs are over.
func (r *session) sweep() {
	process.SweepCgroups(func(id string) bool {
		if id == string(r.row.ID) { // as a rule there is no other, and nothing to ask
			return false
		}
		row, err := r.ledger.Run(context.WithoutCancel(r.ctx), id)
		return err == nil && string(row.ID) == id && row.State == ledger.RunEnded
	})
}

func (r *session) makeAgent(ctx context.Context) error {
	if r.NewAgent == nil {
		return fmt.Errorf("%w: %s", ErrNoAgent, r.Agent)
	}
	_, err := r.ledger.CreateAgent(ctx, *r.NewAgent)
	if errors.Is(err, ledger.ErrExists) { // another aex was quicker
		return nil
	}
	if err == nil {
		r.announce(ctx)
	}
	return err
}

// announce tells of a new agent, with similar names that the user may have meant.
func (r *session) announce(ctx context.Context) {
	like := ""
	if all, err := r.ledger.Agents(ctx); err == nil {
		like = similar(r.Agent, all)
	}
	if r.Agent != "default" || like != "" {
		r.say("new agent %s%s", r.Agent, like)
	}
}
