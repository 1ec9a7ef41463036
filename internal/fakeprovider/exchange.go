package fakeprovider

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

const maxBody = 256 << 20

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// exchange is one request and its answer.
type exchange struct {
	p       *Provider
	w       http.ResponseWriter
	rc      *http.ResponseController
	r       *http.Request
	route   route
	body    []byte
	b       Behaviour
	e       *Entry
	call    *call
	plan    *plan
	release <-chan struct{}
	out     io.Writer // w, or a gzip writer over it
	gz      *gzip.Writer
	record  bytes.Buffer
	made    int64 // output tokens generated
	whole   bool  // all of the plan was generated
	abort   bool  // the connection is to be broken
	broke   bool  // it broke, or the answer ended too early, and not for an error of the provider's own
}

// open reads a request, puts it on the bill, and finds what it asks for. When
// it is not ok it has been answered.
func (p *Provider) open(w http.ResponseWriter, r *http.Request) (*exchange, bool) {
	x := &exchange{p: p, w: w, rc: http.NewResponseController(w), r: r, out: w}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		w.WriteHeader(http.StatusRequestEntityTooLarge) // or nobody is there to read it
		return nil, false
	}
	x.route = findRoute(r)
	id := p.seq.Add(1)
	x.e = &Entry{ID: id, RequestID: x.route.wire.requestID(id), Wire: x.route.name, Calls: 1, State: Open,
		Arrived: p.opt.Now(), Method: r.Method, Path: r.URL.Path}
	if !p.opt.Lean {
		x.e.Query, x.e.Header, x.e.Body = safeQuery(r.URL), safeHeader(r.Header), body
	}
	p.enter(x.e)
	x.body = body
	p.mu.Lock()
	x.release = p.release
	p.conns[r.RemoteAddr]++
	p.mu.Unlock()
	return x, true
}

// answer is the way of every request.
func (x *exchange) answer() {
	if x.route.serve == nil {
		x.refuse(refusal{status: 404, kind: "invalid_request_error", code: "unknown_url",
			message: fmt.Sprintf("Invalid URL (%s %s)", x.r.Method, x.r.URL.Path)})
		return
	}
	if no := x.route.wire.authenticate(x); no != nil {
		x.refuse(*no)
		return
	}
	if err := x.decode(); err != nil {
		x.refuse(badRequest("", err.Error()))
		return
	}
	x.route.serve(x)
}

