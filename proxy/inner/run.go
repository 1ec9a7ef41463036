package inner

import (
	"context"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// Run is a run inside the gateway's. Its calls run below Ctx.
type Run struct {
	ID, Parent ledger.RunID  // parent of a remote run: none
	Remote     bool          // it, or the run around it, is of another machine
	Asks       time.Duration // how long calls that its own limits refuse wait for help; 0: they do not
	Ctx        context.Context
	stop       context.CancelFunc
	over       chan struct{} // closed when a limit of its own, or around it, ended it
	late       atomic.Bool   // nobody helped in time: it ends, and nobody is asked about it again

	mu       sync.Mutex
	limit    string         // why over is closed: Exhausted, Limited
	ends     *ledger.RunEnd // how it is to end; it takes no call any more. Nil: it is open
	ending   int            // how many are about to end it
	open     int64
	calls    sync.WaitGroup // Add only under mu while ends is nil
	attended int            // GETs under way
	missed   int            // looks at it since somebody last attended it
	extended time.Time      // when its token last was
	clamped  int64
	leastCap int64
	local    int64
	doubt    ledger.Micros // estimates, of calls that ended without their usage
	doubtful int64
	short    *ledger.Refusal // of the last call, where money refused it
	last     time.Time       // when it came in

	held int    // calls that wait for a top-up
	line string // what for
	news chan struct{}
}

func (in *Run) noticed(n watch.Notice, limit string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !n.Late && n.Shows() && !n.Began.Before(in.last) {
		in.last, in.short = n.Began, n.Money
	}
	if n.Local {
		in.local++
	}
	switch {
	case n.Doubt:
		in.doubt += n.Cost
		in.doubtful++
	case n.Late:
		in.doubt -= n.Was
		in.doubtful--
	}
	if n.Clamped > 0 {
		in.clamped++
		if in.leastCap == 0 || n.Clamped < in.leastCap {
			in.leastCap = n.Clamped
		}
	}
	if limit != "" && in.limit == "" {
		in.limit = limit
		close(in.over)
	}
}

// Enter counts a call of the run, unless the run is ending.
func (in *Run) Enter() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ends != nil {
		return false
	}
	in.open++
	in.calls.Add(1)
	return true
}

// Leave is the end of a call of the run.
func (in *Run) Leave() {
	in.mu.Lock()
	in.open--
	in.mu.Unlock()
	in.calls.Done()
}

// Follows counts work that belongs to a call and comes after it, until done is called: the
// run does not end before.
func (in *Run) Follows() (done func()) {
	in.calls.Add(1)
	return in.calls.Done
}

// Refused is the answer to a call of a run that is ending.
func Refused(id ledger.RunID) error {
	return refusal.Of(&ledger.Refusal{Cause: ledger.CauseRunEnded, Account: ledger.RunAccount, Name: string(id)})
}

// Attend counts those who attend the run.
func (in *Run) Attend(by int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.attended += by
	in.missed = 0
}

func (in *Run) status(row ledger.Run) Status {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := Status{
		State: string(row.State), Exhausted: row.State == ledger.RunExhausted, Calls: row.Calls, Refused: row.Refused, Open: in.open,
		Spent: row.Account.Spent, Overrun: row.Account.Overrun, Clamped: in.clamped, LeastCap: in.leastCap, Local: in.local, Doubt: in.doubt, Doubtful: in.doubtful, Short: in.short, Started: row.Started,
	}
	switch {
	case row.State == ledger.RunEnded:
		s.Ended, s.Outcome = &row.Ended, row.Outcome
	case row.State == ledger.RunEnding:
	case in.limit != "":
		s.State = in.limit
	case in.line != "":
		s.State, s.Asks = fmt.Sprintf("%s %08x", Asking, crc32.ChecksumIEEE([]byte(in.line))), in.line
	default:
		s.State = string(ledger.RunOpen) // a call may be held for a top-up
	}
	return s
}

// Attended tells whether anybody attends the run.
func (in *Run) Attended() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.attended > 0
}

// Idle tells whether no call of the run is under way.
func (in *Run) Idle() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.open == 0
}

// Over tells whether the run takes no call any more.
func (in *Run) Over() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ends != nil
}

// shut lets no more calls in, cuts those under way and waits until they are
// booked. How the run ends is what was said first.
func (in *Run) shut(how ledger.RunEnd) ledger.RunEnd {
	in.mu.Lock()
	if in.ends == nil {
		in.ends = &how
	}
	how = *in.ends
	in.mu.Unlock()
	in.stop()
	in.calls.Wait()
	return how
}

func (in *Run) isEnding(by int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ending += by
}
