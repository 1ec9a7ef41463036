package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

var (
	errClientGone = errors.New("the client left")
	errLinger     = errors.New("the client left and the answer took too long")
	errOverCap    = errors.New("the provider went on beyond the output cap")
)

// relay is one answer on its way to the client.
type relay struct {
	*call
	meter   wire.Meter
	byEvent bool        // a stream is passed on event by event, because some events are changed
	gone    atomic.Bool // the client left; the rest is only read for its usage
	watched bool        // the policy denies some tools, so that their calls in answers are looked for
	judged  int         // how many of the answer's tool calls have been looked at
	stops   atomic.Bool // closing the connection now ends the bill: see closes
	linger  *time.Timer // ends the reading of an answer that nobody listens to
	cancel  context.CancelCauseFunc
	out     bytes.Buffer // what the meter lets through of one read
	split   wire.Splitter
}

// clientLeft decides what becomes of an answer that nobody listens to. Where closing the
// connection ends the bill, aex closes it, as the client would have: to read on would
// raise the bill. Any other answer is read on for its usage, for a while.
func (rl *relay) clientLeft() {
	rl.gone.Store(true)
	if rl.stops.Load() {
		rl.cancel(errClientGone)
		return
	}
	rl.linger.Reset(rl.g.o.Linger)
}

// closes tells whether closing the connection now ends what the provider makes and
// bills. For a host that aex does not know, it is assumed of a stream that shows all it
// makes: there, a wrong guess costs little.
func (rl *relay) closes() bool {
	p := rl.model.Provider
	host := p.Host()
	return p.Local || rl.secret != "" || rl.asked.Stream && (host.StopsServing(rl.reading.By) || host.Name == "" && rl.shown())
}

// heedServer asks closes again, because a router may have told by now which provider
// serves the call. If closing ends the bill there, and the client has left, it closes.
func (rl *relay) heedServer() {
	if closes := rl.closes(); closes != rl.stops.Load() {
		rl.stops.Store(closes)
		if closes && rl.gone.Load() {
			rl.cancel(errClientGone)
		}
	}
}

// listen watches the client's connection, until the function that it returns is called.
func (rl *relay) listen() (stop func()) {
	rl.linger = time.AfterFunc(time.Hour, func() { rl.cancel(errLinger) })
	rl.linger.Stop()
	unhook := context.AfterFunc(rl.r.Context(), rl.clientLeft)
	return func() {
		unhook()
		rl.linger.Stop()
	}
}

// contentType is what an answer's header says that it is, and in which charset.
func contentType(resp *http.Response) (kind, charset string) {
	kind, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return kind, params["charset"]
}

// stream relays server-sent events as they come.
func (rl *relay) stream(resp *http.Response, body io.Reader) ending {
	rl.announce()
	rl.w.WriteHeader(resp.StatusCode)
	rl.flush()
	over := false
	var denied *refusal.Refusal
	asked := rl.memory.Has()
	var large error // an event that cannot be judged
	err := read(body, resp.ContentLength, func(p []byte) bool {
		rl.sawBytes()
		rl.out.Reset()
		rl.split.Write(p, rl.event)
		if large = rl.tooLarge(asked); large != nil {
			return false
		}
		rl.heedServer()
		rl.progress.seen.Store(rl.reading.Seen)
		rl.progress.outputs.Store(rl.reading.Outputs)
		if denied = rl.objection(); denied != nil {
			return false
		}
		if rl.byEvent {
			p = rl.out.Bytes()
		}
		rl.write(p)
		over = rl.overCap()
		return !over
	})
	if large != nil {
		rl.cancel(large)
		return ending{row: rowCut, resp: resp, err: large, abort: true, closed: true}
	}
	if over {
		// The provider did not end where it was told to: end the stream for it,
		// as it should have, so that the client neither repeats nor waits.
		rl.write(rl.meter.Cut(&rl.reading))
		rl.cancel(errOverCap)
		return ending{row: rowOverCap, resp: resp, err: errOverCap, closed: true}
	}
	if denied != nil {
		return rl.cutDenied(resp, denied)
	}
	return rl.streamed(resp, err)
}

// streamed is the end of a stream. What is left of it is judged like the rest; half an
// event cannot be judged, and is passed on only where nothing is.
func (rl *relay) streamed(resp *http.Response, err error) ending {
	rl.out.Reset()
	if rl.byEvent && err != nil && !rl.watched {
		rl.out.Write(rl.split.Pending())
	}
	if err == nil {
		if !rl.flows { // it is no stream, whatever its Content-Type says
			rl.meter.Whole(resp.StatusCode, rl.split.Pending(), &rl.reading)
		}
		rl.split.End(rl.event)
	}
	if denied := rl.objection(); denied != nil {
		return rl.cutDenied(resp, denied)
	}
	if rl.byEvent {
		rl.write(rl.out.Bytes())
	}
	return rl.nameEnding(resp, err)
}

