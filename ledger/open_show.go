package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// showPatience is how long a command that only shows waits for another process's turn.
const showPatience = 200 * time.Millisecond

// OpenToShow opens a ledger for a command that only shows it: it waits for no turn,
// and needs nothing that can be written to. What an aex that died has left is settled
// before, if that can be done at once. Where there is no ledger yet, or one of an
// older version, it does what Open does.
func OpenToShow(ctx context.Context, o Options) (*Ledger, error) {
	l, err := OpenReadOnly(ctx, o)
	if errors.Is(err, ErrNotFound) || errors.Is(err, errOlder) {
		return Open(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	if err := (&headFile{l: l, path: headPath(l.home)}).check(ctx, l.read); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	// On a server other processes live on, and recover what the dead have left.
	if l.server != nil || l.read.still() != nil || !l.hasDead(ctx) {
		return l, nil
	}
	settled, err := newLedger(o)
	if err != nil {
		return l, nil
	}
	settled.patience = showPatience
	if err := settled.openForWriting(ctx); err != nil {
		_ = settled.release() // it is shown as it is
		return l, nil
	}
	settled.running.Go(settled.watchOwners)
	return settled, l.Close()
}

// hasDead tells whether an owner that has something open is dead.
func (l *Ledger) hasDead(ctx context.Context) bool {
	rows, err := l.read.QueryContext(ctx, namedOwners)
	if err != nil {
		return false // whoever reads it next tells what is wrong
	}
	defer rows.Close()
	for rows.Next() {
		var id ownerID
		if rows.Scan(&id) != nil {
			return false
		}
		file, dead, err := l.deadFile(id)
		if file != nil {
			_ = file.Close() // nothing was written to it
		}
		if err == nil && dead {
			return true
		}
	}
	return false
}

// errOlder reports a ledger of an older version, which only Open can read.
var errOlder = errors.New("an older version")

func (l *Ledger) openForReading(ctx context.Context) error {
	if l.server != nil {
		return l.openServerToRead(ctx)
	}
	var err error
	l.path = realPath(l.path)
	if _, err := os.Stat(l.path); errors.Is(err, fs.ErrNotExist) {
		return l.noLedger()
	}
	if err := l.oneName(); err != nil {
		return err
	}
	if err := l.refusePythonTwo(ctx); err != nil {
		return err
	}
	if l.read, err = openReaders(l.path); err != nil {
		return l.explain(err)
	}
	kind, err := kindOf(ctx, l.read)
	if err != nil && l.logIsEmpty() && (l.mayNotWrite() || noRoomForIndex(err)) {
		// SQLite reads a write-ahead log, also an empty one, only where it can make files.
		still, openErr := openReaders(l.path, "&immutable=1")
		if openErr == nil {
			err = errors.Join(l.read.Close())
			l.read = still
		}
		if err == nil {
			kind, err = kindOf(ctx, l.read)
		}
	}
	if err != nil {
		return l.explain(err)
	}
	switch kind {
	case currentSchema:
	case emptyFile:
		return l.noLedger()
	default:
		return fmt.Errorf("ledger %s is of %w and not yet migrated; run any command that writes, for example: aex init", l.path, errOlder)
	}
	return l.explain(l.read.QueryRowContext(ctx, `SELECT id, chain FROM ledger`).Scan(&l.id, &l.chain))
}

// logIsEmpty tells whether all of the ledger is in its file. Where nobody can write to
// that either, it can be read as a file that does not change.
func (l *Ledger) logIsEmpty() bool {
	info, err := os.Stat(l.path + "-wal")
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0
}

func (l *Ledger) mayNotWrite() bool { return unix.Access(filepath.Dir(l.path), unix.W_OK) != nil }
