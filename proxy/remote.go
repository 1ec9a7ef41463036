package proxy

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// Runs of another machine: an aex run that was told of this gateway opens its
// run here, with a token of an agent, by the protocol of runs inside a run. It
// hangs under the agent and not under a run, and outlives this gateway: one
// that the runner can reach, on the same ledger, takes it over.
//
//	POST /v1/aex/runs           opens one: InnerRun with the token that the run is to have -> Opened
//	POST /v1/aex/runs/ID/attach takes one over: InnerRun -> RunStatus
//	GET  /v1/aex/runs/ID        as of a run inside a run, but for RemotePoll at most
//	POST /v1/aex/runs/ID/end    likewise
//
// The first two want the agent's token, the others the run's own, which is of
// use at the gateway that has the run and only while it is open.

// RemotePoll is how long a GET of a remote run waits for a new state. It is
// shorter than Options.Patience: of a runner that lost its power no connection
// tells.
const RemotePoll = 15 * time.Second

const (
	maxRemoteRuns = 10_000 // of a gateway
	maxOpenings   = 600    // by one token in a minute
)

// openings counts what each token has opened of late.
type openings struct {
	mu     sync.Mutex
	minute int64
	by     map[ledger.TokenHash]int
}

// add counts an opening, unless there were too many in this minute.
func (o *openings) add(h ledger.TokenHash, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if minute := now.Unix() / 60; minute != o.minute {
		o.minute, o.by = minute, map[ledger.TokenHash]int{}
	}
	o.by[h]++
	return o.by[h] <= maxOpenings
}

// serveRemote answers an agent's token, which opens runs and takes them over.
func (c *call) serveRemote(ctx context.Context) error {
	id, attach := strings.CutSuffix(c.route.rest, "/attach")
	switch {
	case c.r.Method != http.MethodPost || id == "" && attach || id != "" && !attach:
		return refusal.New("invalid_request", "an agent's token opens runs, by POST; what becomes of a run, the run's own token asks")
	case !attach && !c.g.openings.add(c.hash, c.g.o.Now()):
		f := refusal.New("rate_limited", "this token has opened %d runs in this minute; that is the most", maxOpenings)
		f.RetryAfter = time.Minute
		return f
	}
	var ask InnerRun
	if err := c.readInner(&ask); err != nil {
		return err
	}
	if attach {
		return c.attachRemote(ctx, ledger.RunID(id), ask)
	}
	return c.openRemote(ctx, ask)
}

// openRemote opens a run under the caller's agent. Asked again with the same
// token it answers with the run that it opened: the first answer was lost.
func (c *call) openRemote(ctx context.Context, ask InnerRun) error {
	secret, err := hex.DecodeString(ask.Token)
	if err != nil || len(secret) != 32 {
		return refusal.New("invalid_request", "a run of another machine brings its token, 64 hex digits")
	}
	hash := ledger.HashToken(ask.Token)
	if found, err := c.openedBefore(ctx, hash, ask); found || err != nil {
		return err
	}
	if c.g.inner.count() >= maxRemoteRuns {
		return refusal.New("rate_limited", "there are %d runs at this gateway already", maxRemoteRuns)
	}
	n, path, err := c.newRun(ctx, ask)
	if err != nil {
		return err
	}
	most := ask.Budget
	if c.id.MaxRun != nil && (most == nil || *c.id.MaxRun < *most) {
		most = c.id.MaxRun
	}
	out := Opened{Token: ask.Token, Agent: c.id.Agent, Budget: leftOf(path, most)}
	switch {
	case out.Budget == nil && !ask.NoBudget:
		return refusal.New("no_budget", "agent %s has no budget, and none was given for the run; give --budget 0.50, or --budget none", c.id.Agent)
	case out.Budget != nil && *out.Budget <= 0: // by an account: what was asked for is more
		short := ledger.Shortest(path)
		return refusal.New("budget_exceeded", "%s has used %s of %s", short.Whose(), short.Charged(), *short.Budget)
	}
	n.Budget, n.Token, n.Remote = most, hash, true
	out.RunID, err = c.openRow(ctx, n, &innerRun{remote: true, asks: ask.asks()})
	switch {
	case errors.Is(err, ledger.ErrExists): // asked twice at a time
		if found, err := c.openedBefore(ctx, hash, ask); found || err != nil {
			return err
		}
		return refusal.New("invalid_request", "the token is in use")
	case err != nil:
		return err
	}
	return c.answer(out)
}