// whole relays an answer that is no stream. Where it has to be edited it is
// read to its end first.
func (rl *relay) whole(resp *http.Response, body io.Reader) ending {
	var kept bytes.Buffer
	edits := (rl.edit.Masked != "" || rl.watched) && resp.StatusCode < 400
	if !edits {
		if resp.ContentLength >= 0 {
			rl.w.Header().Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
		}
		rl.announce()
		rl.w.WriteHeader(resp.StatusCode)
	}
	var dropped error // why not all of the answer is kept
	asked := rl.memory.Has()
	err := read(body, resp.ContentLength, func(p []byte) bool {
		rl.sawBytes()
		if dropped == nil {
			dropped = rl.keep(&kept, p, asked)
		}
		if dropped != nil && edits {
			return false
		}
		if !edits {
			// The length is known: the client waits for it all in any case.
			rl.pass(p, resp.ContentLength < 0)
		}
		return true
	})
	if err != nil && !edits {
		rl.flush() // what came, before the connection is aborted
	}
	var changes []wire.Splice
	if dropped != nil && edits {
		return rl.refuseUnjudged(resp, dropped)
	}
	complete := err == nil && dropped == nil
	if complete {
		changes = rl.meter.Whole(resp.StatusCode, kept.Bytes(), &rl.reading)
		rl.readStream(kept.Bytes())
	}
	if dropped == nil && rl.asked.Stream && (err != nil || rl.reading.Doubt != nil && !json.Valid(kept.Bytes())) {
		rl.meter.Whole(resp.StatusCode, wire.Listed(kept.Bytes()), &rl.reading)
	}
	if denied := rl.objection(); denied != nil && edits && err == nil {
		rl.deny(denied)
	} else if edits && (err == nil || !rl.watched) { // half an answer cannot be judged
		answer := wire.Apply(kept.Bytes(), changes)
		if err == nil {
			rl.w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		}
		rl.announce()
		rl.w.WriteHeader(resp.StatusCode)
		rl.write(answer)
	}
	return rl.nameEnding(resp, err)
}

// readStream reads an answer that may be a stream of events although its Content-Type
// says otherwise.
func (rl *relay) readStream(answer []byte) {
	if !rl.asked.Stream || rl.reading.Doubt == nil || rl.reading.Finished {
		return
	}
	meter := func(e wire.Event) {
		rl.flows = rl.flows || e.Data != nil
		rl.meter.Event(e, &rl.reading)
	}
	for part := range slices.Chunk(answer, 32<<10) { // so that not all of it is held twice
		rl.split.Write(part, meter)
	}
	rl.split.End(meter)
}

// event meters one event, and adds to out what the client gets of it.
func (rl *relay) event(e wire.Event) {
	rl.flows = rl.flows || e.Data != nil
	drop, edits := rl.meter.Event(e, &rl.reading)
	switch {
	case !rl.byEvent || drop:
	case len(edits) > 0 && bytes.Count(e.Raw, e.Data) == 1:
		before, after, _ := bytes.Cut(e.Raw, e.Data)
		rl.out.Write(before)
		rl.out.Write(wire.Apply(e.Data, edits))
		rl.out.Write(after)
	default:
		rl.out.Write(e.Raw)
	}
}

// overCap tells whether more tokens have certainly come than the cap allows. An event
// with output carries at least one token, but a few providers split one token over
// several events: hence the margin.
func (rl *relay) overCap() bool {
	limit := rl.sentCap()
	if limit == 0 || rl.reading.Finished || !rl.hold.Limited {
		return false
	}
	limit *= max(rl.asked.Outputs, 1)
	return rl.reading.Deltas > limit+limit/4+64 || rl.reading.Outputs > limit+64
}

// read calls f with each piece of an answer, until the answer ends or fails or f returns
// false. length is how much is to come, negative where that is not known.
func read(body io.Reader, length int64, f func([]byte) bool) error {
	size := int64(2 << 10) // enough for a stream's chunks, of which many may be open
	if length >= 0 && length < size {
		size = length + 1 // the last read does not fill it
	}
	buf := make([]byte, size)
	for {
		n, err := body.Read(buf)
		if n > 0 && !f(buf[:n]) {
			return nil
		}
		if n == len(buf) && n < 32<<10 {
			buf = make([]byte, 4*n)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write passes bytes on and flushes them at once.
func (rl *relay) write(p []byte) { rl.pass(p, true) }

// pass passes bytes on. A client that is gone does not end the reading.
func (rl *relay) pass(p []byte, flush bool) {
	if len(p) == 0 || rl.gone.Load() {
		return
	}
	rl.memory.Hurry(rl.w)
	if _, err := rl.w.Write(p); err != nil {
		return // the connection's context ends, and clientLeft follows
	}
	if flush {
		rl.flush()
	}
}

func (rl *relay) flush() { _ = http.NewResponseController(rl.w).Flush() }

func (rl *relay) sawBytes() {
	if rl.firstToken == 0 {
		rl.firstToken = rl.g.o.Now().Sub(rl.began)
	}
}

// nameEnding tells how an answer that had begun went.
func (rl *relay) nameEnding(resp *http.Response, err error) ending {
	e := ending{resp: resp, err: err}
	switch {
	case err != nil && rl.gone.Load():
		e.row, e.closed = rowClientGone, true
	case err != nil:
		e.row, e.abort = rowCut, true
	case resp.StatusCode >= 300:
		e.row = rowRefused
	case rl.reading.Known:
		e.row = rowComplete
	case rl.reading.Failed:
		e.row = rowErrorEvent
	case !rl.reading.Finished:
		e.row = rowEarlyEnd
	default:
		e.row = rowNoUsage
	}
	return e
}
