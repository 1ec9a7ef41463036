package ledger

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RunID names a run; its first four characters are what people type.
type RunID string

// RunState is where a run is in its life.
type RunState string

const (
	RunOpen      RunState = "open"
	RunExhausted RunState = "exhausted"
	RunPaused    RunState = "paused"
	RunEnding    RunState = "ending"
	RunEnded     RunState = "ended"
)

// NewRun is what OpenRun needs.
type NewRun struct {
	Agent    string  // must exist
	Parent   RunID   // "": hangs under the agent; else under that run
	Budget   *Micros // nil: no limit of its own
	Program  string  // the program's base name, never its arguments
	Token    TokenHash
	Expires  time.Time
	MaxCalls int64           // 0: no limit
	Policy   json.RawMessage // what the run adds to the agent's capabilities; opaque here
	Metered  bool            // false: a real key was passed through
	Remote   bool            // it is attended over the network, and outlives this process (AttachRun); so do those inside one
	// May, if set, is given the accounts of the agent, which comes first, and of its
	// groups, and decides whether the run may be opened: its error is OpenRun's. It may
	// be called more than once, and must not use the ledger.
	May func(path []Account) error
}

// Run is one aex run, open or over.
type Run struct {
	ID       RunID
	Agent    string
	AgentID  string
	Parent   RunID
	State    RunState
	Program  string
	Started  time.Time
	Ended    time.Time // zero: not yet
	Outcome  string    // "", "exited", "signalled", "budget", "guard", "timeout", "lost", ...
	ExitCode int
	Calls    int64
	Refused  int64
	Metered  bool
	Remote   bool
	Account  Account
}

// RunEnd is how a run ended.
type RunEnd struct {
	Outcome  string
	ExitCode int
	Detail   json.RawMessage // the report's further fields; no content, no arguments
	Own      bool            // only if this process still has the run, else ErrElsewhere
}

// EndedRun is a run with what its end found.
type EndedRun struct {
	Run
	Was RunState  // RunEnded: it was over already
	Has []Account // the agent's, of its current window or its total one, and those of its groups
}

// OpenRun makes a run with its account and its token, owned by this process.
func (l *Ledger) OpenRun(ctx context.Context, n NewRun) (Run, error) {
	if err := validBudget(n.Budget); err != nil {
		return Run{}, err
	}
	if n.MaxCalls < 0 || len(n.Policy) > 0 && !json.Valid(n.Policy) {
		return Run{}, fmt.Errorf("%w: a run's call limit or policy", ErrInvalid)
	}
	var opened Run
	err := l.commitOne(ctx, func(g *commitGroup) (err error) {
		opened, err = g.openRun(n)
		return err
	})
	var no mayNot
	switch {
	case errors.As(err, &no):
		return Run{}, no.error
	case err != nil:
		return Run{}, fmt.Errorf("opening a run of %q: %w", n.Agent, err)
	}
	return opened, nil
}

// mayNot is the error of NewRun.May.
type mayNot struct{ error }

func (g *commitGroup) openRun(n NewRun) (Run, error) {
	none := Run{}
	ag, err := g.agentNamed(n.Agent)
	if err != nil {
		return none, err
	}
	if n.May != nil {
		has := g.accountsOf(ag)
		if g.err != nil {
			return none, g.err
		}
		if err := n.May(has); err != nil {
			return none, mayNot{err}
		}
	}
	parent, outer, err := g.parentOf(n, ag)
	if err != nil {
		return none, err
	}
	if g.tokenKnown(n.Token) {
		return none, fmt.Errorf("token: %w", ErrExists)
	}
	id, err := g.newRunID()
	if err != nil || g.err != nil {
		return none, errors.Join(err, g.err)
	}
	remote := n.Remote || outer != nil && outer.remote
	acc := &account{agent: ag.id, parent: parent.id, kind: RunAccount}
	acc.retarget(n.Budget)
	g.insertAccount(acc)
	r := &run{agent: ag.id, parent: outer.number(), account: acc.id, id: id, owner: g.w.l.owner.id(), state: RunOpen, maxCalls: n.MaxCalls, remote: remote}
	r.firstSeq = g.event("run.open", ag, id, func(e *line) {
		e.budget(acc)
		e.text("parent", string(n.Parent))
		e.text("program", n.Program)
		e.number("max_calls", n.MaxCalls)
		e.flag("not_metered", !n.Metered)
		e.flag("remote", remote)
		e.text("token", n.Token.prefix())
	})
	r.no = g.insert(`INSERT INTO run (id, agent_id, parent, account_id, owner, state, program, max_calls, policy, metered, started_at, first_seq, remote)
		VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?)`, "no",
		string(id), ag.id, orNull(outer != nil, outer.number()), acc.id, int64(r.owner), n.Program, n.MaxCalls, orNullText(n.Policy), n.Metered, g.at, r.firstSeq, remote)
	if g.err != nil {
		return none, g.err
	}
	g.rows.keepRun(r)
	g.saw("run", r.no, r.setting())
	g.given(r)
	g.insertToken(NewToken{Hash: n.Token, Scope: Execution, Expires: n.Expires}, ag.id, r.no)
	return Run{
		ID: id, Agent: ag.name, AgentID: publicID(ag.id), Parent: n.Parent, State: RunOpen, Program: n.Program, Started: fromMillis(g.at),
		Metered: n.Metered, Remote: remote, Account: acc.public(string(id)),
	}, g.err
}

