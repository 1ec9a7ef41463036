package fakeprovider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// stream sends a streamed answer event by event, and is where it breaks.
type stream struct {
	x       *exchange
	c       *call
	p       *plan
	array   bool   // a JSON array instead of server-sent events (gemini)
	eol     string // of a line
	buf     []byte
	name    string // of the last event
	events  int
	content int  // content events sent
	padded  bool // the huge event has been sent
	fired   bool // the fault has happened
	over    bool
}

// stream answers with a stream.
func (x *exchange) stream() {
	s := &stream{x: x, c: x.call, p: x.plan, eol: "\n"}
	contentType := "text/event-stream; charset=utf-8"
	if g, ok := x.route.wire.(gemini); ok {
		s.array = g.array
		s.eol = "\r\n" // as Google frames it
		contentType = "text/event-stream"
		if s.array {
			contentType = "application/json; charset=UTF-8"
		}
	}
	switch {
	case x.b.CRLF:
		s.eol = "\r\n"
	case x.b.CR:
		s.eol = "\r"
	}
	x.header(200, contentType)
	if x.b.BOM && !s.array {
		x.write([]byte("\ufeff"))
	}
	x.flush()
	x.route.wire.events(s)
	if !x.abort {
		x.finish()
	}
}

// text sends the visible text of every output, interleaved, in chunks.
func (s *stream) text(send func(index int, text []byte) bool) bool {
	size := s.chunk()
	var longest int64
	for _, o := range s.p.outputs {
		longest = max(longest, o.tokens)
	}
	var b []byte
	for from := int64(0); from < longest; from += size {
		for i := range s.p.outputs {
			o := &s.p.outputs[i]
			to := min(from+size, o.tokens)
			if from >= to {
				continue
			}
			if !s.pace(to - from) {
				return false
			}
			if b = o.words.append(b[:0], from, to); !send(i, b) {
				return false
			}
		}
	}
	return true
}

// args sends the arguments of a tool call in two pieces or more.
func (s *stream) args(c plannedCall, send func(piece string) bool) bool {
	const size = 12
	left := c.tokens
	for at := 0; at < len(c.args); at += size {
		piece := c.args[at:min(at+size, len(c.args))]
		n := min(left, tokensOf(piece))
		if at+size >= len(c.args) {
			n = left
		}
		left -= n
		if !s.pace(n) || !send(piece) {
			return false
		}
	}
	return true
}

func (s *stream) chunk() int64 { return max(1, s.x.b.ChunkTokens) }

// pace comes before a content event that carries so many output tokens: the
// fault when it is time for it, the wait, and the count of what was made.
func (s *stream) pace(tokens int64) bool {
	if s.content >= s.x.b.After && !s.fault() {
		return false
	}
	if !s.x.pause(s.x.b.DelayChunk) {
		s.over = true
		return false
	}
	s.content++
	s.generated(tokens)
	return true
}

// generated counts output tokens that no event of their own shows.
func (s *stream) generated(tokens int64) {
	s.x.made += tokens
	if pass := s.x.p.opt.Pass; pass != nil && s.x.b.Pace > 0 {
		pass(time.Duration(tokens) * time.Second / time.Duration(s.x.b.Pace))
	}
	if !s.x.p.opt.Lean {
		s.x.p.amend(s.x.e, func(e *Entry) { e.Sent = s.x.made })
	}
}

// ended comes when all content is sent: a fault that waited for more chunks
// than there were happens now.
func (s *stream) ended() bool {
	if s.over || !s.fault() {
		return false
	}
	s.x.whole = true
	return true
}

// fault breaks the stream as told; false when it is over.
func (s *stream) fault() bool {
	if s.fired || s.x.b.Fault == "" {
		return true
	}
	s.fired = true
	if s.x.b.Torn {
		s.raw(bytes.TrimRight(s.broken(), "\r\n"))
	}
	switch s.x.b.Fault {
	case FaultCut, FaultReset:
		s.x.breakOff()
		s.over, s.x.broke = true, true
	case FaultCleanEnd:
		s.over, s.x.broke = true, true
	case FaultErrorEvent:
		s.x.route.wire.errorEvent(s)
		s.over = true
	case FaultFailed:
		s.over = true
		if f, ok := s.x.route.wire.(interface{ failed(*stream) }); ok {
			f.failed(s)
		} else {
			s.x.route.wire.errorEvent(s)
		}
	case FaultMalformed:
		s.over = !s.raw(s.broken())
	case FaultHang:
		s.over = !s.x.hang()
	}
	return !s.over
}

