package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/Auro-rium/aex/v3/internal/owned"
)

func (l *Ledger) openForWriting(ctx context.Context) error {
	if l.server != nil {
		return l.openServer(ctx)
	}
	if err := l.refusePythonTwo(ctx); err != nil {
		return err
	}
	if err := l.prepareDirectories(); err != nil {
		return err
	}
	lock, err := owned.Open(l.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return l.explain(err)
	}
	file := newSQLite(l, lock)
	l.write = newWriter(l, file)
	if err := file.open(ctx); err != nil {
		return l.explain(err)
	}
	if l.owner, err = newOwner(l); err != nil {
		return l.explain(err)
	}
	if l.read, err = l.openReaders(); err != nil {
		return l.explain(err)
	}
	l.head = openHead(l)
	if err := l.head.check(ctx, file.conn); err != nil {
		return err
	}
	others, err := file.others(ctx)
	if err != nil {
		return l.explain(err)
	}
	l.write.start()
	if others {
		return l.explain(l.recoverDead(ctx))
	}
	return l.explain(l.clearOwners(nil))
}

// noLedger is what there is to say where a ledger to be read is not there.
func (l *Ledger) noLedger() error {
	return cmp.Or(l.missingHere(), fmt.Errorf("ledger %s: %w", l.path, ErrNotFound))
}

// realPath is the one name of a file that may have several: what lies beside
// the database (its lock, its owners) must be the same for all who use it.
func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// prepareDirectories makes home and the database's directory, and refuses
// filesystems that cannot keep a ledger.
func (l *Ledger) prepareDirectories() error {
	if l.path == "" || l.home == "" {
		return fmt.Errorf("%w: a ledger needs a path and a home", ErrInvalid)
	}
	for _, dir := range []string{l.home, filepath.Dir(l.path)} {
		if err := owned.MkdirAll(dir, 0o700); err != nil {
			return l.explain(err)
		}
	}
	l.path = realPath(l.path)
	for _, dir := range []string{l.home, filepath.Dir(l.path)} {
		if err := soundFilesystem(dir); err != nil {
			return err
		}
	}
	if err := owned.MkdirAll(l.ownersPath(), 0o700); err != nil {
		return l.explain(err)
	}
	if _, err := os.Stat(l.path); errors.Is(err, fs.ErrNotExist) {
		if err := l.missingHere(); err != nil {
			return err
		}
	}
	// SQLite would make the file readable to all. O_EXCL: a file that exists
	// is never opened here, because closing it would drop SQLite's locks.
	f, err := owned.Open(l.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	if errors.Is(err, fs.ErrExist) {
		return l.oneName()
	}
	return l.explain(err)
}

// judgeFilesystem is what soundFilesystem says of a kind that it found in its
// table; kind is empty for every other.
func judgeFilesystem(dir, kind string) error {
	if kind == "" {
		return nil
	}
	return fmt.Errorf("%s is on %s: %w; keep the ledger on a local disk, for example: AEX_HOME=/var/tmp/aex-%d", dir, kind, ErrUnsound, os.Getuid())
}

// dsn names the database for SQLite. A plain name would lose its parameters.
func dsn(path, mode string, pragmas ...string) string {
	q := url.Values{"mode": {mode}, "_pragma": pragmas}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}
	if !filepath.IsAbs(path) {
		u.Path, u.Opaque = "", (&url.URL{Path: path}).EscapedPath()
	}
	return u.String()
}

// noRoomForIndex tells whether a disk is so full that SQLite cannot even make the
// index of its log.
func noRoomForIndex(err error) bool {
	var se *driver.Error
	return errors.As(err, &se) && se.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
}

// explain makes one clear line of what went wrong in opening or using the
// file, with the next step where there is one.
func (l *Ledger) explain(err error) error {
	if err != nil && l.server != nil {
		return l.explainServer(err)
	}
	if err == nil || errors.Is(err, ErrNewerSchema) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsound) || errors.Is(err, ErrHeld) {
		return err
	}
	if errors.Is(err, ErrPythonTwo) {
		return l.pythonTwo()
	}
	if was, is := errors.AsType[*Moved](err); is {
		return was
	}
	dir := filepath.Dir(l.path)
	say := func(format string, args ...any) error {
		return fmt.Errorf("ledger %s: "+format+": %w", append(append([]any{l.path}, args...), err)...)
	}
	var se *driver.Error
	if errors.As(err, &se) {
		if place, moved := refusedAsMoved(se); moved {
			return &Moved{Path: l.path, Place: place, Done: true}
		}
		if noRoomForIndex(err) {
			return say("the disk is full; free some space in %s", dir)
		}
		switch se.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%s is not an aex ledger (%w); move it away, or name another file with AEX_LEDGER", l.path, err)
		case sqlite3.SQLITE_CORRUPT:
			return fmt.Errorf("%w: %s; restore a backup (aex ledger backup makes them): %w", ErrCorrupt, l.path, err)
		case sqlite3.SQLITE_FULL:
			return say("the disk is full; free some space in %s", dir)
		case sqlite3.SQLITE_READONLY:
			return say("the file or its directory cannot be written; make %s yours, or name another with AEX_HOME", dir)
		case sqlite3.SQLITE_CANTOPEN:
			return say("it cannot be opened; is %s there, and yours to write?", dir)
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL: // who holds it may be stopped where SQLite does not expect it
			return l.holderOf(true)
		}
	}
	switch {
	case errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		return say("%s cannot be written; make it yours, or name another with AEX_HOME", dir)
	case errors.Is(err, unix.ENOTDIR):
		return say("a part of the path is a file; name another with AEX_HOME")
	case errors.Is(err, unix.ENOSPC):
		return say("the disk is full; free some space in %s", dir)
	case errors.Is(err, fs.ErrNotExist):
		return say("its directory is gone; make %s again", dir)
	}
	return say("using it")
}
