package tunnel

import (
	"bufio"
	"errors"
	"io"
)

// The records of TLS, and the message that matters here (RFC 8446, sections 4 and 5.1).
const (
	handshake   = 22
	clientHello = 1
	header      = 5
	maxRecord   = 16<<10 + 2<<10
	maxHello    = 64 << 10 // a greeting with room for large keys
)

var errNoHello = errors.New("this is no greeting")

// greeting reads what a program says in TLS, record by record. Each greeting in it is judged before any byte of it is
// passed on: there may be a second, because a server may ask for one (HelloRetryRequest), and lenient servers go by the
// name in the last.
type greeting struct {
	in    *bufio.Reader
	judge func(hello) error
}

// first reads the greeting that has to come first, and returns the records that it came in.
func (g *greeting) first() ([]byte, error) {
	if kind, err := g.in.Peek(1); err != nil || kind[0] != handshake {
		return nil, errNoHello
	}
	flight, more, err := g.flight()
	if err == nil && !more {
		err = errNoHello
	}
	return flight, err
}

// rest passes on what follows. It watches for greetings until the program says something else in the handshake, or
// something that is no TLS: a server ends that by itself.
func (g *greeting) rest(to io.Writer) error {
	buf := make([]byte, maxRecord)
	for {
		kind, length, err := g.peek()
		switch {
		case errors.Is(err, errNoHello), err == io.EOF: // no TLS, or no whole header
			_, err = io.Copy(to, g.in)
			return err
		case err != nil:
			return err
		case kind != handshake:
			if _, err := io.CopyBuffer(to, io.LimitReader(g.in, int64(header+length)), buf); err != nil {
				return err
			}
			continue
		}
		flight, more, err := g.flight()
		if err != nil {
			return err
		}
		if _, err := to.Write(flight); err != nil {
			return err
		}
		if !more {
			_, err = io.Copy(to, g.in)
			return err
		}
	}
}

// peek looks at the header of the next record.
func (g *greeting) peek() (kind byte, length int, err error) {
	h, err := g.in.Peek(header)
	if err != nil {
		return 0, 0, err
	}
	length = int(h[3])<<8 | int(h[4])
	if h[0] < 20 || h[0] > 24 || h[1] != 3 || length > maxRecord {
		return 0, 0, errNoHello
	}
	return h[0], length, nil
}

// flight reads whole records of the handshake until the messages in them are whole, and judges the greetings among them.
// more is false when there was another message: then the time of greetings is over.
func (g *greeting) flight() (records []byte, more bool, err error) {
	var messages []byte
	for {
		kind, length, err := g.peek()
		if err == nil && (kind != handshake || len(records)+length > 2*maxHello) {
			err = errNoHello
		}
		if err != nil {
			return nil, false, err
		}
		at := len(records)
		records = append(records, make([]byte, header+length)...)
		if _, err := io.ReadFull(g.in, records[at:]); err != nil {
			return nil, false, err
		}
		messages = append(messages, records[at+header:]...)
		whole, more, err := g.judgeAll(&messages)
		if err != nil || whole || !more {
			return records, more, err
		}
	}
}

// judgeAll takes the greetings from messages. whole tells that nothing is left of them, more that nothing else was among
// them. What is encrypted looks like anything, but not like the short message that a greeting is.
func (g *greeting) judgeAll(messages *[]byte) (whole, more bool, err error) {
	for len(*messages) > 0 {
		m := *messages
		if m[0] != clientHello || len(m) > 1 && m[1] != 0 {
			return false, false, nil
		}
		if len(m) < 4 || len(m) < 4+length24(m) {
			return false, true, nil
		}
		end := 4 + length24(m)
		h, err := parseHello(m[:end])
		if err != nil {
			return false, false, err
		}
		if err := g.judge(h); err != nil {
			return false, false, err
		}
		*messages = m[end:]
	}
	return true, true, nil
}

func length24(m []byte) int { return int(m[1])<<16 | int(m[2])<<8 | int(m[3]) }
