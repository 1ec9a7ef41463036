package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// Runs inside a run: an aex run that a program of this gateway's run starts
// asks here for a run and a token of its own. Its account hangs under that of
// the run around it, and only this gateway books.
//
//	POST /v1/aex/runs                  opens one: InnerRun -> Opened
//	GET  /v1/aex/runs/ID[?after=STATE] tells of it: RunStatus, once STATE is not its state
//	POST /v1/aex/runs/ID/end           ends it: InnerEnd -> RunStatus
//
// Each wants the token of the run around it. A run is attended while a GET of
// it is under way; one that nobody attends is ended after Options.Patience.

// InnerRun is what a run inside another asks for.
type InnerRun struct {
	Program  string          `json:"program"`                // base name
	Agent    string          `json:"agent,omitempty"`        // whose capabilities must allow its calls, too
	Budget   *ledger.Micros  `json:"budget_micro,omitempty"` // nil: all that there is
	MaxCalls int64           `json:"max_calls,omitempty"`
	Policy   json.RawMessage `json:"policy,omitempty"`      // capabilities that must allow its calls, too
	AskMilli int64           `json:"ask_ms,omitempty"`      // how long calls that its own budget refuses are held for a top-up
	Bypasses bool            `json:"not_metered,omitempty"` // a real key is passed on
	Token    string          `json:"token,omitempty"`       // of a remote run: what it is to be known by, 256 bits in hex
	NoBudget bool            `json:"no_budget,omitempty"`   // of a remote run: no budget anywhere is what the user wants
}

// asks is how long its calls are held for a top-up, a day at most.
func (r InnerRun) asks() time.Duration {
	return time.Duration(min(max(r.AskMilli, 0), int64(24*time.Hour/time.Millisecond))) * time.Millisecond
}

// Opened is a run inside another, just opened.
type Opened struct {
	RunID  ledger.RunID   `json:"run_id"`
	Parent ledger.RunID   `json:"parent"`
	Agent  string         `json:"agent"` // who pays
	Token  string         `json:"token"`
	Budget *ledger.Micros `json:"budget_micro"` // the most it can spend as things are; nil: no limit
}

// Exhausted and Limited are states beside the ledger's that a RunStatus has:
// money is used up for good, or --max-calls is reached. While a call is held
// for a top-up, the state is open, or Asking.
const (
	Exhausted = string(ledger.RunExhausted)
	Limited   = "limited"
	Asking    = "asking" // and a number by Asks, of a remote run: a call is held
)

// RunStatus tells how a run inside another is.
type RunStatus struct {
	State     string        `json:"state"`
	Exhausted bool          `json:"exhausted"` // money is used up now
	Calls     int64         `json:"calls"`
	Refused   int64         `json:"refused"`
	Open      int64         `json:"open_calls"`
	Spent     ledger.Micros `json:"spent_micro"`
	Overrun   ledger.Micros `json:"overrun_micro"`
	Clamped   int64         `json:"clamped"`
	LeastCap  int64         `json:"least_cap"`
	Local     int64         `json:"local_calls"`
	Doubt     ledger.Micros `json:"in_doubt_micro"` // of that, what calls without their usage are estimated to have cost
	Doubtful  int64         `json:"in_doubt_calls"`
	Started   time.Time     `json:"started"`
	Ended     *time.Time    `json:"ended"`
	Asks      string        `json:"asks,omitempty"` // what a held call waits for, for people

	// Short is why the last call was refused, where that was for money.
	Short *ledger.Refusal `json:"short,omitempty"`
}

// InnerEnd is how a run inside another ended.
type InnerEnd struct {
	Outcome  string `json:"outcome"`
	ExitCode int    `json:"exit_code"`
}

// outcomes are those that a run's end may be booked with.
var outcomes = []string{"exited", "signalled", "budget", "guard", "timeout", "stopped", "interrupted", "lost", "unbooked", "not_started"}

const (
	innerTokenLife = 15 * time.Minute
	maxInnerRuns   = 1000
	maxInnerBody   = 64 << 10
)

// policies are the capabilities of a run's policy: one object, or for a run
// inside another a list of those that must all allow a call.
func policies(text json.RawMessage) (list []json.RawMessage, err error) {
	switch {
	case len(text) == 0:
	case text[0] == '[':
		err = json.Unmarshal(text, &list)
	default:
		list = append(list, text)
	}
	return list, err
}

