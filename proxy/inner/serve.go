package inner

import (
	"bytes"
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

// Caller is who asks about runs.
type Caller struct {
	ID   ledger.Identity
	Hash ledger.TokenHash
	Run  *Run   // its own, where that is inside another; nil: it is not
	Rest string // of the path, below /v1/aex/runs/

	Discreet func(string) string // what it wrote, as that may be kept: without its secrets
}

// caller is one request.
type caller struct {
	Caller
	runs *Runs
	r    *http.Request
}

// Serve answers for the runs inside the caller's. What it returns is sent as
// JSON; nil: the client has left.
func (s *Runs) Serve(ctx context.Context, r *http.Request, by Caller) (any, error) {
	c := &caller{Caller: by, runs: s, r: r}
	switch {
	case c.ID.Scope == ledger.ReadOnly:
		return nil, refusal.New("read_only_token", "this token may read models, budget and usage, not open runs")
	case c.ID.Run == "":
		return c.serveRemote(ctx)
	}
	id, end := strings.CutSuffix(c.Rest, "/end")
	post := c.r.Method == http.MethodPost
	if id == "" && post && !end {
		return c.openInner(ctx)
	}
	in := c.runs.Find(ledger.RunID(id))
	switch {
	case in == nil && ledger.RunID(id) == c.ID.Run: // it may have ended since the token was looked up
		return c.tellOver(ctx)
	case in == nil || in.Parent != c.ID.Run && (in.ID != c.ID.Run || !in.Remote):
		return nil, refusal.New("run_not_found", "there is no run %q inside this one", plain.Clip(id, 40))
	case end && post:
		return c.endInner(ctx, in)
	case !end && c.r.Method == http.MethodGet:
		return c.answerInner(ctx, in)
	}
	return nil, refusal.New("method_not_allowed", "%s does not fit %s", c.r.Method, plain.Clip(c.r.URL.Path, 200))
}

// readInner reads a small body of JSON into v. A field that v does not have is an error: a
// budget with a misspelt name would open a run without one.
func (c *caller) readInner(v any) error {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		return refusal.New("request_too_large", "the request is larger than %d KiB", maxBody>>10)
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err = d.Decode(v); err == nil {
			if _, end := d.Token(); end != io.EOF {
				err = errors.New("more follows the object")
			}
		}
	}
	if err != nil {
		return refusal.New("invalid_request", "the request cannot be read: %v", err)
	}
	return nil
}

// answerInner answers with the state of a run: at once, or once it is not the one any more
// that the caller knows.
func (c *caller) answerInner(ctx context.Context, in *Run) (any, error) {
	in.Attend(1)
	defer in.Attend(-1)
	after := c.r.URL.Query().Get("after")
	ctx, done := context.WithCancel(ctx)
	defer done()
	known, err := c.runs.ledger.Run(ctx, string(in.ID))
	if err != nil {
		return nil, refusal.Unreadable(err)
	}
	states := c.runs.ledger.WatchRun(ctx, in.ID, known.State)
	over := in.over
	var late <-chan time.Time
	var draining <-chan struct{}
	if in.Remote {
		draining = c.runs.draining
		poll := time.NewTimer(RemotePoll)
		defer poll.Stop()
		late = poll.C
	}
	for waits := true; ; {
		news := in.awaitNews()
		s, err := c.runs.status(ctx, in)
		switch {
		case ctx.Err() != nil:
			return nil, nil // the client left
		case err != nil:
			return nil, refusal.Unreadable(err)
		case s.State != after || c.runs.ctx.Err() != nil || !waits:
			return s, nil
		}
		if s.State == Exhausted || s.State == Limited {
			over = nil
		}
		select {
		case <-ctx.Done():
		case <-c.runs.ctx.Done():
		case <-over:
		case <-news:
		case <-late:
			waits = false
		case <-draining:
			return nil, refusal.New("shutting_down", "the gateway is closing; another one may take the run")
		case _, more := <-states:
			if !more {
				states = nil
			}
		}
	}
}

// endAgainEvery is how often the end of a run is tried that waits for calls at another
// gateway.
const endAgainEvery = 200 * time.Millisecond

// endInner ends a run as its aex says it went.
func (c *caller) endInner(ctx context.Context, in *Run) (any, error) {
	var how End
	if err := c.readInner(&how); err != nil {
		return nil, err
	}
	if !slices.Contains(outcomes, how.Outcome) || how.ExitCode < 0 || how.ExitCode > 255 {
		return nil, refusal.New("invalid_request", "a run does not end as %q with %d", plain.Clip(how.Outcome, 40), how.ExitCode)
	}
	late := time.NewTimer(RemotePoll)
	defer late.Stop()
	for {
		s, err := c.runs.End(in, ledger.RunEnd{Outcome: how.Outcome, ExitCode: how.ExitCode})
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, ledger.ErrElsewhere), errors.Is(err, ErrAnew):
			return nil, refusal.New("invalid_token", "run %.4s is at another gateway, or was attached again", in.ID)
		case !errors.Is(err, ledger.ErrUnsettled):
			return nil, refusal.Fault(err, "run %.4s cannot be ended", in.ID)
		}
		select {
		case <-time.After(endAgainEvery):
			continue
		case <-late.C:
		case <-c.runs.draining:
		case <-ctx.Done():
		}
		return nil, refusal.New("ledger_busy", "run %.4s is not ended yet: the gateway that had it before has calls under way", in.ID)
	}
}
