package ledger

import (
	"sync/atomic"
	"time"
)

// CommitBounds are the upper bounds, in microseconds, of the histogram of how
// long commits take.
var CommitBounds = [12]int64{100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000}

// CommitTimes tells how long this process's commits took, from the first
// statement of a group until it was on disk.
type CommitTimes struct {
	Buckets [len(CommitBounds) + 1]int64 // commits that took up to the bound, and those above all
	Count   int64
	Sum     time.Duration
}

type commitTimes struct {
	buckets [len(CommitBounds) + 1]atomic.Int64
	sum     atomic.Int64
}

func (c *commitTimes) add(d time.Duration) {
	i := 0
	for i < len(CommitBounds) && d > time.Duration(CommitBounds[i])*time.Microsecond {
		i++
	}
	c.buckets[i].Add(1)
	c.sum.Add(int64(d))
}

// Commits tells how long commits took since the ledger was opened.
func (l *Ledger) Commits() CommitTimes {
	var t CommitTimes
	if l.write == nil {
		return t
	}
	for i := range t.Buckets {
		t.Buckets[i] = l.write.commits.buckets[i].Load()
		t.Count += t.Buckets[i]
	}
	t.Sum = time.Duration(l.write.commits.sum.Load())
	return t
}
