package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrHeld reports that another process has kept the ledger for longer than this one
// waits. Nothing was done, and the operation may be tried again. It comes with a
// *Holder.
var ErrHeld = errors.New("the ledger is held by another process")

// Holder is a process that keeps others from writing: it has begun a turn, or a
// transaction, and does not end it.
type Holder struct {
	Path    string // of the ledger
	PID     int    // 0: not known
	Name    string // "aex run"; "": not known
	Host    string // where PID counts, if that is another machine or container
	Stopped bool
}

func (h *Holder) Error() string {
	who := cmp.Or(h.Name, "another program")
	switch {
	case h.Host != "":
		who += fmt.Sprintf(" (process %d on %s)", h.PID, h.Host)
	case h.PID != 0 && h.Stopped:
		who += fmt.Sprintf(" (process %d, which is stopped)", h.PID)
	case h.PID != 0:
		who += fmt.Sprintf(" (process %d)", h.PID)
	}
	return fmt.Sprintf("ledger %s: %s has held it for %s", h.Path, who, patience)
}

func (h *Holder) Unwrap() error { return ErrHeld }

// Hint is what lets the others go on.
func (h *Holder) Hint() string {
	switch {
	case h.Host != "":
		return "continue it or end it there"
	case h.PID == 0:
		return "find it with fuser " + h.Path + " " + h.Path + ".lock, and continue it or end it"
	case h.Stopped:
		return fmt.Sprintf("continue it with fg or kill -CONT %d, or end it with kill -KILL %d", h.PID, h.PID)
	}
	return fmt.Sprintf("wait for it, or end it with kill %d", h.PID)
}

// ownName is what this process is to others.
func ownName() string {
	name := filepath.Base(os.Args[0])
	if len(os.Args) > 1 && strings.Trim(os.Args[1], "abcdefghijklmnopqrstuvwxyz") == "" {
		name += " " + os.Args[1]
	}
	return name
}

// noteMax bounds a holder's note: its pid, its name and its host in a line.
const noteMax = 200

func ownNote() []byte {
	host, _ := os.Hostname() // only to tell
	note := fmt.Appendf(nil, "%d\t%.80s\t%.80s\n", os.Getpid(), ownName(), host)
	return note[:min(len(note), noteMax)]
}

// sign writes into the lock file which process has it, unless that is written there already:
// what /proc/locks says does not reach across containers. It only serves messages,
// so that nothing depends on whether it can be written.
func sign(f *os.File, note []byte) {
	var there [noteMax]byte
	n, _ := f.ReadAt(there[:], 0)
	if !bytes.HasPrefix(there[:n], note) {
		_, _ = f.WriteAt(note, 0)
	}
}

// walWriteLock is the byte of the -shm file whose lock is SQLite's right to
// write.
const walWriteLock = 120

// holderOf finds the process that has the lock file, or with sqlite the right to write
// in the database itself.
func (l *Ledger) holderOf(sqlite bool) *Holder {
	h := &Holder{Path: l.path}
	if sqlite {
		for _, at := range []uint64{walWriteLock, walRecover, walBegin} {
			h.PID = cmp.Or(h.PID, lockedBy(l.path+"-shm", "POSIX", at))
		}
		h.PID = cmp.Or(h.PID, lockedBy(l.path, "POSIX", sharedLock)) // it closes the file
	} else {
		h.PID = lockedBy(l.path+".lock", "FLOCK", 0)
		h.readNote()
	}
	if h.PID != 0 && h.Host == "" {
		h.look()
	}
	return h
}

// readNote takes what the holder has written of itself, unless the kernel names
// another.
func (h *Holder) readNote() {
	f, err := os.OpenFile(h.Path+".lock", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close() // it was only read, and a flock goes by the open file
	var b [noteMax]byte
	n, _ := f.ReadAt(b[:], 0)
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	part := strings.Split(line, "\t")
	if len(part) != 3 {
		return
	}
	pid, err := strconv.Atoi(part[0])
	host, _ := os.Hostname()
	switch {
	case err != nil || h.PID != 0 && h.PID != pid:
		return
	case h.PID == 0 && (part[2] != host || unix.Kill(pid, 0) == unix.ESRCH):
		h.Host = part[2]
	}
	h.PID, h.Name = pid, part[1]
}

// look asks the kernel for the name and the state of the process.
func (h *Holder) look() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.PID))
	if err != nil {
		return
	}
	_, after, _ := strings.Cut(string(b), "(")
	end := strings.LastIndex(after, ") ")
	if end < 0 || end+2 >= len(after) {
		return
	}
	h.Name = cmp.Or(h.Name, after[:end])
	h.Stopped = after[end+2] == 'T' || after[end+2] == 't'
}

// lockedBy is the process that has a lock of that kind on a byte of the file,
// as the kernel lists them; 0 where it does not tell. The file is not opened:
// to close it would drop the locks of SQLite in this process.
func lockedBy(path, kind string, at uint64) (pid int) {
	id, err := identify(path)
	if err != nil {
		return 0
	}
	b, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		// 1: POSIX  ADVISORY  WRITE 1234 fe:01:5678 120 120
		f := strings.Fields(line)
		if len(f) != 8 || f[1] != kind || f[3] != "WRITE" {
			continue
		}
		inode := f[5][strings.LastIndex(f[5], ":")+1:]
		first, _ := strconv.ParseUint(f[6], 10, 64)
		last, err := strconv.ParseUint(f[7], 10, 64)
		if inode != strconv.FormatUint(id.ino, 10) || at < first || err == nil && at > last {
			continue
		}
		if pid, err = strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}
