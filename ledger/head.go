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
	"sync"
	"time"
)

// chainHash is one link: SHA-256 of the link before and the event's body.
type chainHash [32]byte

// mark is a place in the chain.
type mark struct {
	seq  int64
	hash chainHash
}

// headFile remembers outside the database how far the trail has come: one
// line a ledger, "id seq hash". It may lag behind the database, because it is
// written after the commit and not each time; it never leads. A database
// behind it has lost events.
type headFile struct {
	l    *Ledger
	path string

	mu     sync.Mutex
	latest mark // committed
	wake   chan struct{}
	ended  chan struct{}
}

// headEvery bounds how far the head lags behind in a busy process.
const headEvery = 200 * time.Millisecond

func headPath(home string) string { return filepath.Join(home, "head") }

func openHead(l *Ledger) (*headFile, error) {
	h := &headFile{l: l, path: headPath(l.home), wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go h.follow()
	return h, nil
}

// advance notes a committed place, to be written soon.
func (h *headFile) advance(m mark) {
	h.mu.Lock()
	h.latest = m
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// follow writes the newest place at most every headEvery. An error is not
// told: the file may lag, and Close tries again and tells.
func (h *headFile) follow() {
	defer close(h.ended)
	for {
		select {
		case <-h.l.done:
			return
		case <-h.wake:
		}
		_ = h.store()
		pause := time.NewTimer(headEvery)
		select {
		case <-h.l.done:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

func (h *headFile) close() error {
	select {
	case <-h.l.done:
	default: // Open failed half-way; nothing else will end follow.
		close(h.l.done)
	}
	<-h.ended
	return h.store()
}

// store writes the line of this ledger unless the file is already further.
func (h *headFile) store() error {
	h.mu.Lock()
	m := h.latest
	h.mu.Unlock()
	if m.seq == 0 {
		return nil
	}
	lock, err := os.OpenFile(h.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("writing the head: %w", err)
	}
	defer lock.Close() // frees the lock; nothing was written to it
	if err := lockFile(lock); err != nil {
		return fmt.Errorf("locking the head: %w", err)
	}
	lines, err := readHead(h.path)
	if err != nil {
		return err
	}
	if lines[h.l.id].seq >= m.seq {
		return nil
	}
	lines[h.l.id] = m
	var out bytes.Buffer
	for id, m := range lines {
		fmt.Fprintf(&out, "%s %d %s\n", id, m.seq, hex.EncodeToString(m.hash[:]))
	}
	next := h.path + ".new"
	if err := os.WriteFile(next, out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the head: %w", err)
	}
	return os.Rename(next, h.path)
}

// readHead reads the places by ledger id. Lines that do not parse are left
// out: they prove nothing.
func readHead(path string) (map[string]mark, error) {
	lines := make(map[string]mark)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the head: %w", err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		seq, err := strconv.ParseInt(f[1], 10, 64)
		raw, hexErr := hex.DecodeString(f[2])
		if err != nil || hexErr != nil || len(raw) != len(chainHash{}) {
			continue
		}
		lines[f[0]] = mark{seq, chainHash(raw)}
	}
	return lines, nil
}

// check refuses a database that is behind its head.
func (h *headFile) check(ctx context.Context) error {
	lines, err := readHead(h.path)
	if err != nil {
		return err
	}
	why, err := behindHead(ctx, h.l.read, lines, h.l.id)
	if err != nil {
		return h.l.explain(err)
	}
	if why != "" {
		return fmt.Errorf("%w: %s: %s; put back the newer file, or, if an older copy is meant to be used, remove %s and run aex audit",
			ErrCorrupt, h.l.path, why, h.path)
	}
	return nil
}

// behindHead says in what the trail differs from its head, "" if in nothing.
// lines must have been read before the snapshot that db reads began: while the
// ledger is in use the head moves on.
func behindHead(ctx context.Context, db querier, lines map[string]mark, ledger string) (string, error) {
	head, known := lines[ledger]
	if !known {
		return "", nil
	}
	var hash []byte
	var last sql.NullInt64
	if err := db.QueryRowContext(ctx, `SELECT max(seq), (SELECT hash FROM event_log WHERE seq = ?) FROM event_log`, head.seq).
		Scan(&last, &hash); err != nil {
		return "", err
	}
	switch {
	case last.Int64 < head.seq:
		return fmt.Sprintf("events %d to %d are lost", last.Int64+1, head.seq), nil
	case hash != nil && !bytes.Equal(hash, head.hash[:]):
		return fmt.Sprintf("event %d is not the one that was written", head.seq), nil
	}
	return "", nil
}
