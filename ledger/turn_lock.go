package ledger

import (
	"context"
	"errors"
	"os"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// retryBusy is how often a lock is tried that cannot be waited for.
const retryBusy = 20 * time.Millisecond

// turnLock is aex.db.lock: the process that has its flock has the turn. SQLite's own
// lock alone starves processes for seconds.
type turnLock struct {
	file  *os.File
	note  []byte     // of this process, for those who wait
	asked chan error // the answer of a goroutine that waits for the lock; nil: none does
	held  bool
}

func newTurnLock(f *os.File) *turnLock { return &turnLock{file: f, note: ownNote()} }

// try takes the lock if it is free.
func (t *turnLock) try() (held bool, err error) {
	switch {
	case t.held:
		return true, nil
	case t.asked != nil: // the lock is that goroutine's to take
		select {
		case err := <-t.asked:
			t.got(err)
			return t.held, err
		default:
			return false, nil
		}
	}
	if t.held, err = tryLockFile(t.file); t.held {
		sign(t.file, t.note)
	}
	return t.held, err
}

// ask has a goroutine wait for the lock, for as long as the lock's holder has it. What
// the goroutine sends is to be passed to got.
func (t *turnLock) ask() <-chan error {
	if t.asked == nil {
		asked, fd := make(chan error, 1), int(t.file.Fd())
		t.asked = asked
		go func() { asked <- lockFile(fd) }()
	}
	return t.asked
}

// got takes over the lock that was asked for.
func (t *turnLock) got(err error) {
	t.asked = nil
	if t.held = err == nil; t.held {
		sign(t.file, t.note)
	}
}

func (t *turnLock) release() error {
	if !t.held {
		return nil
	}
	t.held = false
	return unlockFile(t.file)
}

func isBusy(err error) bool {
	var se *driver.Error
	return errors.As(err, &se) && (se.Code()&0xff == sqlite3.SQLITE_BUSY || se.Code()&0xff == sqlite3.SQLITE_PROTOCOL)
}

// enter takes the turn if it is free: the lock file, and a transaction that may
// write. An error of the file itself is left for begin to find, whose caller knows what
// to do.
func (s *sqlite) enter() (entered bool, err error) {
	if held, err := s.lock.try(); !held || err != nil {
		return false, err
	}
	if s.busy = isBusy(s.beginTransaction()); !s.busy {
		return true, nil
	}
	return false, s.lock.release() // nobody is to wait for this process, which only waits itself
}

func (s *sqlite) await() (free <-chan error, pause time.Duration) {
	if s.busy {
		return nil, retryBusy
	}
	return s.lock.ask(), time.Hour
}

func (s *sqlite) came(err error)      { s.lock.got(err) }
func (s *sqlite) stray() <-chan error { return s.lock.asked }
func (s *sqlite) refusal() error      { return s.l.holderOf(s.busy) }
func (s *sqlite) leave() error        { return s.lock.release() }

func (s *sqlite) patience(happened bool) time.Duration {
	if happened {
		return -1
	}
	return s.l.patience
}

// begin waits for SQLite's own lock where enter could not tell that it was not free.
func (s *sqlite) begin() error {
	began := time.Now()
	err := s.beginTransaction()
	for end := began.Add(2 * patience); isBusy(err) && time.Now().Before(end); time.Sleep(retryBusy) {
		err = s.beginTransaction()
	}
	s.began = false // commit ends it, or reopen
	return err
}

// unchanged goes by data_version, which changes when another connection commits.
func (s *sqlite) unchanged() (bool, error) {
	was := s.version
	err := s.query(`PRAGMA data_version`, nil, []any{&s.version})
	s.alone++
	if s.version != was {
		s.alone = 0
	}
	return s.version == was, err
}

func (s *sqlite) changed() bool {
	if s.conn == nil {
		return false
	}
	var v int64
	return s.conn.QueryRowContext(context.Background(), `PRAGMA data_version`).Scan(&v) != nil || v != s.version
}

func (s *sqlite) lingers() bool { return s.alone >= aloneTurns }

func (s *sqlite) commit() error   { return s.say("COMMIT") }
func (s *sqlite) rollback() error { return s.say("ROLLBACK") }
func (s *sqlite) secure() error   { return nil } // what is committed is on disk

// beginTransaction begins the transaction of a turn.
func (s *sqlite) beginTransaction() error {
	if s.began {
		return nil
	}
	if id, err := identify(s.l.path); err != nil {
		return err
	} else if id != s.inode {
		return s.l.replaced()
	}
	err := s.say("BEGIN IMMEDIATE")
	s.began = err == nil
	return err
}

// takeFirst takes the lock to open the ledger, with the same patience.
func (s *sqlite) takeFirst(ctx context.Context) error {
	held, err := s.lock.try()
	if held || err != nil {
		return err
	}
	late := time.NewTimer(s.l.patience)
	defer late.Stop()
	select {
	case err := <-s.lock.ask():
		s.lock.got(err)
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return s.l.holderOf(false)
	}
}
