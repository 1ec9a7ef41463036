// Package ledger keeps the truth about money: what every agent, window and
// run may spend, has spent and has reserved, in a SQLite file or on a PostgreSQL
// server. It knows nothing of HTTP, models or processes.
//
// It keeps ten promises, and each has a test that tries to break it.
//
//  1. For every account, at every commit: spent >= 0, reserved >= 0 and
//     spent + reserved <= budget. A settlement moves into spent as much as the
//     budget can take and the rest into overrun, with an event. While overrun
//     is above zero the account admits nothing; room that comes free and
//     top-ups pay it first. An overrun ends the run.
//  2. No byte that can be billed goes upstream before a hold for that call is
//     committed to disk.
//  3. A hold ends exactly once, by compare and swap: settled by the provider's
//     usage, settled as estimated, or cancelled because the provider cannot
//     have charged.
//  4. For every account, the sum of the costs of its events is spent + overrun.
//     An event is written in the transaction of the change it tells of.
//  5. Events form a hash chain over their exact stored text. To remove, edit,
//     reorder or truncate them makes Verify fail and name the place.
//  6. kill -9 at any instant loses no cost: a hold whose owner is dead is
//     settled in full, marked recovered, by the next process that looks. Dead
//     means that the owner's lock on its file is free; no pids, no clocks. On
//     a server it means that the process that looks has seen no beat for a
//     minute, by its own clock. A settlement that comes for a recovered hold
//     books the difference.
//  7. A hold never outlives its call inside a living process either: after a
//     failed commit the writer reopens and looks before it answers, Sweep
//     settles what no call owns, and what cannot be booked breaks the ledger,
//     which ends the run.
//  8. Unknown is not zero: what the caller does not know it books as the hold.
//     A price of 0 is a price, and a cost of 0 is booked.
//  9. No key and no token is stored: of a token only its SHA-256.
//  10. No content is stored: a call is described by CallInfo and Settlement,
//     which have no room for any.
//
// All writes go through one goroutine, the writer (writer.go), which commits
// the operations that wait for it together. They decide on rows kept in memory
// (rows.go), which the writer trusts only while no other process has written.
// Reads use connections of their own (readers.go).
package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Errors a caller chooses by. Everything else that a method returns means
// that the ledger could not do its work; it must not be served past.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("already exists")
	ErrNewerSchema = errors.New("the ledger was written by a newer aex")
	ErrPythonTwo   = errors.New("a ledger of the Python aex 2.x")
	ErrUnsound     = errors.New("file locks or write-ahead logs are unsound on this filesystem")
	ErrCorrupt     = errors.New("the ledger is damaged")
	ErrHoldEnded   = errors.New("the hold has already ended")
	ErrBroken      = errors.New("the ledger cannot commit")
	ErrExpired     = errors.New("the token has expired")
	ErrReadOnly    = errors.New("the ledger was opened for reading only")
	ErrAmbiguous   = errors.New("more than one run begins so")
	ErrClosed      = errors.New("the ledger is closed")
	ErrInvalid     = errors.New("invalid")
	ErrNotEmpty    = errors.New("not empty")
	ErrNoBudget    = errors.New("there is no such budget")
)

// Options says where a ledger lives and what it draws on.
type Options struct {
	Path string           // the database file, whose directory also holds aex.db.lock and aex.db.owners; or postgres://...
	Home string           // holds head; made 0700 when missing
	Now  func() time.Time // nil: time.Now
	Rand io.Reader        // nil: crypto/rand

	// Held is told once, when this process has waited for another one's turn
	// for some seconds, and goes on waiting. It must return soon. May be nil.
	Held func(*Holder)

	lease time.Duration // that tests shorten; 0: leaseWithin
	look  time.Duration // that tests lengthen; 0: recoverEvery
}

