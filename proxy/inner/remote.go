package inner

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// RemotePoll is how long a GET of a remote run waits for a new state. It is shorter than
// Options.Patience, because no connection tells that a runner has lost its power.
const RemotePoll = 15 * time.Second

// How many remote runs a gateway keeps, and how many one token may open.
const (
	maxRemoteRuns = 10_000 // of a gateway
	MaxOpenings   = 600    // by one token in a minute
)

// Openings counts what each token has opened of late.
type Openings struct {
	mu     sync.Mutex
	minute int64
	by     map[ledger.TokenHash]int
}

// Add counts an opening, unless there were too many in this minute.
func (o *Openings) Add(h ledger.TokenHash, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if minute := now.Unix() / 60; minute != o.minute {
		o.minute, o.by = minute, map[ledger.TokenHash]int{}
	}
	o.by[h]++
	return o.by[h] <= MaxOpenings
}

// serveRemote answers an agent's token, which opens runs and takes them over.
func (c *caller) serveRemote(ctx context.Context) (any, error) {
	id, attach := strings.CutSuffix(c.Rest, "/attach")
	switch {
	case c.r.Method != http.MethodPost || id == "" && attach || id != "" && !attach:
		return nil, refusal.New("invalid_request", "an agent's token opens runs, by POST; what becomes of a run, the run's own token asks")
	case !attach && !c.runs.openings.Add(c.Hash, c.runs.now()):
		f := refusal.New("rate_limited", "this token has opened %d runs in this minute; that is the most", MaxOpenings)
		f.RetryAfter = time.Minute
		return nil, f
	}
	var ask Request
	if err := c.readInner(&ask); err != nil {
		return nil, err
	}
	if attach {
		return c.attachRemote(ctx, ledger.RunID(id), ask)
	}
	return c.openRemote(ctx, ask)
}

// openRemote opens a run under the caller's agent. Asked again with the same
// token it answers with the run that it opened: the first answer was lost.
func (c *caller) openRemote(ctx context.Context, ask Request) (any, error) {
	secret, err := hex.DecodeString(ask.Token)
	if err != nil || len(secret) != 32 {
		return nil, refusal.New("invalid_request", "a run of another machine brings its token, 64 hex digits")
	}
	hash := ledger.HashToken(ask.Token)
	if v, err := c.openedBefore(ctx, hash, ask); v != nil || err != nil {
		return v, err
	}
	if c.runs.Count() >= maxRemoteRuns {
		return nil, refusal.New("rate_limited", "there are %d runs at this gateway already", maxRemoteRuns)
	}
	n, path, err := c.newRun(ctx, ask)
	if err != nil {
		return nil, err
	}
	most := ask.Budget
	if c.ID.MaxRun != nil && (most == nil || *c.ID.MaxRun < *most) {
		most = c.ID.MaxRun
	}
	out := Opened{Token: ask.Token, Agent: c.ID.Agent, Budget: leftOf(path, most)}
	used := slices.IndexFunc(path, ledger.Account.UsedUp) // money that calls under way hold may come back
	switch {
	case out.Budget == nil && !ask.NoBudget:
		return nil, refusal.New("no_budget", "agent %s has no budget, and none was given for the run; give --budget 0.50, or --budget none", c.ID.Agent)
	case used >= 0:
		a := path[used]
		return nil, refusal.New("budget_exceeded", "%s has used %s of %s", a.Whose(), a.Charged(), *a.Budget)
	}
	n.Budget, n.Token, n.Remote = most, hash, true
	out.RunID, err = c.openRow(ctx, n, &Run{Remote: true, Asks: ask.asks()})
	switch {
	case errors.Is(err, ledger.ErrExists): // the same request came twice at the same time
		if v, err := c.openedBefore(ctx, hash, ask); v != nil || err != nil {
			return v, err
		}
		return nil, refusal.New("invalid_request", "the token is in use")
	case err != nil:
		return nil, err
	}
	return out, nil
}

