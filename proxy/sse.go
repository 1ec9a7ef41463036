package proxy

import "bytes"

// maxEvent bounds one event of a stream.
const maxEvent = 8 << 20

// event is one server-sent event, or a comment or blank lines between two.
type event struct {
	raw  []byte // every byte, separators included
	name string // of the event: line
	data []byte // the data: lines joined by \n; nil: none
}

// splitter cuts a stream into events without changing a byte: the raw parts
// of the events, joined, are what was written. Lines end in LF, CR or CRLF,
// also where a read falls between the two. It is a copy of what is relayed.
type splitter struct {
	buf   []byte // what has not been handed out yet
	start int    // where the event being read begins in buf
	scan  int    // where its next line begins
	seen  int    // up to here there is no line end after scan
	bom   bool   // the first line has been seen
	name  string
	data  []byte
	some  bool // a data: line has been seen
	over  bool // an event grew beyond maxEvent: the stream is not understood any more
}

// write adds bytes and calls f with each event that they complete. The event
// is valid until f returns.
func (s *splitter) write(p []byte, f func(event)) {
	if s.over {
		f(event{raw: p})
		return
	}
	s.buf = append(s.buf, p...)
	for {
		line, ok := s.line()
		if !ok {
			break
		}
		if len(line) > 0 {
			s.field(line)
			continue
		}
		s.emit(s.scan, f)
	}
	if len(s.buf)-s.start > maxEvent {
		s.over = true
		s.emit(len(s.buf), f)
	}
	if s.start > 0 { // else a large event would be moved at every read
		n := copy(s.buf, s.buf[s.start:])
		s.buf = s.buf[:n]
		s.scan, s.seen, s.start = s.scan-s.start, s.seen-s.start, 0
	}
}

// line takes the next whole line, without its end. A CR at the end of the
// buffer may be half of a CRLF: it waits for the next byte.
func (s *splitter) line() (line []byte, ok bool) {
	s.seen = max(s.seen, s.scan)
	i := bytes.IndexAny(s.buf[s.seen:], "\r\n")
	if i < 0 {
		s.seen = len(s.buf)
		return nil, false
	}
	end := s.seen + i
	s.seen = end
	next := end + 1
	if s.buf[end] == '\r' {
		if next == len(s.buf) {
			return nil, false
		}
		if s.buf[next] == '\n' {
			next++
		}
	}
	line, s.scan = s.buf[s.scan:end], next
	return line, true
}

func (s *splitter) field(line []byte) {
	if !s.bom {
		s.bom = true
		line = bytes.TrimPrefix(line, bom)
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		s.name = string(value)
	case "data":
		if s.some {
			s.data = append(s.data, '\n')
		}
		s.some = true
		s.data = append(s.data, value...)
	}
}

// emit hands out the event that ends at n.
func (s *splitter) emit(n int, f func(event)) {
	e := event{raw: s.buf[s.start:n], name: s.name}
	if s.some {
		e.data = s.data
		if e.data == nil {
			e.data = []byte{} // empty is not none
		}
	}
	f(e)
	s.start, s.scan = n, n
	s.name, s.data, s.some = "", s.data[:0], false
}

// end hands out what is left when the stream has ended: an event without its
// blank line counts, as every SDK takes it.
func (s *splitter) end(f func(event)) {
	if s.over || len(s.buf) == 0 {
		return
	}
	if last := s.buf[s.scan:]; len(last) > 0 {
		s.field(bytes.TrimRight(last, "\r\n"))
	}
	s.emit(len(s.buf), f)
	s.buf, s.start, s.scan, s.seen = s.buf[:0], 0, 0, 0
}

// pending is what has been written but has not made an event yet.
func (s *splitter) pending() []byte { return s.buf[s.start:] }