// parentOf finds the account that will be the parent of a new run's, and the run that
// the new one is inside of, if any.
func (g *commitGroup) parentOf(n NewRun, ag *agent) (*account, *run, error) {
	if n.Parent == "" {
		return g.total(ag.id), nil, g.err
	}
	p, err := g.runNamed(n.Parent)
	switch {
	case err != nil:
		return nil, nil, err
	case p.state == RunEnding || p.state == RunEnded:
		return nil, nil, fmt.Errorf("%w: run %s has ended", ErrInvalid, p.id)
	case p.agent != ag.id || p.owner != g.w.l.owner.id():
		return nil, nil, fmt.Errorf("%w: run %s is another agent's or process's", ErrInvalid, p.id)
	}
	return g.account(p.account), p, g.err
}

// newRunID picks an id whose first four characters no other run has, as long
// as a few tries find one: people type those.
func (g *commitGroup) newRunID() (RunID, error) {
	for try := 0; ; try++ {
		b, err := g.w.l.random(8)
		if err != nil {
			return "", err
		}
		id := hex.EncodeToString(b)
		var n int
		g.query(`SELECT count(*) FROM run WHERE id >= ? AND id < ?`, []any{id[:4], id[:4] + "g"}, &n)
		if n == 0 || try == 8 || g.err != nil {
			return RunID(id), g.err
		}
	}
}