// broken is an event like the last one, but that its JSON breaks off.
func (s *stream) broken() []byte {
	const half = `{"id":"broken","index":0,"choices":[{"index":0,"delta":{"content":"w`
	if s.array {
		return s.frameArray(nil, []byte(half))
	}
	return s.frame(nil, s.name, []byte(half))
}

// send frames one event and flushes it; false when the stream is over.
func (s *stream) send(name string, data []byte) bool {
	b := &s.x.b
	if b.ExtraFields && len(data) > 1 && data[len(data)-1] == '}' {
		data = withField(data, extraField)
	}
	if b.HugeEvent > 0 && s.content == 1 && !s.padded {
		data = withField(data, `"padding":"`+strings.Repeat("x", b.HugeEvent)+`"`)
		s.padded = true
	}
	out := s.buf[:0]
	if s.array {
		out = s.frameArray(out, data)
	} else {
		out = s.frame(out, name, data)
	}
	s.buf, s.name = out, name
	s.events++
	return s.raw(out)
}

func (s *stream) frame(out []byte, name string, data []byte) []byte {
	if s.x.b.Comments {
		out = append(append(append(out, ": OPENROUTER PROCESSING"...), s.eol...), s.eol...)
	}
	if name != "" {
		out = append(append(append(out, "event: "...), name...), s.eol...)
	}
	if s.x.b.MultiData && json.Valid(data) {
		var pretty bytes.Buffer
		must(json.Indent(&pretty, data, "", " "))
		for line := range bytes.Lines(pretty.Bytes()) {
			out = append(append(append(out, "data: "...), bytes.TrimSuffix(line, []byte("\n"))...), s.eol...)
		}
	} else {
		out = append(append(append(out, "data: "...), data...), s.eol...)
	}
	return append(out, s.eol...)
}

// frameArray writes an element of the array as Google does: a separator
// between elements, in the chunk of the one that follows.
func (s *stream) frameArray(out, data []byte) []byte {
	if s.events == 0 {
		out = append(out, '[')
	} else {
		out = append(append(out, ','), s.eol...)
	}
	return append(out, data...)
}

// last sends the last event: twice, not at all, or without its blank line if
// that is asked for.
func (s *stream) last(name string, data []byte) {
	b := &s.x.b
	if b.NoDone {
		return
	}
	if b.NoLastBlank {
		s.raw(bytes.TrimSuffix(s.frame(nil, name, data), []byte(s.eol)))
		return
	}
	if s.send(name, data) && b.DuplicateDone {
		s.send(name, data)
	}
}

// raw writes bytes at the pace asked for.
func (s *stream) raw(out []byte) bool {
	x := s.x
	if x.r.Context().Err() != nil {
		x.gone()
		s.over = true
		return false
	}
	ok := true
	switch {
	case x.b.SlowDrip:
		for i := 0; i < len(out) && ok; i++ {
			ok = x.write(out[i:i+1]) && x.flush()
		}
	case x.b.SplitUTF8:
		for len(out) > 0 && ok {
			n := splitRune(out)
			ok = x.write(out[:n]) && x.flush()
			out = out[n:]
		}
	default:
		ok = x.write(out) && x.flush()
	}
	s.over = s.over || !ok
	return ok
}

// splitRune is where the first multi-byte character of b is to be cut in two.
func splitRune(b []byte) int {
	for i, c := range b {
		if c >= 0xC0 {
			return i + 1
		}
	}
	return len(b)
}

const extraField = `"x_unknown":{"usage":{"prompt_tokens":-1,"total_tokens":"many"},"list":[1,{"a":null}]}`

// withField adds a member to the end of a JSON object.
func withField(object []byte, field string) []byte {
	end := bytes.LastIndexByte(object, '}')
	return fmt.Appendf(nil, "%s,%s}", object[:end], field)
}