// serveRuns answers for the runs inside the caller's. It is no call of a model:
// a run is idle while its inner one only waits.
func (c *call) serveRuns(ctx context.Context) error {
	c.g.open.Add(-1)
	defer c.g.open.Add(1)
	switch {
	case c.id.Scope == ledger.ReadOnly:
		return refusal.New("read_only_token", "this token may read models, budget and usage, not open runs")
	case c.id.Run == "":
		return c.serveRemote(ctx)
	}
	id, end := strings.CutSuffix(c.route.rest, "/end")
	post := c.r.Method == http.MethodPost
	if id == "" && post && !end {
		return c.openInner(ctx)
	}
	in := c.g.inner.find(ledger.RunID(id))
	switch {
	case in == nil && ledger.RunID(id) == c.id.Run: // it may have ended since the token was looked up
		return c.tellOver(ctx)
	case in == nil || in.parent != c.id.Run && (in.id != c.id.Run || !in.remote):
		return refusal.New("run_not_found", "there is no run %q inside this one", plain.Clip(id, 40))
	case end && post:
		return c.endInner(ctx, in)
	case !end && c.r.Method == http.MethodGet:
		return c.answerInner(ctx, in)
	}
	return refusal.New("method_not_allowed", "%s does not fit %s", c.r.Method, plain.Clip(c.r.URL.Path, 200))
}

// readInner reads a small body of JSON into v.
func (c *call) readInner(v any) error {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxInnerBody+1))
	if err == nil && len(body) > maxInnerBody {
		return refusal.New("request_too_large", "the request is larger than %d KiB", maxInnerBody>>10)
	}
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		return refusal.New("invalid_request", "the request cannot be read: %v", err)
	}
	return nil
}

// answerInner answers with how a run is, at once or when it is no longer as the
// caller knows it.
func (c *call) answerInner(ctx context.Context, in *innerRun) error {
	in.attend(1)
	defer in.attend(-1)
	after := c.r.URL.Query().Get("after")
	ctx, done := context.WithCancel(ctx)
	defer done()
	known, err := c.g.ledger.Run(ctx, string(in.id))
	if err != nil {
		return refusal.Unreadable(err)
	}
	states := c.g.ledger.WatchRun(ctx, in.id, known.State)
	over := in.over
	var late <-chan time.Time
	var draining <-chan struct{}
	if in.remote {
		draining = c.g.draining
		poll := time.NewTimer(RemotePoll)
		defer poll.Stop()
		late = poll.C
	}
	for waits := true; ; {
		news := in.awaitNews()
		s, err := c.g.status(ctx, in)
		switch {
		case ctx.Err() != nil:
			return nil // the client left
		case err != nil:
			return refusal.Unreadable(err)
		case s.State != after || c.g.ctx.Err() != nil || !waits:
			return c.answer(s)
		}
		if s.State == Exhausted || s.State == Limited {
			over = nil
		}
		select {
		case <-ctx.Done():
		case <-c.g.ctx.Done():
		case <-over:
		case <-news:
		case <-late:
			waits = false
		case <-draining:
			return refusal.New("shutting_down", "the gateway is closing; another one may take the run")
		case _, more := <-states:
			if !more {
				states = nil
			}
		}
	}
}

// endAgainEvery is how often an end is tried that waits for calls at another
// gateway.
const endAgainEvery = 200 * time.Millisecond

// endInner ends a run as its aex says it went.
func (c *call) endInner(ctx context.Context, in *innerRun) error {
	var how InnerEnd
	if err := c.readInner(&how); err != nil {
		return err
	}
	if !slices.Contains(outcomes, how.Outcome) || how.ExitCode < 0 || how.ExitCode > 255 {
		return refusal.New("invalid_request", "a run does not end as %q with %d", plain.Clip(how.Outcome, 40), how.ExitCode)
	}
	late := time.NewTimer(RemotePoll)
	defer late.Stop()
	for {
		s, err := c.g.end(in, ledger.RunEnd{Outcome: how.Outcome, ExitCode: how.ExitCode})
		switch {
		case err == nil:
			return c.answer(s)
		case errors.Is(err, ledger.ErrElsewhere), errors.Is(err, errAnew):
			return refusal.New("invalid_token", "run %.4s is at another gateway, or was attached again", in.id)
		case !errors.Is(err, ledger.ErrUnsettled):
			return refusal.Fault(err, "run %.4s cannot be ended", in.id)
		}
		select {
		case <-time.After(endAgainEvery):
			continue
		case <-late.C:
		case <-c.g.draining:
		case <-ctx.Done():
		}
		return refusal.New("ledger_busy", "run %.4s is not ended yet: the gateway that had it before has calls under way", in.id)
	}
}
