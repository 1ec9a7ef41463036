package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
)

// check refuses a database that is behind its head, or that lies where the head
// knows another ledger.
func (h *headFile) check(ctx context.Context, db querier) error {
	lines, err := readHead(h.path)
	if err != nil {
		return err
	}
	if err := h.l.missing(lines, h.l.id); err != nil {
		return err
	}
	was, known := lines.of(h.l.path, h.l.id)
	if !known {
		return nil
	}
	why, err := behindHead(ctx, db, was)
	if err != nil {
		return h.l.explain(err)
	}
	if why != "" {
		if was.path != h.l.path {
			why += "; it was last used at " + was.path
		}
		return fmt.Errorf("%w: %s: %s; put back the newer file, or, if an older copy is meant to be used, remove %s and run aex audit",
			ErrCorrupt, h.l.path, why, h.path)
	}
	if h.l.write != nil {
		h.l.write.known = was.mark
	}
	if was.path != h.l.path { // it has moved
		h.moved.Store(true)
	}
	return nil
}

// missing tells of a ledger that the head knows at this path and that is gone. found
// is the id of the ledger that is there now, "" for none.
func (l *Ledger) missing(lines headLines, found string) error {
	was, known := lines[l.path]
	if !known || was.id == found {
		return nil
	}
	what := "is gone"
	if found != "" {
		what = "is another ledger"
	}
	return fmt.Errorf("%w: %s %s: a ledger of %d events and %d calls was there; put it back (with its -wal file, if it has one) or restore a backup, or, to go on without it, remove %s",
		ErrCorrupt, l.path, what, was.seq, was.calls, headPath(l.home))
}

// missingHere is missing where there is no ledger yet.
func (l *Ledger) missingHere() error {
	lines, err := readHead(headPath(l.home))
	if err != nil {
		return err
	}
	return l.missing(lines, "")
}

// behindHead says what a ledger lacks of what its head tells, "" for nothing. The
// head must have been read before the snapshot that db reads: a ledger in use goes
// on, and its head with it.
func behindHead(ctx context.Context, db querier, head headLine) (string, error) {
	var hash []byte
	var last, calls sql.NullInt64
	if err := db.QueryRowContext(ctx, `SELECT max(seq), (SELECT hash FROM event_log WHERE seq = ?), `+callsEver+` FROM event_log`, head.seq).
		Scan(&last, &hash, &calls); err != nil {
		return "", err
	}
	switch {
	case last.Int64 < head.seq:
		return fmt.Sprintf("events %d to %d are lost", last.Int64+1, head.seq), nil
	case hash != nil && !bytes.Equal(hash, head.hash[:]):
		return fmt.Sprintf("event %d is not the one that was written", head.seq), nil
	case calls.Int64 < head.calls:
		return fmt.Sprintf("the holds of %d calls are lost", head.calls-calls.Int64), nil
	}
	return "", nil
}
