package proxy

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

// DefaultMemory is what the bodies and answers that a gateway holds may take
// together.
const DefaultMemory = 256 << 20

const (
	unshared  = 64 << 10        // of each call, for so many at once
	smallMax  = 512             // calls that have that beside what is shared
	ratioMax  = 100             // that decompression may make of a byte
	ratioFree = 1 << 20         // and of the first few
	bodyCost  = 2               // a body is held beside what is made of it
	waitMax   = 5 * time.Second // for memory that others hold
)

var (
	errNoMemory   = errors.New("other calls hold the memory that it needs")
	errBeyond     = errors.New("it is larger than all the memory that there is for such")
	errCompressed = errors.New("it is compressed to less than a hundredth, which no text is")
	errUnjudged   = errors.New("it is too large to be judged by the agent's policy")
)

// memory is a budget that calls draw on, first come first served.
type memory struct {
	mu       sync.Mutex
	all      int64
	left     int64
	waiting  []*drawing
	wait     time.Duration // the longest; 0: waitMax
	grace    time.Duration // of an upload; 0: uploadGrace
	patience time.Duration // with a client that does not read; 0: readWithin
	small    atomic.Int64  // calls that have a part of their own
}

type drawing struct {
	n    int64
	have chan struct{}
}

// share is what one call has of a memory, beside a part of its own that the first
// calls under way have: who makes very many small calls draws on what is shared.
type share struct {
	of    *memory
	has   int64
	asked bool
	own   int64
}

// ownPart takes a part that is not shared, if there is one.
func (s *share) ownPart() {
	s.asked = true
	if s.of.small.Add(1) <= smallMax {
		s.own = unshared
	} else {
		s.of.small.Add(-1)
	}
}

// grow makes the share at least to bytes, and waits for others' where it has to.
func (s *share) grow(ctx context.Context, to int64) error {
	if !s.asked {
		s.ownPart()
	}
	to -= s.own
	more := to - s.has
	if more <= 0 {
		return nil
	}
	if to > s.of.all {
		return errBeyond
	}
	got, d := s.of.draw(more, max(more, s.has)) // by doubling: the lock is taken less often
	if d != nil {
		late := time.NewTimer(cmp.Or(s.of.wait, waitMax))
		defer late.Stop()
		select {
		case <-d.have:
		case <-late.C:
			if s.of.leave(d) {
				return errNoMemory
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
func (m *memory) draw(n, most int64) (got int64, d *drawing) {
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
func (m *memory) leave(d *drawing) bool {
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
func (m *memory) serve() {
	for len(m.waiting) > 0 && m.waiting[0].n <= m.left {
		m.left -= m.waiting[0].n
		close(m.waiting[0].have)
		m.waiting = m.waiting[1:]
	}
}

// release gives all of the share back.
func (s *share) release() {
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

// ratio bounds what a decompressor makes of what it reads.
type ratio struct {
	from counted // compressed
	to   io.Reader
	made int64
}

// counted counts what is read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (r *ratio) Read(p []byte) (int, error) {
	n, err := r.to.Read(p)
	if r.made += int64(n); r.made > ratioFree+ratioMax*r.from.n {
		return 0, errCompressed
	}
	return n, err
}

// fill reads all of in, at most MaxBody and a byte, and counts it.
func (s *share) fill(ctx context.Context, in io.Reader, buf *bytes.Buffer) error {
	for buf.Len() <= MaxBody {
		if err := s.grow(ctx, bodyCost*int64(buf.Len()+bytes.MinRead)); err != nil {
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
