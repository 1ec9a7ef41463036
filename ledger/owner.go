package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/owned"
)

// ownerID names one life of one process that uses the ledger. It is random
// and never zero.
type ownerID int64

func (id ownerID) String() string { return strconv.FormatInt(int64(id), 36) }

// owner is this process, as the others see it.
type owner struct {
	current atomic.Int64 // ownerID
	life
}

func (o *owner) id() ownerID { return ownerID(o.current.Load()) }

// life is how the processes of a ledger tell which of them are alive.
type life interface {
	// keep shows the others that this process lives. It is called every recoverEvery.
	keep() error
	// dead tells whether another owner is dead. gone, which may be nil, is to be
	// closed when what that owner left has been recovered.
	dead(id ownerID) (gone io.Closer, dead bool, err error)
	// suspect tells without a turn whether an owner may be dead.
	suspect(id ownerID) bool
	// clear forgets the dead whom nothing names any more.
	clear(named map[ownerID]bool) error
	close() error
}

// newOwnerID is random, so that no two processes ever have the same one.
func (l *Ledger) newOwnerID() (ownerID, error) {
	b, err := l.random(8)
	if err != nil {
		return 0, err
	}
	return ownerID(binary.BigEndian.Uint64(b)>>1 | 1<<40), nil
}

// ownerFile is this process's own lock file: while the process lives its flock
// is held, and the kernel frees it at the moment of its death, however it dies.
type ownerFile struct {
	l    *Ledger
	path string

	mu   sync.Mutex
	file *os.File
}

// ownersPath is where the lock files are: beside the database, so that all who
// can open it see the same ones, whatever their homes are.
func (l *Ledger) ownersPath() string { return l.path + ".owners" }

func newOwner(l *Ledger) (*owner, error) {
	id, err := l.newOwnerID()
	if err != nil {
		return nil, err
	}
	f := &ownerFile{l: l, path: filepath.Join(l.ownersPath(), id.String())}
	if f.file, err = makeOwnerFile(f.path); err != nil {
		return nil, err
	}
	o := &owner{life: f}
	o.current.Store(int64(id))
	return o, nil
}

// makeOwnerFile makes the file under a name that begins with a dot, and locks it
// before it gets its own name, so that nobody ever sees it unlocked. A process that
// clears the directory may remove it before it is locked: then it is made again.
func makeOwnerFile(path string) (*os.File, error) {
	making := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path))
	for range 10 {
		f, err := owned.Open(making, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		free, err := tryLockFile(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", making, err), f.Close())
		}
		if !free { // a process that clears the directory has it, and may be stopped
			if err := errors.Join(f.Close(), os.Remove(making)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			continue
		}
		err = os.Rename(making, path)
		if err == nil && linked(f) {
			return f, nil
		}
		if closeErr := f.Close(); closeErr != nil {
			return nil, closeErr
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("making %s: it is removed again and again", path)
}

// linked reports whether an open file still has a name.
func linked(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && st.Nlink > 0
}

// keep makes the owner's file again if somebody removed it; without it others
// would take this process for dead.
func (o *ownerFile) keep() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil || linked(o.file) {
		return nil
	}
	if err := owned.MkdirAll(filepath.Dir(o.path), 0o700); err != nil {
		return err
	}
	f, err := makeOwnerFile(o.path)
	if err != nil {
		return err
	}
	old := o.file
	o.file = f
	return old.Close()
}

// close leaves the file behind. Whoever clears the directory removes it when no open
// hold or run names it any more.
func (o *ownerFile) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}

func (o *ownerFile) dead(id ownerID) (io.Closer, bool, error) {
	f, dead, err := o.l.deadFile(id)
	if f == nil {
		return nil, dead, err
	}
	return f, dead, err
}

func (o *ownerFile) suspect(ownerID) bool { return true } // only its file tells, and only a process that has the turn may lock that

func (o *ownerFile) clear(named map[ownerID]bool) error { return o.l.clearOwners(named) }

// deadFile tells whether an owner is dead. If so, the caller holds its lock until it
// closes file, so that nobody else recovers the same owner meanwhile. An owner without
// a file is dead: living ones make theirs again.
func (l *Ledger) deadFile(id ownerID) (file *os.File, dead bool, err error) {
	f, err := os.OpenFile(filepath.Join(l.ownersPath(), id.String()), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("looking whether an owner lives: %w", err)
	}
	free, err := tryLockFile(f)
	if err != nil || !free {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, true, nil
}

// clearOwners removes the files of dead owners that nothing names any more.
func (l *Ledger) clearOwners(named map[ownerID]bool) error {
	dir := l.ownersPath()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		making := strings.HasPrefix(e.Name(), ".new-")
		id, err := strconv.ParseInt(strings.TrimPrefix(e.Name(), ".new-"), 36, 64)
		if err != nil || ownerID(id) == l.owner.id() || !making && named[ownerID(id)] {
			continue
		}
		errs = append(errs, removeUnlocked(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

// livingOwners counts the other processes that have the ledger open.
func (l *Ledger) livingOwners() (n int, err error) {
	entries, err := os.ReadDir(l.ownersPath())
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		id, err := strconv.ParseInt(e.Name(), 36, 64)
		if err != nil || ownerID(id) == l.owner.id() {
			continue
		}
		file, dead, err := l.deadFile(ownerID(id))
		if file != nil {
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			return 0, err
		}
		if !dead {
			n++
		}
	}
	return n, nil
}

func removeUnlocked(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	free, err := tryLockFile(f)
	if free {
		err = os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	return errors.Join(err, f.Close())
}
