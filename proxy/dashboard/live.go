package dashboard

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
)

const (
	// liveEvery is how often a stream looks at the calls on their way, and
	// changeEvery how often at most it has a page read the ledger anew.
	liveEvery   = 300 * time.Millisecond
	changeEvery = time.Second
	liveMax     = 50 // calls that a page shows
	streamsMax  = 16
	// writeWithin is how long a reader may take for one message.
	writeWithin = 10 * time.Second
)

// liveCalls are the calls on their way: this process's with what has passed of
// their answers, the others' by their holds.
func (d *Dashboard) liveCalls(ctx context.Context) ([]proxy.LiveCall, error) {
	var calls []proxy.LiveCall
	known := map[ledger.HoldID]bool{}
	if d.o.Live != nil {
		calls = d.o.Live()
		for _, c := range calls {
			known[c.ID] = true
		}
	}
	holds, err := d.ledger.OpenHolds(ctx, liveMax)
	if err != nil {
		return nil, err
	}
	for _, h := range holds {
		if !known[h.ID] {
			calls = append(calls, proxy.LiveCall{
				ID: h.ID, Agent: h.Agent, Run: h.Run, Wire: h.Call.Wire, Model: h.Call.ModelAsked, Stream: h.Call.Stream,
				Began: h.At, Hold: h.Amount, Output: -1,
			})
		}
	}
	return calls[:min(len(calls), liveMax)], nil
}

// stream tells a page of what changes, by server-sent events: "live" is the
// list of calls on their way as it is to be shown, "change" that the rest of
// the page is out of date.
func (d *Dashboard) stream(w http.ResponseWriter, r *http.Request, _ *session) error {
	if d.streams.Add(1) > streamsMax {
		d.streams.Add(-1)
		return &problem{http.StatusServiceUnavailable, "Too many pages follow the ledger; close some."}
	}
	defer d.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	f := &follower{d: d, w: w, out: http.NewResponseController(w)}
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		if err := f.refresh(r.Context()); err != nil {
			return nil //nolint:nilerr // the reader is gone, or will ask again
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-d.ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// follower is one open stream.
type follower struct {
	d       *Dashboard
	w       http.ResponseWriter
	out     *http.ResponseController
	live    string
	end     int64
	told    time.Time // of a change
	written time.Time
}

// refresh sends what is new, and now and then a sign of life.
func (f *follower) refresh(ctx context.Context) error {
	calls, err := f.d.liveCalls(ctx)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := f.d.pages.ExecuteTemplate(&b, "live-calls", map[string]any{"Calls": calls, "Now": f.d.o.Now()}); err != nil {
		return err
	}
	if text := b.String(); text != f.live {
		f.live = text
		if err := f.send("live", text); err != nil {
			return err
		}
	}
	now := time.Now()
	if now.Sub(f.told) >= changeEvery {
		end, err := f.d.ledger.End(ctx)
		if err != nil {
			return err
		}
		if end != f.end {
			first := f.end == 0
			f.end, f.told = end, now
			if !first {
				if err := f.send("change", fmt.Sprint(end)); err != nil {
					return err
				}
			}
		}
	}
	if now.Sub(f.written) > writeWithin {
		return f.send("ping", "")
	}
	return nil
}

func (f *follower) send(event, data string) error {
	if err := f.out.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("event: " + event + "\n")
	for line := range strings.SplitSeq(data, "\n") {
		b.WriteString("data: " + strings.TrimRight(line, "\r") + "\n")
	}
	b.WriteString("\n")
	if _, err := f.w.Write([]byte(b.String())); err != nil {
		return err
	}
	f.written = time.Now()
	return f.out.Flush()
}