// Ledger is one process's open ledger. Its methods may be called from any
// number of goroutines.
type Ledger struct {
	path, home string
	dialect    *dialect
	lease      time.Duration
	look       time.Duration // how often it is looked for the dead
	server     *server       // the ledger is on; nil: it is in a file
	skew       atomic.Int64  // of its clock, in milliseconds
	mayBudget  bool          // there
	mayPrune   bool          // likewise
	now        func() time.Time
	rand       io.Reader
	randMu     sync.Mutex

	id    string // of the ledger, in every event
	chain int64

	read  *readers // short snapshots
	write *writer  // nil when opened for reading
	owner *owner   // nil when opened for reading
	head  *headFile

	own      ownCosts
	settings settings

	identities identityCache
	watchers   watchers

	broken    chan struct{}
	brokenFor sync.Once
	done      chan struct{} // closed by Close; ends the goroutines below
	closeOnce sync.Once
	closeErr  error
	running   sync.WaitGroup

	held     func(*Holder)
	patience time.Duration // for the turns of others

	still sync.RWMutex // read: in a turn; Rest has it for itself

	recoveredMu sync.Mutex
	recovered   []Recovered
}

// recoverEvery is how often a process looks for the holds of the dead.
const recoverEvery = 5 * time.Second

// Open opens the ledger, makes it when there is none, migrates an older one,
// and settles in full the holds of owners that have died (Recovered tells).
func Open(ctx context.Context, o Options) (*Ledger, error) {
	l, err := newLedger(o)
	if err != nil {
		return nil, err
	}
	if err := l.openForWriting(ctx); err != nil {
		return nil, errors.Join(err, l.release())
	}
	l.running.Go(l.watchOwners)
	return l, nil
}

// OpenReadOnly opens an existing ledger for queries only. ErrNotFound when
// there is none.
func OpenReadOnly(ctx context.Context, o Options) (*Ledger, error) {
	l, err := newLedger(o)
	if err != nil {
		return nil, err
	}
	if err := l.openForReading(ctx); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

func newLedger(o Options) (*Ledger, error) {
	l := &Ledger{
		patience: patience, path: o.Path, home: o.Home, now: o.Now, rand: o.Rand, held: o.Held,
		broken: make(chan struct{}), done: make(chan struct{}), dialect: &sqliteDialect, lease: cmp.Or(o.lease, leaseWithin),
	}
	l.look = cmp.Or(o.look, min(recoverEvery, l.lease/4))
	if l.rand == nil {
		l.rand = rand.Reader
	}
	if OnServer(o.Path) {
		var err error
		if l.server, err = parseServer(o.Path); err != nil {
			return nil, err
		}
		l.path, l.dialect = l.server.place, &postgresDialect
		if l.now == nil {
			l.now = func() time.Time { return time.Now().Add(time.Duration(l.skew.Load()) * time.Millisecond) }
		}
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l, nil
}

// setClock sets this process's time to the server's, which is that of all.
func (l *Ledger) setClock(millis int64) { l.skew.Store(millis - time.Now().UnixMilli()) }

// Close waits for the writer, gives up ownership and closes the file.
func (l *Ledger) Close() error {
	l.closeOnce.Do(func() {
		close(l.done)
		l.running.Wait()
		l.closeErr = l.release()
	})
	return l.closeErr
}

// release closes what has been opened. The writer's connection is the last to
// close: only it can move the write-ahead log into the file.
func (l *Ledger) release() error {
	var errs []error
	if l.write != nil {
		l.write.stop()
	}
	if l.head != nil {
		errs = append(errs, l.head.close())
	}
	if l.read != nil {
		errs = append(errs, l.read.Close())
	}
	if l.write != nil {
		errs = append(errs, l.write.engine.close())
	}
	if l.owner != nil {
		errs = append(errs, l.owner.close())
	}
	return errors.Join(errs...)
}

// Place is where the ledger is: its file, or its server, without a user.
func (l *Ledger) Place() string { return l.path }

// Broken is closed when the ledger has found that it cannot commit; from then
// on every Admit and Settle answers ErrBroken. A run must end.
func (l *Ledger) Broken() <-chan struct{} { return l.broken }

// Recovered is what was settled in full, by Open, from time to time, and by
// Sweep.
func (l *Ledger) Recovered() []Recovered {
	l.recoveredMu.Lock()
	defer l.recoveredMu.Unlock()
	return append([]Recovered(nil), l.recovered...)
}

// Recovered tells of a hold whose owner died.
type Recovered struct {
	Hold   HoldID
	Agent  string
	Run    RunID
	Amount Micros
}

// random fills a new identifier of n bytes.
func (l *Ledger) random(n int) ([]byte, error) {
	l.randMu.Lock()
	defer l.randMu.Unlock()
	b := make([]byte, n)
	_, err := io.ReadFull(l.rand, b)
	return b, err
}
