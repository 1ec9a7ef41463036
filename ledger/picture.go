package ledger

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A process can be stopped at a place where SQLite lets nobody read: after it has
// changed one of the two copies of the log's head and before the other, where readers
// try for ten seconds and give up; while it recovers the log; or while it closes the
// file as the last one that has it open. Nothing changes meanwhile. So readers take a
// picture: they copy the file and its log, and read the copy, in which SQLite finds by
// itself what is committed.

const (
	logHead    = 48         // bytes of each copy of the head, at the beginning of the -shm file
	walRecover = 122        // the byte of that file that is locked by whoever recovers the log
	walBegin   = 128        // and the one that is locked by the first to open it
	sharedLock = 0x40000002 // the first of the bytes of the database that every reader locks
	sharedSize = 510

	barredFor  = 100 * time.Millisecond // after which the process that bars the way is taken for stopped
	barredLook = 5 * time.Millisecond
)

// bar is what there is to see of a ledger that cannot be read: as long as that
// stays the same, nothing changes.
type bar struct {
	torn   bool
	closed bool // somebody has a lock that keeps readers out
	heads  [2 * logHead]byte
	files  [2]stamp
}

func (b bar) isThere() bool { return b.torn || b.closed }

// stamp changes with a file.
type stamp struct {
	id   fileID
	size int64
	at   time.Time
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	id, err := identify(path)
	if err != nil {
		return stamp{}
	}
	return stamp{id, info.Size(), info.ModTime()}
}

// lookAt sees whether the ledger can be read. In doubt it can.
func lookAt(path string) (b bar) {
	if f, err := openBeside(path + "-shm"); err == nil {
		if _, err := f.ReadAt(b.heads[:], 0); err == nil {
			b.torn = [logHead]byte(b.heads[:logHead]) != [logHead]byte(b.heads[logHead:])
		}
		b.closed = lockedElsewhere(f, walRecover, 1) || lockedElsewhere(f, walBegin, 1)
	}
	if f, err := openBeside(path); err == nil {
		b.closed = b.closed || lockedElsewhere(f, sharedLock, sharedSize)
	}
	if b.isThere() {
		b.files = [2]stamp{stampOf(path), stampOf(path + "-wal")}
	}
	return b
}

// lockedElsewhere tells whether another process has a lock that shuts readers out.
func lockedElsewhere(f *os.File, start, size int64) bool {
	lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: start, Len: size}
	err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// beside are SQLite's files that this process has opened by itself. To close one would
// drop the locks that SQLite has on it in this process, so they stay open for as long
// as the process lasts; there are only a few.
var beside struct {
	mu    sync.Mutex
	files map[fileID]*os.File
}

// besideMax bounds them: a process has one ledger, or a few.
const besideMax = 64

var errBeside = errors.New("too many files are open beside SQLite")

func openBeside(path string) (*os.File, error) {
	id, err := identify(path)
	if err != nil {
		return nil, err
	}
	beside.mu.Lock()
	defer beside.mu.Unlock()
	if f := beside.files[id]; f != nil {
		return f, nil
	}
	if len(beside.files) >= besideMax && !forgetGone() {
		return nil, errBeside
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	if beside.files == nil {
		beside.files = map[fileID]*os.File{}
	}
	beside.files[id] = f
	return f, nil
}

// forgetGone closes the files that have no name any more, and tells whether that
// made room. Nobody else can find those by their locks.
func forgetGone() bool {
	for id, f := range beside.files {
		var st unix.Stat_t
		if unix.Fstat(int(f.Fd()), &st) == nil && st.Nlink == 0 {
			_ = f.Close() // it was only read
			delete(beside.files, id)
		}
	}
	return len(beside.files) < besideMax
}

// picture is a copy of a ledger that is read in its place.
type picture struct {
	of  bar
	dir string
	db  *sql.DB
}

// still is a picture to read instead of the ledger, or nil: it can be read.
func (r *readers) still() *sql.DB {
	if r.path == "" { // on a server
		return nil
	}
	now := lookAt(r.path)
	if !now.isThere() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.picture; p != nil && p.of == now {
		return p.db
	}
	for end := time.Now().Add(barredFor); time.Now().Before(end); time.Sleep(barredLook) {
		if lookAt(r.path) != now {
			return nil
		}
	}
	p, err := takePicture(r.path, now)
	if err != nil {
		return nil // then the ledger itself says what is wrong
	}
	if r.picture != nil {
		r.old = append(r.old, r.picture)
	}
	r.picture = p
	return p.db
}

// takePicture copies a ledger for as long as nobody changes it.
func takePicture(path string, now bar) (_ *picture, err error) {
	p := &picture{of: now}
	if p.dir, err = os.MkdirTemp("", "aex-picture-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(p.dir) // the temporary directory is cleaned up by others, too
		}
	}()
	copied := filepath.Join(p.dir, "aex.db")
	for _, suffix := range []string{"-wal", ""} {
		if err := copyBeside(path+suffix, copied+suffix); err != nil && !(suffix != "" && errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
	}
	if lookAt(path) != now {
		return nil, errors.New("the ledger has changed meanwhile")
	}
	p.db, err = openPool(copied)
	return p, err
}

func copyBeside(from, to string) error {
	in, err := openBeside(from)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	info, err := in.Stat()
	if err == nil {
		_, err = io.Copy(out, io.NewSectionReader(in, 0, info.Size()))
	}
	return errors.Join(err, out.Close())
}

func (p *picture) close() error { return errors.Join(p.db.Close(), os.RemoveAll(p.dir)) }

// Close closes the pictures, too.
func (r *readers) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := []error{r.DB.Close()}
	if r.picture != nil {
		r.old = append(r.old, r.picture)
	}
	for _, p := range r.old {
		errs = append(errs, p.close())
	}
	r.picture, r.old = nil, nil
	return errors.Join(errs...)
}

// BeginTx is that of sql.DB.
func (r *readers) BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	if db := r.still(); db != nil {
		return db.BeginTx(ctx, o)
	}
	return r.DB.BeginTx(ctx, o)
}

// Conn is that of sql.DB.
func (r *readers) Conn(ctx context.Context) (*sql.Conn, error) {
	if db := r.still(); db != nil {
		return db.Conn(ctx)
	}
	return r.DB.Conn(ctx)
}
