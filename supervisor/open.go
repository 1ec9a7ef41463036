package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/Auro-rium/aex/ledger"
)

// open finds or makes the agent, decides what this run may spend, and opens it
// with a token of its own.
func (r *session) open(ctx context.Context) (err error) {
	for _, rec := range r.ledger.Recovered() {
		r.say("settled %s in full for a call of run %s, whose aex died", rec.Amount, short(rec.Run))
	}
	if r.agent, err = r.findAgent(ctx); err != nil {
		return err
	}
	left, limited := r.agent.Account.Left()
	if r.agent.Account.Overrun > 0 {
		left = 0
	}
	switch {
	case limited && left <= 0:
		r.report.Outcome, r.report.ExitCode = "budget", ExitBudget
		return fmt.Errorf("%w: agent %s has used %s of %s", ErrNoMoney, r.agent.Name, r.agent.Account.Spent, *r.agent.Account.Budget)
	case !limited && r.Budget == nil && !r.NoBudget:
		return fmt.Errorf("%w for agent %s", ErrNoBudget, r.agent.Name)
	case limited && r.Budget != nil && left < *r.Budget:
		r.say("agent %s has %s left, less than the %s asked for: that is the limit", r.agent.Name, left, *r.Budget)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("making the run's token: %w", err)
	}
	r.token = hex.EncodeToString(secret)
	r.row, err = r.ledger.OpenRun(ctx, ledger.NewRun{
		Agent: r.agent.Name, Budget: r.Budget, Program: r.report.Program, Token: ledger.HashToken(r.token),
		Expires: time.Now().Add(tokenLife), MaxCalls: r.MaxCalls, Policy: r.Policy, Metered: !passesKey(r.PassEnv, r.keys()),
	})
	r.report.RunID, r.report.Started = string(r.row.ID), r.row.Started
	return err
}

// sweep ends what is left of runs whose aex and monitor were both killed. The
// ledger knows which are over: a run's cgroup has the run's id.
func (r *session) sweep() {
	SweepCgroups(func(id string) bool {
		row, err := r.ledger.Run(context.WithoutCancel(r.ctx), id)
		return err == nil && string(row.ID) == id && row.State == ledger.RunEnded
	})
}

func (r *session) findAgent(ctx context.Context) (ledger.Agent, error) {
	a, err := r.ledger.Agent(ctx, r.Agent)
	if !errors.Is(err, ledger.ErrNotFound) {
		return a, err
	}
	if r.NewAgent == nil {
		return a, fmt.Errorf("%w: %s", ErrNoAgent, r.Agent)
	}
	a, err = r.ledger.CreateAgent(ctx, *r.NewAgent)
	if errors.Is(err, ledger.ErrExists) { // another aex was quicker
		return r.ledger.Agent(ctx, r.Agent)
	}
	if err == nil {
		r.announce(ctx)
	}
	return a, err
}

// announce tells of a new agent, with names that it may be a slip for.
func (r *session) announce(ctx context.Context) {
	like := ""
	if all, err := r.ledger.Agents(ctx); err == nil {
		like = similar(r.Agent, all)
	}
	if r.Agent != "default" || like != "" {
		r.say("new agent %s%s", r.Agent, like)
	}
}
