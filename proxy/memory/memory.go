// Package memory bounds how much memory the bodies and answers that a gateway holds may
// take together, how much decompression may make of them, and how long a slow client may
// keep memory from others.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Default is how much memory the bodies and answers that a gateway holds may take
// together.
const Default = 256 << 20

// What is counted, and how much.
const (
	Unshared = 64 << 10        // bytes that each call has for itself, which are not counted
	smallMax = 512             // calls at a time that have such bytes
	BodyCost = 2               // times the size of a body: the body, and what is made of it
	waitMax  = 5 * time.Second // the longest wait for memory that others hold
)

// Why a share does not grow, and why nothing more is unpacked.
var (
	ErrNone       = errors.New("other calls hold the memory that it needs")
	ErrBeyond     = errors.New("it is larger than all the memory that there is for such")
	ErrCompressed = errors.New("it is compressed to less than a hundredth, which no text is")
)

// Budget is memory that calls draw on, first come first served.
type Budget struct {
	mu       sync.Mutex
	all      int64
	left     int64
	waiting  []*drawing
	wait     time.Duration // the longest; 0: waitMax
	grace    time.Duration // of an upload; 0: UploadGrace
	patience time.Duration // with a client that does not read; 0: readWithin
	small    atomic.Int64  // calls that have bytes of their own
	shared   sync.Once
	slack    []byte // made by the first share
}

// slackSize is the size of a buffer that a gateway at work has and never touches, so that
// the system gives no pages for it. Go's collector runs whenever the heap has doubled. A
// busy gateway's heap is so small that this happened dozens of times a second, and took a
// tenth of the processor time of a call; with the buffer the heap is larger.
const slackSize = 16 << 20

// New is a budget of so many bytes. grace is the least time that an upload may take, and
// patience the time in which a client must read some of its answer; 0: UploadGrace and
// readWithin.
func New(all int64, grace, patience time.Duration) *Budget {
	return &Budget{all: all, left: all, grace: grace, patience: patience}
}

// Share makes the share of a new call, which has nothing yet.
func (m *Budget) Share() Share {
	m.shared.Do(func() { m.slack = make([]byte, slackSize) })
	return Share{of: m}
}

// Left is how much is free.
func (m *Budget) Left() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left
}

type drawing struct {
	n    int64
	have chan struct{}
}

// Share is what one call has of a budget. Beside it the first smallMax calls under way have
// bytes of their own; any further ones draw on the budget for those, too.
type Share struct {
	of    *Budget
	has   int64
	asked bool
	own   int64

	hurried bool // the client must read within a time
}

// Has is how much of the budget it has.
func (s *Share) Has() int64 { return s.has }

// ownPart takes bytes of the call's own, if there are any left.
func (s *Share) ownPart() {
	s.asked = true
	if s.of.small.Add(1) <= smallMax {
		s.own = Unshared
	} else {
		s.of.small.Add(-1)
	}
}

// Grow makes the share at least to bytes, and waits for memory of others if it has to.
func (s *Share) Grow(ctx context.Context, to int64) error {
	if !s.asked {
		s.ownPart()
	}
	to -= s.own
	more := to - s.has
	if more <= 0 {
		return nil
	}
	if to > s.of.all {
		return ErrBeyond
	}
	got, d := s.of.draw(more, max(more, s.has)) // by doubling: the lock is taken less often
	if d != nil {
		late := time.NewTimer(cmp.Or(s.of.wait, waitMax))
		defer late.Stop()
		select {
		case <-d.have:
		case <-late.C:
			if s.of.leave(d) {
				return ErrNone
			}
		case <-ctx.Done():
			if s.of.leave(d) {
				return ctx.Err()
			}
		}
	}
	s.has += got
	return nil
}

// draw takes up to most bytes if they are free, at least n, or else queues for n.
func (m *Budget) draw(n, most int64) (got int64, d *drawing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) == 0 && n <= m.left {
		got = min(most, m.left)
		m.left -= got
		return got, nil
	}
	d = &drawing{n, make(chan struct{})}
	m.waiting = append(m.waiting, d)
	return n, d
}

// leave takes a drawing out of the queue; false if it has just been served.
func (m *Budget) leave(d *drawing) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, w := range m.waiting {
		if w == d {
			m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
			m.serve()
			return true
		}
	}
	return false
}

// serve gives what is left to those who wait.
func (m *Budget) serve() {
	for len(m.waiting) > 0 && m.waiting[0].n <= m.left {
		m.left -= m.waiting[0].n
		close(m.waiting[0].have)
		m.waiting = m.waiting[1:]
	}
}

// Release gives all of the share back.
func (s *Share) Release() {
	if s.own > 0 {
		s.of.small.Add(-1)
		s.own = 0
	}
	if s.has == 0 {
		return
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.left += s.has
	s.has = 0
	s.of.serve()
}

// Fill reads all of in, but at most most bytes and one, and counts them.
func (s *Share) Fill(ctx context.Context, in io.Reader, buf *bytes.Buffer, most int) error {
	for buf.Len() <= most {
		if err := s.Grow(ctx, BodyCost*int64(buf.Len()+bytes.MinRead)); err != nil {
			return err
		}
		buf.Grow(bytes.MinRead)
		room := buf.AvailableBuffer()
		n, err := in.Read(room[:cap(room)])
		buf.Write(room[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