// generate answers a request to a model.
func (x *exchange) generate() {
	m, known := x.recall()
	var no *refusal
	if !known {
		if m.call, no = x.route.wire.read(x); m.call == nil {
			m.call = &call{}
		}
	}
	c := m.call
	x.call = c
	x.p.mu.Lock()
	turn := x.p.turn
	if len(x.p.next) > 0 || x.p.opt.Draw != nil {
		turn = -1 // for this request alone
	}
	x.b = x.p.choose(c.model, x.p.conns[x.r.RemoteAddr])
	x.e.Asked, x.e.Stream = c.model, c.stream
	x.p.mu.Unlock()
	if no != nil {
		x.refuse(*no)
		return
	}
	if x.p.opt.Strict && !contains(x.p.opt.Models, c.model) {
		x.refuse(refusal{status: 404, kind: "invalid_request_error", code: "model_not_found", param: "model",
			message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", c.model)})
		return
	}
	if known = known && turn >= 0 && m.turn == turn; known {
		x.plan = m.plan
	} else {
		x.plan = x.makePlan(c)
	}
	if !x.before() {
		return
	}
	body := m.body
	if !known {
		if !c.stream {
			body = x.wholeBody()
		}
		x.remember(memo{c, turn, x.plan, body})
	}
	if c.stream {
		x.stream()
	} else {
		x.sendWhole(200, body)
	}
}

// close settles what was generated, and breaks the connection if that is the
// fault.
func (x *exchange) close() {
	x.p.amend(x.e, func(e *Entry) {
		if x.plan == nil || !e.Charged {
			return
		}
		e.Usage, e.Generated = x.plan.usage, x.plan.usage.Output
		if !x.whole && !(x.b.GoesOn && x.broke) {
			e.Usage.Output = min(x.plan.usage.Output, x.made+x.b.GenerateAhead)
			e.Generated = e.Usage.Output
			if e.Usage.Output < x.plan.usage.Output {
				e.Usage.AudioOut = 0
			}
		}
		if x.b.ZeroUsage {
			e.Usage = Usage{}
		}
	})
	x.p.settle(x.e, &x.record)
	if x.abort {
		panic(http.ErrAbortHandler)
	}
}

// charge marks the request as one that costs: the model has started. whole
// says that it generates its whole answer whatever becomes of the client.
func (x *exchange) charge(whole bool) {
	x.whole = whole
	x.p.amend(x.e, func(e *Entry) {
		e.Charged = !x.b.Unbilled
		e.Model, e.Tier = x.plan.model, x.plan.tier
	})
}

// header starts an answer: the headers that the wire's provider sends, and
// those of the behaviour.
func (x *exchange) header(status int, contentType string) {
	h := x.w.Header()
	h.Set("Content-Type", contentType)
	x.route.wire.headers(x, h)
	for k, vs := range x.b.Header {
		h[http.CanonicalHeaderKey(k)] = vs
	}
	if x.b.Gzip && x.call != nil && status == 200 {
		h.Set("Content-Encoding", "gzip")
		h.Del("Content-Length")
		x.gz = gzip.NewWriter(x.w)
		x.out = x.gz
	}
	if !x.p.opt.Lean {
		x.p.amend(x.e, func(e *Entry) { e.Status, e.Answered = status, h.Clone() })
	}
	x.w.WriteHeader(status)
}

// write sends bytes and keeps them for the bill; false when the client is gone.
func (x *exchange) write(b []byte) bool {
	var n int
	var err error
	if x.p.opt.Lean {
		_, err = x.out.Write(b)
	} else if n, err = x.out.Write(b); n > 0 {
		x.record.Write(b[:n])
	}
	if err != nil {
		x.gone()
		return false
	}
	return true
}

func (x *exchange) flush() bool {
	if x.gz != nil && x.gz.Flush() != nil || x.rc.Flush() != nil {
		x.gone()
		return false
	}
	return true
}

func (x *exchange) finish() {
	if x.gz != nil {
		_ = x.gz.Close() // a client that is gone is on the bill already
	}
}

func (x *exchange) gone() {
	x.broke = true
	x.p.amend(x.e, func(e *Entry) { e.Gone = true })
}

// pause waits; false when the client went away meanwhile.
func (x *exchange) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.r.Context().Done():
		x.gone()
		return false
	}
}

// decode undoes the request's content encoding.
func (x *exchange) decode() error {
	var r io.Reader
	switch enc := x.r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
		return nil
	case "gzip":
		gz, err := gzip.NewReader(bytes.NewReader(x.body))
		if err != nil {
			return fmt.Errorf("reading the gzip body: %w", err)
		}
		r = gz
	case "zstd":
		z, err := zstd.NewReader(bytes.NewReader(x.body), zstd.WithDecoderMaxMemory(maxBody))
		if err != nil {
			return fmt.Errorf("reading the zstd body: %w", err)
		}
		defer z.Close()
		r = z
	default:
		return fmt.Errorf("unsupported content encoding %q", enc)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err != nil || len(b) > maxBody {
		return fmt.Errorf("the decoded body is broken or too large")
	}
	x.body = b
	return nil
}

var secretHeaders = []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Cookie", "Proxy-Authorization"}

func safeHeader(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range secretHeaders {
		for i, v := range h[name] {
			h[name][i] = Fingerprint(v)
		}
	}
	return h
}

// Fingerprint is what the bill keeps of a header value that authenticates:
// Fingerprint("Bearer "+key), for one, tells whether that key was sent.
func Fingerprint(v string) string {
	sum := sha256.Sum256([]byte(v))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func safeQuery(u *url.URL) string {
	q := u.Query()
	if q.Has("key") {
		q.Set("key", Fingerprint(q.Get("key")))
	}
	return q.Encode()
}

// marshal is JSON as providers write it: no HTML escapes.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	must(enc.Encode(v))
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// ident is an id in a provider's style: a prefix and figures, the same for the
// same request.
func ident(prefix string, seq int64) string {
	n := strconv.FormatInt(seq, 36)
	const pad = "fake00000000000000000000"
	return prefix + pad[:len(pad)-len(n)] + n
}

func pathTail(path, marker string) string {
	_, tail, _ := strings.Cut(path, marker)
	return tail
}
