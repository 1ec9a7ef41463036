package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/whole"
)

// chainHash is one link: SHA-256 of the link before and the event's body.
type chainHash [32]byte

// mark is a place in the chain.
type mark struct {
	seq  int64
	hash chainHash
}

// headLine is how far a ledger had come: the end of its trail, how many calls it had
// ever let through (the trail does not tell of a hold before it ends), and its path.
type headLine struct {
	id string // of the ledger
	mark
	calls int64
	path  string
}

// headLines are the lines of a home, by path: a copy of a ledger has its own.
type headLines map[string]headLine

// headFile keeps a headLine of every ledger outside the database. It may lag
// behind one, because it is written after the commit and not each time; it
// never leads. A database behind it has lost something.
type headFile struct {
	l     *Ledger
	path  string
	moved atomic.Bool // since it was stored
	wake  chan struct{}
	ended chan struct{}
}

// headEvery bounds how far the head lags behind in a busy process.
const headEvery = 200 * time.Millisecond

func headPath(home string) string { return filepath.Join(home, "head") }

func openHead(l *Ledger) *headFile {
	h := &headFile{l: l, path: headPath(l.home), wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go h.follow()
	return h
}

// advance says that something was committed, to be noted soon.
func (h *headFile) advance() {
	h.moved.Store(true)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// follow notes the newest place headEvery after something was committed, by
// when a short run is over and Close notes it. An error is not told: the file
// may lag, and Close tries again and tells.
func (h *headFile) follow() {
	defer close(h.ended)
	for {
		select {
		case <-h.l.done:
			return
		case <-h.wake:
		}
		pause := time.NewTimer(headEvery)
		select {
		case <-h.l.done:
			pause.Stop()
			return
		case <-pause.C:
		}
		h.l.still.RLock()
		_ = h.store(h.l.read)
		h.l.still.RUnlock()
	}
}

// close ends follow and writes the line of this ledger for the last time.
func (h *headFile) close() error {
	select {
	case <-h.l.done:
	default: // Open failed half-way; nothing else will end follow.
		close(h.l.done)
	}
	<-h.ended
	db := querier(h.l.read)
	if h.l.write != nil {
		if file, ok := h.l.write.engine.(*sqlite); ok && file.conn != nil {
			db = file.conn // the writer has stopped
		}
	}
	err := h.store(db)
	if errors.Is(err, errHeadHeld) {
		return nil // it lags behind until the next command that writes
	}
	return err
}

// store writes the line of this ledger, if anything was committed since it was
// last written.
func (h *headFile) store(db querier) error {
	if !h.moved.Swap(false) {
		return nil
	}
	if err := h.readAndWrite(db); err != nil {
		h.moved.Store(true)
		return fmt.Errorf("writing the head: %w", err)
	}
	return nil
}

// readAndWrite reads where the ledger is when it has the lock, so that no
// process puts back what another has written.
func (h *headFile) readAndWrite(db querier) error {
	return h.locked(func() error {
		ctx, stop := h.l.lookingOnce()
		defer stop()
		lines, err := readHead(h.path)
		if err != nil {
			return err
		}
		now, err := h.l.place(ctx, db)
		if err != nil {
			return h.l.explain(err)
		}
		if was := lines[now.path]; was.id == now.id {
			if why, err := behindHead(ctx, db, was); err != nil || why != "" {
				return h.l.explain(err) // what is known stays, for whoever looks next to tell
			}
		}
		return h.write(now)
	})
}

// locked does what nobody else does to the file meanwhile.
func (h *headFile) locked(do func() error) error {
	lock, err := owned.Open(h.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // frees the lock; nothing was written to it
	if free, err := h.take(lock); err != nil {
		return err
	} else if !free {
		return errHeadHeld
	}
	return do()
}

// headPatience is how long a process waits for another one that is writing the file.
// One that was stopped while it wrote keeps nobody waiting: the file may lag behind.
const headPatience = time.Second

var errHeadHeld = errors.New("another process is writing it")

func (h *headFile) take(lock *os.File) (free bool, err error) {
	for end := time.Now().Add(headPatience); ; time.Sleep(time.Millisecond) {
		if free, err = tryLockFile(lock); free || err != nil || time.Now().After(end) {
			return free, err
		}
	}
}

// write puts the line of this ledger among those of the others, unless a newer
// one is there.
func (h *headFile) write(now headLine) error {
	lines, err := readHead(h.path)
	if err != nil {
		return err
	}
	if was := lines[now.path]; now.seq == 0 || was == now || was.id == now.id && was.seq > now.seq {
		return nil
	}
	for path := range lines {
		if lines.moved(path, now.id) {
			delete(lines, path)
		}
	}
	lines[now.path] = now
	var out bytes.Buffer
	for _, m := range lines {
		fmt.Fprintf(&out, "%s %d %s %d %q\n", m.id, m.seq, hex.EncodeToString(m.hash[:]), m.calls, m.path)
	}
	next := h.path + ".new"
	if err := owned.Write(next, out.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(next, h.path)
}

// callsEver counts the calls that were ever let through. It never goes back.
const callsEver = `(SELECT coalesce(sum(calls), 0) FROM account WHERE kind = 'agent')`

// place is where the ledger is now; its seq is 0 before the first event.
func (l *Ledger) place(ctx context.Context, db querier) (headLine, error) {
	now := headLine{id: l.id, path: l.path}
	var hash []byte
	err := db.QueryRowContext(ctx, `SELECT seq, hash, `+callsEver+` FROM event_log WHERE (SELECT id FROM ledger) = ? ORDER BY seq DESC LIMIT 1`, l.id).
		Scan(&now.seq, &hash, &now.calls)
	if errors.Is(err, sql.ErrNoRows) {
		return now, nil
	}
	copy(now.hash[:], hash)
	return now, err
}

// moved tells whether a ledger was at a path where nothing is any more.
func (lines headLines) moved(path, id string) bool {
	if lines[path].id != id || OnServer(path) {
		return false
	}
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// of is the newest line of a ledger: that of its path, or of the path that it has
// moved from. For a copy none is known while the original is still in its place: the
// copy may be older.
func (lines headLines) of(path, id string) (was headLine, known bool) {
	if was, known = lines[path]; known && was.id == id {
		return was, true
	}
	known = false
	for p, line := range lines {
		if lines.moved(p, id) && line.seq >= was.seq {
			was, known = line, true
		}
	}
	return was, known
}

const maxHead = 16 << 20 // thousands of ledgers

// readHead reads the lines. Lines that do not parse are left
// out: they prove nothing.
func readHead(path string) (headLines, error) {
	lines := make(headLines)
	b, err := whole.ReadFile(path, maxHead)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the head: %w", err)
	}
	for text := range strings.SplitSeq(string(b), "\n") {
		f := strings.SplitN(text, " ", 5)
		if len(f) != 5 {
			continue
		}
		seq, seqErr := strconv.ParseInt(f[1], 10, 64)
		raw, hexErr := hex.DecodeString(f[2])
		calls, callsErr := strconv.ParseInt(f[3], 10, 64)
		path, pathErr := strconv.Unquote(f[4])
		if errors.Join(seqErr, hexErr, callsErr, pathErr) != nil || len(raw) != len(chainHash{}) {
			continue
		}
		lines[path] = headLine{f[0], mark{seq, chainHash(raw)}, calls, path}
	}
	return lines, nil
}
