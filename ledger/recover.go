package ledger

import (
	"context"
	"time"
)

// recoveredKept is how long a recovered hold waits for its real cost.
const recoveredKept = 30 * 24 * time.Hour

// recoverDead settles in full the open holds of dead owners, ends their runs,
// and removes the files of owners that nothing names any more.
func (l *Ledger) recoverDead(ctx context.Context) error {
	for {
		if more, err := l.recoverSome(ctx); err != nil || !more {
			return err
		}
	}
}

// recoverSome is a turn of recoverDead, and tells whether there may be more to
// recover. Who dies between two turns leaves the rest as it was: to be recovered.
func (l *Ledger) recoverSome(ctx context.Context) (more bool, err error) {
	var named map[ownerID]bool
	err = l.commitOne(ctx, func(g *commitGroup) error {
		g.recoverDead()
		if more = g.moreDead; more {
			return g.err
		}
		named = g.namedOwners()
		g.exec(`DELETE FROM hold WHERE state = 'recovered' AND at < ?`, g.at-recoveredKept.Milliseconds())
		return g.err
	})
	if err != nil {
		return false, err
	}
	if more {
		return true, nil
	}
	return false, l.owner.clear(named)
}

// others tells whether anybody, dead or alive, has something open in the file, or a
// recovered hold waits for its real cost. It is asked before the writer starts.
func (s *sqlite) others(ctx context.Context) (is bool, err error) {
	err = s.conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM hold) OR EXISTS (SELECT 1 FROM run WHERE state <> 'ended')`).Scan(&is)
	return is, err
}

// watchOwners checks owners from time to time, so that what a process held when
// it died does not stay reserved for as long as others live.
func (l *Ledger) watchOwners() {
	tick := time.NewTicker(l.look)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
			l.checkOwners()
		}
	}
}

// checkOwners keeps this process's own lock file, and recovers what dead owners
// left. Errors stay for the writer to find: what it cannot read it cannot
// commit either, and then it breaks. A ledger that is closed leaves the rest to
// others.
func (l *Ledger) checkOwners() {
	_ = l.owner.keep()
	kept := time.Now()
	for more := l.anythingToRecover(); more && !l.closing(); {
		more, _ = l.recoverSome(context.Background())
		if time.Since(kept) >= l.look { // what is seen of the others must not grow old
			_ = l.owner.keep()
			kept = time.Now()
		}
	}
}

// closing tells whether Close was called.
func (l *Ledger) closing() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// anythingToRecover tells whether a turn is worth it: with 20,000 runs open at four
// gateways such a turn takes long, and all would wait for it every second. Old
// recovered holds are removed when the next ones are recovered.
func (l *Ledger) anythingToRecover() bool {
	ctx, stop := l.lookingOnce()
	defer stop()
	rs, err := l.read.QueryContext(ctx, namedOwners)
	if err != nil {
		return false
	}
	defer rs.Close()
	for rs.Next() {
		var id ownerID
		if rs.Scan(&id) == nil && id != l.owner.id() && l.owner.suspect(id) {
			return true
		}
	}
	return false
}

const namedOwners = `SELECT owner FROM hold WHERE state = 'open' UNION SELECT owner FROM run WHERE state <> 'ended'`

// namedOwners are the owners that an open hold or run names.
func (g *commitGroup) namedOwners() map[ownerID]bool {
	named := make(map[ownerID]bool)
	g.each(namedOwners, nil,
		func(scan func(...any) error) error {
			var id ownerID
			err := scan(&id)
			named[id] = true
			return err
		})
	return named
}

// recoverDead recovers a part of what dead owners left, once a group, and notes
// whether there may be more. It is asked for before a call is told that others
// hold what it needs.
func (g *commitGroup) recoverDead() (found bool) {
	if g.ownersSeen {
		return false
	}
	g.ownersSeen = true
	left := turnPart - g.endAdrift(turnPart)
	defer func() { g.moreDead = left <= 0 }()
	for id := range g.namedOwners() {
		if id == g.w.l.owner.id() || id == nobody || left <= 0 || g.err != nil {
			continue
		}
		gone, dead, err := g.w.l.owner.dead(id)
		g.fail(err)
		if dead {
			found = true
			left -= g.endOwner(id, left)
			if gone != nil {
				g.deadOwners = append(g.deadOwners, gone)
			}
		}
	}
	return found
}

// endOwner settles the holds of a dead owner in full and then ends its runs, as
// many as most, and returns how many. Remote runs are adrift.
func (g *commitGroup) endOwner(id ownerID, most int) int {
	holds := g.openHoldsWhere(`owner = ? AND state = 'open' ORDER BY n LIMIT ?`, int64(id), most+len(g.ended)) // of which the ended are not
	holds = holds[:min(len(holds), most)]
	g.recoverAll(holds, "owner died")
	runs := g.runsWhere(`owner = ? AND state <> 'ended' ORDER BY no LIMIT ?`, int64(id), most-len(holds))
	for _, r := range runs {
		switch {
		case g.err != nil:
			return most
		case r.remote:
			g.handOver(r, nobody, "run.adrift")
		default:
			g.endRun(r, RunEnd{Outcome: "lost"})
		}
	}
	return len(holds) + len(runs)
}

// endElsewhere settles in full what a silent gateway still holds for a run that it has
// lost: on a server nobody is known at once to be dead, and the run's end need not
// wait until it is. If that gateway settles after all, it books the difference.
func (g *commitGroup) endElsewhere(r *run) (found bool) {
	others, ok := g.w.l.owner.life.(*lease)
	if !ok {
		return false
	}
	for _, h := range g.openHoldsWhere(`run_no = ? AND owner <> ? AND state = 'open'`, r.no, int64(g.w.l.owner.id())) {
		if others.silent(h.key.owner) {
			g.recover(h, "its gateway is silent, and the run is over")
			found = true
		}
	}
	return found
}

// holdsOf lists the open holds of an owner that are in the file.
func (g *commitGroup) holdsOf(id ownerID) []*hold {
	return g.openHoldsWhere(`owner = ? AND state = 'open'`, int64(id))
}

func (g *commitGroup) openHoldsWhere(where string, args ...any) []*hold {
	var holds []*hold
	g.each(`SELECT `+holdColumns+` FROM hold WHERE `+where, args, func(scan func(...any) error) error {
		h, err := scanHold(scan)
		if err != nil {
			return err
		}
		if kept := g.rows.holds[h.key]; kept != nil {
			h = kept
		}
		if !h.ended && !h.recovered {
			holds = append(holds, h)
		}
		return nil
	})
	return holds
}

// recoverAll recovers holds. It loads their runs and accounts together, because there
// may be thousands, and everybody waits for the turn.
func (g *commitGroup) recoverAll(holds []*hold, why string) {
	ops := make([]*op, len(holds))
	for i, h := range holds {
		ops[i] = &op{hold: h.key}
	}
	g.fail(g.w.engine.load(g, ops))
	for _, h := range holds {
		if kept := g.rows.holds[h.key]; kept != nil {
			h = kept
		}
		g.recover(h, why)
	}
}

// recover books a hold in full. Its row stays, because its real cost may still
// come.
func (g *commitGroup) recover(h *hold, why string) {
	if g.err != nil {
		return
	}
	path := g.holdPath(h)
	over := overruns{}
	for _, acc := range path {
		g.touch(acc)
		o, err := acc.settle(h.amount, h.amount)
		g.fail(err)
		over.add(acc, o)
	}
	if g.rows.open != nil {
		g.rows.open[h.agent]--
	}
	h.recovered = true
	g.exec(`UPDATE hold SET state = 'recovered' WHERE owner = ? AND n = ? AND state = 'open'`, int64(h.key.owner), h.key.n)
	ag, r := g.holder(h)
	if g.err != nil {
		return
	}
	g.event("usage.recovered", ag, r.name(), func(e *line) {
		e.cost(h.amount, h, path)
		e.text("hold", string(h.key.id()))
		e.number("held_micro", int64(h.amount))
		e.number("held_at", h.at)
		e.text("how", "recovered")
		e.text("reason", why)
		e.call(h.call)
	})
	g.book(r, h.amount)
	g.tallyCall(h, Settlement{}, 1, h.amount, doubt{1, h.amount})
	g.overrun(ag, r, h.key, over)
	g.recovered = append(g.recovered, Recovered{h.key.id(), ag.name, r.name(), h.amount})
}

// release frees the locks of dead owners, after the commit.
func (g *commitGroup) release() {
	if g == nil {
		return
	}
	for _, f := range g.deadOwners {
		_ = f.Close() // nothing was written to it
	}
	g.deadOwners = nil
}

// remember keeps what was recovered for Recovered, the newest thousand.
func (l *Ledger) remember(r []Recovered) {
	if len(r) == 0 {
		return
	}
	l.recoveredMu.Lock()
	defer l.recoveredMu.Unlock()
	l.recovered = append(l.recovered, r...)
	if extra := len(l.recovered) - 1000; extra > 0 {
		l.recovered = append([]Recovered(nil), l.recovered[extra:]...)
	}
}

// Sweep settles in full every hold of this process that no call owns, and returns
// them. It does so only for a hold that two Sweeps in a row found without an owner,
// because a hold is on disk a moment before its caller has it: call Sweep from one
// place, some seconds apart.
func (l *Ledger) Sweep(ctx context.Context, owned func(HoldID) bool) ([]Recovered, error) {
	var swept []Recovered
	var suspects map[holdKey]bool
	err := l.commitOne(ctx, func(g *commitGroup) error {
		before := len(g.recovered)
		suspects = make(map[holdKey]bool)
		var orphans []*hold
		for _, h := range g.holdsOf(g.w.l.owner.id()) {
			switch {
			case owned(h.key.id()):
			case g.w.suspects[h.key] && len(orphans) < turnPart: // the next Sweep has the rest
				orphans = append(orphans, h)
			default:
				suspects[h.key] = true
			}
		}
		g.recoverAll(orphans, "no call owns it")
		swept = append([]Recovered(nil), g.recovered[before:]...)
		g.suspects = suspects
		return g.err
	})
	return swept, err
}