// openedBefore answers for the run that a token is for; nil: none was opened yet.
func (c *caller) openedBefore(ctx context.Context, token ledger.TokenHash, ask Request) (any, error) {
	row, err := c.runs.ledger.RemoteRun(ctx, token)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, refusal.Unreadable(err)
	case row.AgentID != c.ID.AgentID:
		return nil, refusal.New("invalid_request", "the token is another run's")
	}
	if err := c.runs.takeOver(ctx, c.ID.Agent, row.ID, ask); err != nil {
		return nil, err
	}
	budget := row.Account.Budget
	if path, err := c.runs.ledger.Path(ctx, c.Hash); err == nil {
		budget = leftOf(path, budget)
	}
	return Opened{RunID: row.ID, Agent: row.Agent, Token: ask.Token, Budget: budget}, nil
}

// attachRemote takes a run over from a gateway that its runner lost.
func (c *caller) attachRemote(ctx context.Context, id ledger.RunID, ask Request) (any, error) {
	if err := c.runs.takeOver(ctx, c.ID.Agent, id, ask); err != nil {
		return nil, err
	}
	if in := c.runs.Find(id); in != nil {
		s, err := c.runs.status(ctx, in)
		if err != nil {
			return nil, refusal.Unreadable(err)
		}
		return s, nil
	}
	row, err := c.runs.ledger.Run(ctx, string(id))
	if err != nil {
		return nil, refusal.Unreadable(err)
	}
	return over(row), nil
}

// over is the status of a run that no gateway has any more.
func over(row ledger.Run) Status {
	return (&Run{}).status(row)
}

// takeOver makes this gateway the one that has a run of the agent, and the runs inside it.
// A run that is over stays over.
func (s *Runs) takeOver(ctx context.Context, agent string, id ledger.RunID, ask Request) error {
	s.moving.RLock()
	defer s.moving.RUnlock()
	row, err := s.ledger.AttachRun(context.WithoutCancel(ctx), agent, id)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return refusal.New("run_not_found", "there is no run %q of this agent to take over", plain.Clip(string(id), 40))
	case err != nil:
		return refusal.Fault(err, "run %.4s cannot be taken over", id)
	case row.State == ledger.RunEnded:
		return nil
	}
	if err := s.adopt(ctx, row, ask.asks()); err != nil {
		return refusal.Unreadable(err)
	}
	if err := s.ledger.ExtendRun(context.WithoutCancel(ctx), id, time.Now().Add(tokenLife)); err != nil {
		return refusal.Fault(err, "run %.4s cannot be taken over", id)
	}
	return nil
}

// adopt takes in a run that was opened elsewhere, and those inside it.
func (s *Runs) adopt(ctx context.Context, row ledger.Run, asks time.Duration) error {
	if in := s.Find(row.ID); in == nil || in.Over() {
		in := &Run{ID: row.ID, Parent: row.Parent, Remote: true, over: make(chan struct{}), Asks: asks, extended: time.Now()}
		if row.State == ledger.RunExhausted && asks == 0 { // else the next call asks
			in.limit = Exhausted
			close(in.over)
		}
		s.add(s.ctx, in)
	}
	deeper, err := s.ledger.RunsInside(ctx, row.ID)
	for _, d := range deeper {
		if err == nil {
			err = s.adopt(ctx, d, 0)
		}
	}
	return err
}

// tellOver answers for a remote run that has ended: its end was booked, and the
// answer to that was lost.
func (c *caller) tellOver(ctx context.Context) (any, error) {
	row, err := c.runs.ledger.Run(ctx, string(c.ID.Run))
	if err != nil {
		return nil, refusal.Unreadable(err)
	}
	if row.State != ledger.RunEnded {
		return nil, refusal.New("run_not_found", "there is no run %q inside this one", plain.Clip(string(row.ID), 40))
	}
	return over(row), nil
}
