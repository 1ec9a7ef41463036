package memory

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

// TestMemoryIsShared: shares never have more than there is, who waits is served
// in order, and all of it comes back.
func TestMemoryIsShared(t *testing.T) {
	// Who has a part and waits for more may wait for one that does the same: the
	// wait is short, so that the test is.
	m := &Budget{all: 1 << 20, left: 1 << 20, wait: time.Millisecond}
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 200 {
				s := m.Share()
				for to := int64(Unshared); to < 600<<10; to += 50 << 10 {
					if err := s.Grow(t.Context(), to); err != nil && !errors.Is(err, ErrNone) {
						t.Error(err)
					}
					m.mu.Lock()
					if m.left < 0 || m.left > m.all {
						t.Errorf("%d are left", m.left)
					}
					m.mu.Unlock()
				}
				s.Release()
				s.Release()
			}
		})
		if testing.Short() {
			break
		}
	}
	all.Wait()
	if m.left != m.all || len(m.waiting) != 0 {
		t.Errorf("%d are left of %d, %d wait", m.left, m.all, len(m.waiting))
	}
}

// TestManySmallBodiesShare: what each call has beside the memory that is shared,
// very many do not have.
func TestManySmallBodiesShare(t *testing.T) {
	m := &Budget{all: 1 << 30, left: 1 << 30}
	shares := make([]Share, 2*smallMax)
	for i := range shares {
		shares[i] = m.Share()
		if err := shares[i].Grow(t.Context(), Unshared); err != nil {
			t.Fatal(err)
		}
	}
	if used := m.all - m.left; used != smallMax*Unshared {
		t.Errorf("%d small bodies use %d", len(shares), used)
	}
	for i := range shares {
		shares[i].Release()
		shares[i].Release()
	}
	if m.left != m.all || m.small.Load() != 0 {
		t.Errorf("%d are left of %d, and %d have a part of their own", m.left, m.all, m.small.Load())
	}
}

// TestPackedBeyondBelief: what is packed beyond what any text is stops early.
func TestPackedBeyondBelief(t *testing.T) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(z, io.LimitReader(words{}, 60<<20))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	size := int64(packed.Len())
	in := Pack(&packed)
	plain, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, in.Unpacked(plain))
	if !errors.Is(err, ErrCompressed) || n > ratioFree+ratioMax*size {
		t.Errorf("%d bytes made %d: %v", size, n, err)
	}
}

// words is the same word, for ever.
type words struct{}

func (words) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "word "[i%5]
	}
	return len(p), nil
}