func (g *commitGroup) insertAccount(a *account) {
	a.id = g.insert(`INSERT INTO account (agent_id, group_id, parent, kind, "window", start_at, target_micro, budget_micro) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, "id",
		orNull(a.agent != 0, a.agent), orNull(a.group != 0, a.group), orNull(a.parent != 0, a.parent), string(a.kind), string(a.window), a.start,
		orNull(a.limited, int64(a.target)), orNull(a.limited, int64(a.budget)))
	if g.err == nil {
		a.given = false // it is in the row: only who gives budgets may write it again
		g.rows.keepAccount(a)
		g.saw("budget of account", a.id, a.setting())
	}
}

// SetRunState makes a run exhausted, paused, open or ending. A run that is
// ending or has ended stays so.
func (l *Ledger) SetRunState(ctx context.Context, id RunID, s RunState) error {
	if s != RunOpen && s != RunExhausted && s != RunPaused && s != RunEnding {
		return fmt.Errorf("%w: a run cannot be made %q", ErrInvalid, s)
	}
	return l.commitOne(ctx, func(g *commitGroup) error {
		r, err := g.runNamed(id)
		if err != nil {
			return err
		}
		if r.state != RunEnded && r.state != RunEnding {
			g.setRunState(r, s)
		}
		return g.err
	})
}

func (g *commitGroup) setRunState(r *run, s RunState) {
	if r.state == s || g.err != nil {
		return
	}
	from := r.state
	g.exec(`UPDATE run SET state = ? WHERE no = ?`, string(s), r.no)
	r.state = s
	g.tooLarge[r.no] = 0
	g.event("run.state", g.agentByID(r.agent), r.id, func(e *line) {
		e.text("from", string(from))
		e.text("to", string(s))
	})
	g.changed(r)
}

func (g *commitGroup) changed(r *run) {
	g.identity = true
	g.runChanges = append(g.runChanges, runChange{r.id, r.state})
}

// ErrUnsettled keeps a run from being ended while calls of it are under way. For a
// remote run they may be at a gateway that had it before, which settles them.
var ErrUnsettled = errors.New("calls are not settled")

// EndRun books the end. The run's holds must have been settled before, else it
// is ErrUnsettled.
func (l *Ledger) EndRun(ctx context.Context, id RunID, end RunEnd) (EndedRun, error) {
	ended, err := l.bookEnd(ctx, id, end)
	if err == nil {
		ended.Run, err = l.Run(context.WithoutCancel(ctx), string(id))
	}
	if err != nil {
		return EndedRun{}, fmt.Errorf("ending a run: %w", err)
	}
	return ended, nil
}

// bookEnd is EndRun without reading the run again.
func (l *Ledger) bookEnd(ctx context.Context, id RunID, end RunEnd) (ended EndedRun, err error) {
	if len(end.Detail) > 0 && !json.Valid(end.Detail) {
		return ended, fmt.Errorf("%w: the detail of a run's end is not JSON", ErrInvalid)
	}
	err = l.do(ctx, &op{patient: true, do: func(g *commitGroup) error {
		r, err := g.runNamed(id)
		if err != nil {
			return err
		}
		if end.Own && r.state != RunEnded && r.owner != g.w.l.owner.id() {
			return ErrElsewhere
		}
		ended.Was, ended.Has = r.state, g.accountsOf(g.agentByID(r.agent))
		if r.state != RunEnded {
			if open := g.unsettled(r); open > 0 {
				return fmt.Errorf("%w: %d of run %s", ErrUnsettled, open, r.id)
			}
			g.endRun(r, end)
		}
		g.bookDenialsOf(r)
		return g.err
	}})
	return ended, err
}

// unsettled counts the calls of a run that are not settled, once those of
// processes that died are.
func (g *commitGroup) unsettled(r *run) int64 {
	open := g.openHoldsOf(r)
	if open > 0 && r.remote && g.err == nil && (g.recoverDead() || g.endElsewhere(r)) {
		open = g.openHoldsOf(r)
	}
	return open
}

// openHoldsOf counts the calls of a run that are not settled.
func (g *commitGroup) openHoldsOf(r *run) (open int64) {
	g.query(`SELECT count(*) FROM hold WHERE run_no = ? AND state = 'open'`, []any{r.no}, &open)
	made, ended := g.unstored()
	for _, h := range made {
		if h.run == r.no {
			open++
		}
	}
	for _, h := range ended {
		if h.run == r.no && !h.recovered {
			open--
		}
	}
	return open
}

func (g *commitGroup) endRun(r *run, end RunEnd) {
	seq := g.event("run.end", g.agentByID(r.agent), r.id, func(e *line) {
		e.text("outcome", end.Outcome)
		e.number("exit_code", int64(end.ExitCode))
		e.raw("detail", end.Detail)
	})
	g.exec(`UPDATE run SET state = 'ended', ended_at = ?, outcome = ?, exit_code = ?, detail = ?, last_seq = ? WHERE no = ?`,
		g.at, end.Outcome, end.ExitCode, orNullText(end.Detail), seq, r.no)
	r.state = RunEnded
	g.tooLarge[r.no] = 0
	g.changed(r)
}

// Run finds a run by its id or by an unambiguous beginning of it.
func (l *Ledger) Run(ctx context.Context, id string) (Run, error) {
	if id == "" || strings.Trim(id, "0123456789abcdef") != "" {
		return Run{}, fmt.Errorf("run %q: %w", id, ErrNotFound)
	}
	return l.runFrom(ctx, l.read, id)
}

const whereID = `r.id >= ? AND r.id < ?`

// runFrom is Run by a connection of its own.
func (l *Ledger) runFrom(ctx context.Context, from *readers, id string) (Run, error) {
	runs, err := l.runs(ctx, from, whereID, []any{id, id + "g"}, 4)
	switch {
	case err != nil:
		return Run{}, fmt.Errorf("run %q: %w", id, err)
	case len(runs) == 0:
		return Run{}, fmt.Errorf("run %q: %w", id, ErrNotFound)
	case len(runs) > 1:
		return Run{}, fmt.Errorf("run %q: %w, %s and %s among them; type more of it", id, ErrAmbiguous, runs[0].ID, runs[1].ID)
	}
	return runs[0], nil
}
