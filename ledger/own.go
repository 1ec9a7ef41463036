package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrChanged reports that the ledger's file is not what this process wrote.
var ErrChanged = errors.New("the ledger was changed by something other than aex")

// ownCosts are what this process itself has booked, by outermost run. At a run's end
// it is compared with the file, which a program of the same user can write.
type ownCosts struct {
	mu   sync.Mutex
	runs map[int64]*ownRun
}

// ownRun is what was booked for a run and for those inside it.
type ownRun struct {
	cost    Micros
	marks   []mark // of the newest events
	budgets []ownBudget
}

// ownBudget is what an account that the run is charged to was given when the run
// was opened.
type ownBudget struct {
	run, account int64
	target       *Micros // nil: no limit
}

// given notes the budgets of a run that this group opens, and of the accounts above
// it. Those of a run inside another are noted with the outermost one.
func (g *commitGroup) given(r *run) {
	if r.parent != 0 {
		return
	}
	for id := r.account; id != 0 && g.err == nil; {
		a := g.account(id)
		b := ownBudget{run: r.no, account: id}
		if a.limited {
			target := a.target
			b.target = &target
		}
		g.budgets = append(g.budgets, b)
		id = a.parent
	}
}

// ownMarks bounds how many events of a run are looked at again.
const ownMarks = 4096

// booking is a cost that the group under way has booked.
type booking struct {
	run   int64
	cost  Micros
	event int // of the group
}

// book notes the cost of the event that was just recorded, for the outermost run.
func (g *commitGroup) book(r *run, cost Micros) {
	for r != nil && r.parent != 0 && g.err == nil {
		r = g.run(r.parent)
	}
	if r != nil && !r.remote && g.err == nil { // other gateways book for a remote run, too
		g.bookings = append(g.bookings, booking{r.no, cost, len(g.events) - 1})
	}
}

// add takes over a group that is on disk.
func (o *ownCosts) add(g *commitGroup) {
	if len(g.bookings)+len(g.budgets) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.runs == nil {
		o.runs = make(map[int64]*ownRun)
	}
	for _, b := range g.budgets {
		r := o.of(b.run)
		r.budgets = append(r.budgets, b)
	}
	for _, b := range g.bookings {
		r := o.of(b.run)
		r.cost += b.cost
		if r.marks = append(r.marks, g.events[b.event].mark); len(r.marks) > 2*ownMarks {
			r.marks = append([]mark(nil), r.marks[ownMarks:]...)
		}
	}
}

// of is what was booked for a run. The caller holds o.mu.
func (o *ownCosts) of(run int64) *ownRun {
	r := o.runs[run]
	if r == nil {
		r = new(ownRun)
		o.runs[run] = r
	}
	return r
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

// EndOwnRun is EndRun for the process that has opened the run and booked all of its
// calls: it compares what the file says in the end with what it has booked. It is
// ErrChanged where the two differ, or where the file cannot be read any more. It
// reads the file anew, since memory has only what was written, by one connection of
// its own: a second one would make the shortest run 1.2 ms longer. That connection
// reads the schema while the end is booked: afterwards it would take 1 ms of 26.
func (l *Ledger) EndOwnRun(ctx context.Context, id RunID, end RunEnd) (EndedRun, error) {
	ctx = context.WithoutCancel(ctx)
	anew, err := l.openReaders()
	if err != nil {
		ended, booked := l.bookEnd(ctx, id, end)
		return ended, fmt.Errorf("ending a run: %w", errors.Join(booked, err))
	}
	defer anew.Close() // it has only read
	prepare, cancel := context.WithCancel(ctx)
	defer cancel()
	prepared := make(chan struct{})
	go func() {
		defer close(prepared)
		anew.ready(prepare, selectRuns(whereID))
	}()
	ended, err := l.bookEnd(ctx, id, end)
	if err != nil {
		cancel()
	}
	<-prepared
	if err != nil {
		return EndedRun{}, fmt.Errorf("ending a run: %w", err)
	}
	if ended.Run, err = l.runFrom(ctx, anew, string(id)); err == nil {
		err = l.checkRun(ctx, anew, ended.Run)
	} else {
		err = fmt.Errorf("%w: run %.4s cannot be read any more: %w", ErrChanged, id, err)
	}
	return ended, err
}

func (l *Ledger) checkRun(ctx context.Context, anew *readers, r Run) error {
	var no, opened, first int64
	err := anew.QueryRowContext(ctx, `SELECT no, first_seq, (SELECT coalesce(min(seq), 0) FROM event_log) FROM run WHERE id = ?`, string(r.ID)).Scan(&no, &opened, &first)
	if err != nil {
		return fmt.Errorf("%w: run %.4s cannot be read any more: %w", ErrChanged, r.ID, err)
	}
	if err := l.settings.wereChanged(); err != nil {
		return err
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
	for _, b := range own.budgets {
		if err := checkBudget(ctx, anew, b, opened); err != nil {
			return err
		}
	}
	return nil
}

// checkBudget compares an account's budget with what it was given when the run
// was opened, or has been since by an event.
func checkBudget(ctx context.Context, anew *readers, b ownBudget, opened int64) error {
	var target *Micros
	if err := anew.QueryRowContext(ctx, `SELECT target_micro FROM account WHERE id = ?`, b.account).Scan(&target); err != nil {
		return fmt.Errorf("%w: account %d cannot be read any more: %w", ErrChanged, b.account, err)
	}
	if sameBudget(target, b.target) {
		return nil
	}
	told, err := lastTold(ctx, anew, b.account, opened)
	if err != nil {
		return fmt.Errorf("reading what account %d was given: %w", b.account, err)
	}
	if told == nil || !sameBudget(target, told.Target) {
		return fmt.Errorf("%w: account %d has a budget there that nobody gave it", ErrChanged, b.account)
	}
	return nil
}

func sameBudget(a, b *Micros) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// lastTold is the last word of the trail, after a place, on an account's budget. A
// checkpoint comes last but keeps what was said in events that are gone: an event
// that is still there is newer.
func lastTold(ctx context.Context, anew *readers, account, after int64) (*budgetWas, error) {
	rs, err := anew.QueryContext(ctx, `SELECT body FROM event_log WHERE seq > ? ORDER BY seq DESC`, after)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var folded *budgetWas
	for rs.Next() {
		var body []byte
		if err := rs.Scan(&body); err != nil {
			return nil, err
		}
		if !bytes.Contains(body, []byte(`"budgets":`)) {
			continue
		}
		var e replayedEvent
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, err
		}
		if was := of(e.Budgets, account); was != nil {
			return was, nil
		}
		if e.Folded != nil && folded == nil {
			folded = of(e.Folded.Budgets, account)
		}
	}
	return folded, rs.Err()
}

// of is what is said about an account's budget, nil for nothing.
func of(told []budgetWas, account int64) *budgetWas {
	if i := slices.IndexFunc(told, func(was budgetWas) bool { return was.Account == account }); i >= 0 {
		return &told[i]
	}
	return nil
}
