package ledger

import (
	"fmt"
	"time"
)

// tightest is the account of the path with a budget for which left is least, and
// that amount; nil when nothing on the path has a budget.
func tightest(path []*account, left func(*account) Micros) (tight *account, amount Micros) {
	for _, a := range path {
		if a.limited {
			if v := left(a); tight == nil || v < amount {
				tight, amount = a, v
			}
		}
	}
	return tight, amount
}

func unreserved(a *account) Micros { return a.unreserved() }
func unspent(a *account) Micros    { return a.budget - a.spent }

// least is the least that left returns for an account of the path with a budget, and
// the largest amount there is where none has one.
func least(path []*account, left func(*account) Micros) Micros {
	if tight, amount := tightest(path, left); tight != nil {
		return amount
	}
	return maxAmount
}

// afford picks the amount of the hold, or says why there is none.
func (g *commitGroup) afford(c *caller, a *admitting) (Micros, *Refusal, error) {
	for _, acc := range c.path {
		if acc.overrun > 0 {
			return 0, g.refuseMoney(CauseExhausted, acc, a.Least), nil
		}
		if acc.spent+acc.reserved > maxTotal {
			return 0, nil, fmt.Errorf("%w: account %d holds more than aex can count", ErrInvalid, acc.id)
		}
	}
	free, room := tightest(c.path, unreserved)
	if free == nil {
		return a.Most, nil, nil
	}
	amount, err := a.share(room)
	if err != nil || amount >= 0 {
		return amount, nil, err
	}
	tight, rest := tightest(c.path, unspent)
	later, err := a.share(rest)
	if err != nil {
		return 0, nil, err
	}
	if later >= 0 {
		no := g.refuseMoney(CauseBusy, free, a.Least)
		no.RetryAfter = busyRetry
		return 0, no, nil
	}
	cause := CauseExhausted
	if rest > 0 && rest >= (tight.budget+9)/10 && !g.thirdTooLarge(c) {
		cause = CauseTooLarge
	}
	return 0, g.refuseMoney(cause, tight, a.Least), nil
}

// usedUp refuses a call of a run that is exhausted already. It names the account that
// has the least left now, which may not be the one that exhausted the run.
func (g *commitGroup) usedUp(c *caller, a *admitting) *Refusal {
	g.pathOf(c)
	short, _ := tightest(c.path, func(acc *account) Micros { return unspent(acc) - acc.overrun })
	if short == nil { // the budget that exhausted it was taken away since
		return &Refusal{Cause: CauseExhausted, Account: RunAccount, Name: string(c.run.id), Needed: a.Least}
	}
	return g.refuseMoney(CauseExhausted, short, a.Least)
}

// busyRetry is how long a caller is told to wait when calls in flight hold the money.
// It is a guess: nobody knows how long they take.
const busyRetry = 2 * time.Second

// share picks the amount of a hold that fits room; -1 when none does.
func (a *admitting) share(room Micros) (amount Micros, err error) {
	switch {
	case a.Least > room:
		return -1, nil
	case a.Share == nil || a.Most == 0:
		return a.Most, nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the share of %d panicked: %v", ErrInvalid, room, p)
		}
	}()
	amount = a.Share(room)
	switch {
	case amount == 0:
		return -1, nil
	case amount < a.Least || amount > a.Most || amount > room:
		return 0, fmt.Errorf("%w: the share of %d is %d, not between %d and %d", ErrInvalid, room, amount, a.Least, a.Most)
	}
	return amount, nil
}

// thirdTooLarge tells whether the run's two calls before this one were too large
// for its budget, too.
func (g *commitGroup) thirdTooLarge(c *caller) bool {
	return c.run != nil && g.countTooLarge(c.run.no) >= 2
}

// countTooLarge is how many calls of the run were too large for its budget since
// one was admitted.
func (g *commitGroup) countTooLarge(run int64) int {
	if n, ok := g.tooLarge[run]; ok {
		return n
	}
	return g.w.tooLarge[run]
}

// behindOthers keeps a call from taking money that an earlier one waits for.
func (g *commitGroup) behindOthers(c *caller, a *admitting) *Refusal {
	for _, acc := range c.path {
		if g.blocked[acc.id] {
			no := g.refuseMoney(CauseBusy, acc, a.Least)
			no.RetryAfter = busyRetry
			return no
		}
	}
	return nil
}

// block keeps later calls from taking what this one waits for.
func (g *commitGroup) block(c *caller, a *admitting) {
	for _, acc := range c.path {
		if !acc.limited {
			continue
		}
		if fits, err := a.share(acc.unreserved()); err != nil || fits < 0 {
			g.blocked[acc.id] = true
		}
	}
}

// exhaust marks the run of a call that found its budget used up, and counts
// the calls that were too large for it.
func (g *commitGroup) exhaust(c *caller, no *Refusal) {
	if c.run == nil {
		return
	}
	switch {
	case no.Cause == CauseTooLarge:
		g.tooLarge[c.run.no] = g.countTooLarge(c.run.no) + 1
	case no.Cause == CauseExhausted && c.run.state == RunOpen:
		g.setRunState(c.run, RunExhausted)
		no.RunEnds = true
	}
}

func (g *commitGroup) refuseMoney(cause Cause, acc *account, needed Micros) *Refusal {
	return moneyRefusal(cause, acc, g.accountName(acc), needed)
}

func moneyRefusal(cause Cause, acc *account, name string, needed Micros) *Refusal {
	return &Refusal{
		Cause: cause, Account: acc.kind, Name: name, Window: acc.window,
		Budget: acc.budget, Spent: acc.spent, Reserved: acc.reserved, Overrun: acc.overrun, Needed: needed,
	}
}

// accountName is the agent's or the group's name, or the run's id.
func (g *commitGroup) accountName(acc *account) string {
	switch acc.kind {
	case GroupAccount:
		return g.agentGroup(acc.group).name
	case AgentAccount, WindowAccount:
		return g.agentByID(acc.agent).name
	}
	var id string
	g.query(`SELECT id FROM run WHERE account_id = ?`, []any{acc.id}, &id)
	return id
}
