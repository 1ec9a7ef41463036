package ledger

import (
	"bytes"
	"fmt"
)

// endOfTrail reads the last event, and the event that now stands where the last one
// that this process knows of stood: nothing where that has been folded.
const endOfTrail = `SELECT seq, hash, (SELECT hash FROM event_log WHERE seq = ?) FROM event_log ORDER BY seq DESC LIMIT 1`

// last is the end of the trail.
func (g *commitGroup) last() mark {
	if !g.rows.lastRead {
		var end mark
		var hash, there []byte
		g.query(endOfTrail, []any{g.w.known.seq}, &end.seq, &hash, &there)
		copy(end.hash[:], hash)
		g.tookEnd(end, there)
	}
	return g.rows.last
}

// tookEnd notes the end of the trail as it was read. What this process knows to be
// durable must still be there: even if somebody cut off or changed the trail, with
// everything that would show it, a process that has seen it notices.
func (g *commitGroup) tookEnd(end mark, there []byte) {
	known := g.w.known
	switch {
	case g.err != nil:
		return
	case end.seq < known.seq:
		g.fail(fmt.Errorf("%w: events %d to %d are lost, which were there while this aex was running", ErrCorrupt, end.seq+1, known.seq))
	case there != nil && !bytes.Equal(there, known.hash[:]):
		g.fail(fmt.Errorf("%w: event %d is not the one that was written while this aex was running", ErrCorrupt, known.seq))
	}
	g.rows.last, g.rows.lastRead = end, g.err == nil
}

// know notes what is durable, now that a group has been committed.
func (w *writer) know(g *commitGroup) {
	if g.committing && g.rows.lastRead && g.rows.last.seq >= w.known.seq {
		w.known = g.rows.last
	}
}
