package wire

import "bytes"

// MaxEvent bounds one event of a stream.
const MaxEvent = 8 << 20

// Event is one server-sent event, or a comment or blank lines between two.
type Event struct {
	Raw  []byte // every byte, separators included
	Name string // of the event: line
	Data []byte // the data: lines joined by \n; nil: none
}

// Splitter cuts a stream into events without changing a byte: the raw parts of the events,
// joined, are what was written. Lines end in LF, CR or CRLF, even if a CRLF comes in two
// reads. It works on a copy of what is relayed.
type Splitter struct {
	Buf   []byte // what has not been handed out yet
	start int    // where the event being read begins in Buf
	scan  int    // where its next line begins
	seen  int    // between scan and here there is no line end
	bom   bool   // the first line has been seen
	name  string
	data  []byte
	some  bool // a data: line has been seen
	over  bool // an event grew beyond MaxEvent: the stream is not understood any more
}

// Write adds bytes and calls f with each event that they complete. The event
// is valid until f returns.
func (s *Splitter) Write(p []byte, f func(Event)) {
	if s.over {
		f(Event{Raw: p})
		return
	}
	s.Buf = append(s.Buf, p...)
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
	if len(s.Buf)-s.start > MaxEvent {
		s.over = true
		s.emit(len(s.Buf), f)
	}
	if s.start > 0 { // else a large event would be moved at every read
		n := copy(s.Buf, s.Buf[s.start:])
		s.Buf = s.Buf[:n]
		s.scan, s.seen, s.start = s.scan-s.start, s.seen-s.start, 0
	}
}

// Over tells whether an event grew beyond MaxEvent: the rest is not understood.
func (s *Splitter) Over() bool { return s.over }

// line takes the next whole line, without its end. A CR at the end of the
// buffer may be half of a CRLF: it waits for the next byte.
func (s *Splitter) line() (line []byte, ok bool) {
	s.seen = max(s.seen, s.scan)
	i := bytes.IndexAny(s.Buf[s.seen:], "\r\n")
	if i < 0 {
		s.seen = len(s.Buf)
		return nil, false
	}
	end := s.seen + i
	s.seen = end
	next := end + 1
	if s.Buf[end] == '\r' {
		if next == len(s.Buf) {
			return nil, false
		}
		if s.Buf[next] == '\n' {
			next++
		}
	}
	line, s.scan = s.Buf[s.scan:end], next
	return line, true
}

func (s *Splitter) field(line []byte) {
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
func (s *Splitter) emit(n int, f func(Event)) {
	e := Event{Raw: s.Buf[s.start:n], Name: s.name}
	if s.some {
		e.Data = s.data
		if e.Data == nil {
			e.Data = []byte{} // empty is not none
		}
	}
	f(e)
	s.start, s.scan = n, n
	s.name, s.data, s.some = "", s.data[:0], false
}

// End hands out what is left when the stream has ended: an event without its
// blank line counts, as every SDK takes it.
func (s *Splitter) End(f func(Event)) {
	if s.over || len(s.Buf) == 0 {
		return
	}
	if last := s.Buf[s.scan:]; len(last) > 0 {
		s.field(bytes.TrimRight(last, "\r\n"))
	}
	s.emit(len(s.Buf), f)
	s.Buf, s.start, s.scan, s.seen = s.Buf[:0], 0, 0, 0
}

// Pending is what has been written but has not made an event yet.
func (s *Splitter) Pending() []byte { return s.Buf[s.start:] }
