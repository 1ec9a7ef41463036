package ledger

import (
	"context"
	"encoding/json"
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
	Account  Account
}

// RunEnd is how a run ended.
type RunEnd struct {
	Outcome  string
	ExitCode int
	Detail   json.RawMessage // the report's further fields; no content, no arguments
}

// OpenRun makes a run with its account and its token, owned by this process.
func (l *Ledger) OpenRun(ctx context.Context, n NewRun) (Run, error) { panic("contract") }

// SetRunState moves a run along: exhausted, paused, open, ending. It is
// idempotent; a run that has ended stays ended (ErrHoldEnded is not used).
func (l *Ledger) SetRunState(ctx context.Context, id RunID, s RunState) error { panic("contract") }

// EndRun books the end. The run's holds must have been settled before.
func (l *Ledger) EndRun(ctx context.Context, id RunID, e RunEnd) (Run, error) { panic("contract") }

// TopUpRun raises a run's budget and reopens it when that left room.
func (l *Ledger) TopUpRun(ctx context.Context, id RunID, by Micros) (Run, error) { panic("contract") }

// Run finds a run by its id or by an unambiguous beginning of it.
func (l *Ledger) Run(ctx context.Context, id string) (Run, error) { panic("contract") }

// RunFilter picks runs for Runs. Newest first.
type RunFilter struct {
	Agent string
	Open  bool // only those that have not ended
	Limit int  // 0: 50
}

func (l *Ledger) Runs(ctx context.Context, f RunFilter) ([]Run, error) { panic("contract") }

// WatchRun tells of every change of the run's state, by whichever process,
// until ctx ends: how a run learns that it was stopped or topped up elsewhere.
func (l *Ledger) WatchRun(ctx context.Context, id RunID) <-chan RunState { panic("contract") }
