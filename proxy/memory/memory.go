// Package memory bounds what the bodies and answers that a gateway holds take
// together, what decompression makes of them, and how long a client that is slow
// may keep others from it.
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

// Default is what the bodies and answers that a gateway holds may take
// together.
const Default = 256 << 20

// What is counted.
const (
	Unshared = 64 << 10        // of each call, for so many at once
	smallMax = 512             // calls that have that beside what is shared
	BodyCost = 2               // a body is held beside what is made of it
	waitMax  = 5 * time.Second // for memory that others hold
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
	small    atomic.Int64  // calls that have a part of their own
	shared   sync.Once
	slack    []byte // made by the first share
}

// slackSize is what a gateway at work has and never touches, so that the system
// gives no page for it. Go's collector runs whenever the heap has doubled, which
// a busy gateway's, small as it is, does dozens of times a second: that was a
// tenth of the processor time of a call.
const slackSize = 16 << 20

// New is a budget of so many bytes. grace is what an upload has at least, and
// patience what a client has to read some of its answer; 0: as long as is usual.
func New(all int64, grace, patience time.Duration) *Budget {
	return &Budget{all: all, left: all, grace: grace, patience: patience}
}

// Share is what a new call has of it: nothing yet.
func (m *Budget) Share() Share {
	m.shared.Do(func() { m.slack = make([]byte, slackSize) })
	return Share{of: m}
}

// Left is what nobody has.
func (m *Budget) Left() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left
}

type drawing struct {
	n    int64
	have chan struct{}
}

// Share is what one call has of a memory, beside a part of its own that the first
// calls under way have: who makes very many small calls draws on what is shared.
type Share struct {
	of    *Budget
	has   int64
	asked bool
	own   int64

	hurried bool // the client has a while to read
}

// Has is how much of what is shared it has.
func (s *Share) Has() int64 { return s.has }

// ownPart takes a part that is not shared, if there is one.
func (s *Share) ownPart() {
	s.asked = true
	if s.of.small.Add(1) <= smallMax {
		s.own = Unshared
	} else {
		s.of.small.Add(-1)
	}
}

// Grow makes the share at least to bytes, and waits for others' where it has to.
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

// draw takes n bytes, and up to most where they are there, or queues for n.
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

// leave takes a drawing out of the queue; false where it has just been served.
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

// Fill reads all of in, at most most and a byte, and counts it.
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