// openedBefore answers for the run that a token is for, if it was opened already.
func (c *call) openedBefore(ctx context.Context, token ledger.TokenHash, ask InnerRun) (found bool, err error) {
	row, err := c.g.ledger.RemoteRun(ctx, token)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return false, nil
	case err != nil:
		return false, refusal.Unreadable(err)
	case row.AgentID != c.id.AgentID:
		return true, refusal.New("invalid_request", "the token is another run's")
	}
	if err := c.g.takeOver(ctx, c.id.Agent, row.ID, ask); err != nil {
		return true, err
	}
	budget := row.Account.Budget
	if path, err := c.g.ledger.Path(ctx, c.hash); err == nil {
		budget = leftOf(path, budget)
	}
	return true, c.answer(Opened{RunID: row.ID, Agent: row.Agent, Token: ask.Token, Budget: budget})
}

// attachRemote takes a run over from a gateway that its runner lost.
func (c *call) attachRemote(ctx context.Context, id ledger.RunID, ask InnerRun) error {
	if err := c.g.takeOver(ctx, c.id.Agent, id, ask); err != nil {
		return err
	}
	if in := c.g.inner.find(id); in != nil {
		s, err := c.g.status(ctx, in)
		if err != nil {
			return refusal.Unreadable(err)
		}
		return c.answer(s)
	}
	row, err := c.g.ledger.Run(ctx, string(id))
	if err != nil {
		return refusal.Unreadable(err)
	}
	return c.answer(over(row))
}

// over is the status of a run that nobody has any more.
func over(row ledger.Run) RunStatus {
	return (&innerRun{}).status(row)
}

// takeOver makes this gateway the one that a run of the agent, and those inside
// it, hang at. A run that is over stays so.
func (g *Gateway) takeOver(ctx context.Context, agent string, id ledger.RunID, ask InnerRun) error {
	g.inner.moving.RLock()
	defer g.inner.moving.RUnlock()
	row, err := g.ledger.AttachRun(context.WithoutCancel(ctx), agent, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return refusal.New("run_not_found", "there is no run %q of this agent to take over", plain.Clip(string(id), 40))
	case err != nil:
		return refusal.Fault(err, "run %.4s cannot be taken over", id)
	case row.State == ledger.RunEnded:
		return nil
	}
	if err := g.adopt(ctx, row, ask.asks()); err != nil {
		return refusal.Unreadable(err)
	}
	if err := g.ledger.ExtendRun(context.WithoutCancel(ctx), id, time.Now().Add(innerTokenLife)); err != nil {
		return refusal.Fault(err, "run %.4s cannot be taken over", id)
	}
	return nil
}

// adopt knows a run that was opened elsewhere, and those inside it.
func (g *Gateway) adopt(ctx context.Context, row ledger.Run, asks time.Duration) error {
	if in := g.inner.find(row.ID); in == nil || in.isOver() {
		in := &innerRun{id: row.ID, parent: row.Parent, remote: true, over: make(chan struct{}), asks: asks, extended: time.Now()}
		if row.State == ledger.RunExhausted && asks == 0 { // else the next call asks
			in.limit = Exhausted
			close(in.over)
		}
		g.inner.add(g.ctx, in)
	}
	deeper, err := g.ledger.RunsInside(ctx, row.ID)
	for _, d := range deeper {
		if err == nil {
			err = g.adopt(ctx, d, 0)
		}
	}
	return err
}

// tellOver answers for a remote run that has ended: its end was booked, and the
// answer to that was lost.
func (c *call) tellOver(ctx context.Context) error {
	row, err := c.g.ledger.Run(ctx, string(c.id.Run))
	if err != nil {
		return refusal.Unreadable(err)
	}
	if row.State != ledger.RunEnded {
		return refusal.New("run_not_found", "there is no run %q inside this one", plain.Clip(string(row.ID), 40))
	}
	return c.answer(over(row))
}
