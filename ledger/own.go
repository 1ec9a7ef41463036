package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrChanged reports that the ledger's file is not what this process wrote.
var ErrChanged = errors.New("the ledger was changed by something other than aex")

// ownCosts are what this process itself has booked, by run that is in no other,
// to be compared with the file at the run's end. A program under the same user can write that.
type ownCosts struct {
	mu   sync.Mutex
	runs map[int64]*ownRun
}

// ownRun is what was booked for a run and for those inside it.
type ownRun struct {
	cost  Micros
	marks []mark // of the newest events
}

// ownMarks bounds how many events of a run are looked at again.
const ownMarks = 4096

// booking is a cost in the group under way.
type booking struct {
	run   int64
	cost  Micros
	event int // of the group
}

// book notes the cost of the event that was just recorded, for the outermost run.
func (g *group) book(r *run, cost Micros) {
	for r != nil && r.parent != 0 && g.err == nil {
		r = g.run(r.parent)
	}
	if r != nil && g.err == nil {
		g.bookings = append(g.bookings, booking{r.no, cost, len(g.events) - 1})
	}
}

// add takes over a group that is on disk.
func (o *ownCosts) add(g *group) {
	if len(g.bookings) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.runs == nil {
		o.runs = make(map[int64]*ownRun)
	}
	for _, b := range g.bookings {
		r := o.runs[b.run]
		if r == nil {
			r = new(ownRun)
			o.runs[b.run] = r
		}
		r.cost += b.cost
		if r.marks = append(r.marks, g.events[b.event].mark); len(r.marks) > 2*ownMarks {
			r.marks = append([]mark(nil), r.marks[ownMarks:]...)
		}
	}
}

// take hands over what was booked for a run that is over.
func (o *ownCosts) take(run int64) ownRun {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.runs[run]
	delete(o.runs, run)
	if r == nil {
		return ownRun{}
	}
	return *r
}

// EndOwnRun is EndRun for who has opened the run and booked all of its calls: it
// compares what the file then says of it with that. ErrChanged where it differs,
// or where the file cannot be read any more. It reads anew, because what is in
// memory is what was written and not what is there, and by one connection:
// another would make the shortest run 1.2 ms longer.
func (l *Ledger) EndOwnRun(ctx context.Context, id RunID, end RunEnd) (EndedRun, error) {
	ctx = context.WithoutCancel(ctx)
	ended, err := l.bookEnd(ctx, id, end)
	if err != nil {
		return EndedRun{}, fmt.Errorf("ending a run: %w", err)
	}
	anew, err := openReaders(l.path)
	if err != nil {
		return EndedRun{}, fmt.Errorf("ending a run: %w", err)
	}
	defer anew.Close() // it has only read
	if ended.Run, err = l.runFrom(ctx, anew, string(id)); err == nil {
		err = l.checkRun(ctx, anew, ended.Run)
	} else {
		err = fmt.Errorf("%w: run %.4s cannot be read any more: %w", ErrChanged, id, err)
	}
	return ended, err
}

func (l *Ledger) checkRun(ctx context.Context, anew *readers, r Run) error {
	var no, first int64
	err := anew.QueryRowContext(ctx, `SELECT no, (SELECT coalesce(min(seq), 0) FROM event_log) FROM run WHERE id = ?`, string(r.ID)).Scan(&no, &first)
	if err != nil {
		return fmt.Errorf("%w: run %.4s cannot be read any more: %w", ErrChanged, r.ID, err)
	}
	own, cost := l.own.take(no), r.Account.Spent+r.Account.Overrun
	switch {
	case r.State != RunEnded:
		return fmt.Errorf("%w: run %.4s is %s there, and has ended", ErrChanged, r.ID, r.State)
	case cost != own.cost:
		return fmt.Errorf("%w: run %.4s has spent %s there, its calls cost %s", ErrChanged, r.ID, cost, own.cost)
	}
	for _, m := range own.marks[max(0, len(own.marks)-ownMarks):] {
		if m.seq < first {
			continue // folded into a checkpoint
		}
		var hash []byte
		err := anew.QueryRowContext(ctx, `SELECT hash FROM event_log WHERE seq = ?`, m.seq).Scan(&hash)
		if err != nil || !bytes.Equal(hash, m.hash[:]) {
			return fmt.Errorf("%w: event %d of run %.4s is not the one that was written", ErrChanged, m.seq, r.ID)
		}
	}
	return nil
}
