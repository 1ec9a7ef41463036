package ledger

import (
	"fmt"
	"time"
)

// AccountKind tells what an account is the budget of.
type AccountKind string

const (
	AgentAccount  AccountKind = "agent"
	WindowAccount AccountKind = "window"
	RunAccount    AccountKind = "run"
	GroupAccount  AccountKind = "group"
)

// Window is the stretch of time a budget is for.
type Window string

const (
	Total   Window = "total"
	Daily   Window = "daily"
	Weekly  Window = "weekly"
	Monthly Window = "monthly"
)

// Period is the time that a window is for: "day", "week", "month"; "" for all.
func (w Window) Period() string {
	return map[Window]string{Daily: "day", Weekly: "week", Monthly: "month"}[w]
}

// Account is a budget and what became of it. Budget is nil for no limit.
type Account struct {
	ID       int64
	Parent   int64 // 0: none
	Kind     AccountKind
	Window   Window
	Start    time.Time // of a window account
	Name     string    // of the agent or the group, or the run's id
	Budget   *Micros
	Spent    Micros
	Reserved Micros
	Overrun  Micros
}

// Left is what is neither spent nor reserved; ok is false without a budget.
func (a Account) Left() (left Micros, ok bool) {
	if a.Budget == nil {
		return 0, false
	}
	return *a.Budget - a.Spent - a.Reserved, true
}

// UsedUp tells whether no further call can be let through, even if the calls under way cost
// less than they hold.
func (a Account) UsedUp() bool {
	return a.Budget != nil && (a.Spent >= *a.Budget || a.Overrun > 0)
}

// Whose says what the account is of, for people.
func (a Account) Whose() string {
	kind := a.Kind
	if kind == WindowAccount {
		kind = AgentAccount
	}
	if a.Window == "" || a.Window == Total {
		return string(kind) + " " + a.Name
	}
	return string(kind) + " " + a.Name + "'s " + string(a.Window) + " window"
}

// Charged is all that calls have cost the account: spent and overrun.
func (a Account) Charged() Micros { return a.Spent + a.Overrun }

// Shortest is the account of a path that has the least left for a new call:
// one that is overrun before all others. Nil: none has a budget.
func Shortest(path []Account) (short *Account) {
	var least Micros
	for i, a := range path {
		left, limited := a.Left()
		if left -= a.Overrun; limited && (short == nil || left < least) {
			short, least = &path[i], left
		}
	}
	return short
}

// Micros that a single call or budget may not exceed: a billion dollars. It
// keeps every sum far from overflow.
const maxAmount Micros = 1_000_000_000_000_000

// maxTotal is where an account stops: sums of amounts below it cannot wrap.
const maxTotal Micros = 1 << 62

// account is an account as the writer knows it. Its methods keep promise 1.
type account struct {
	id, parent     int64
	agent, group   int64 // whose it is: one of them is 0
	kind           AccountKind
	window         Window
	start          int64 // milliseconds
	limited        bool
	target, budget Micros // budget = max(target, spent + reserved)
	spent          Micros
	reserved       Micros
	overrun        Micros
	calls          int64
	last           int64
	dirty          bool
	given          bool // another budget, since it was last written
}

// public is the account as the package's callers see it.
func (a *account) public(name string) Account {
	out := Account{ID: a.id, Parent: a.parent, Kind: a.kind, Window: a.window, Name: name, Spent: a.spent, Reserved: a.reserved, Overrun: a.overrun}
	if a.limited {
		budget := a.budget
		out.Budget = &budget
	}
	if a.start != 0 {
		out.Start = fromMillis(a.start)
	}
	return out
}

// unreserved is what a new hold may take; meaningless without a limit.
func (a *account) unreserved() Micros { return a.budget - a.spent - a.reserved }

// reserve takes a hold. The caller has seen that it fits.
func (a *account) reserve(amount Micros, at int64) {
	a.reserved += amount
	a.calls++
	a.last = max(a.last, at)
}

// settle ends a hold of amount whose call cost cost, and returns how much of that
// no budget could take.
func (a *account) settle(amount, cost Micros) (overrun Micros, err error) {
	if a.reserved < amount {
		return 0, fmt.Errorf("%w: account %d has %d reserved, less than a hold of %d", ErrCorrupt, a.id, a.reserved, amount)
	}
	a.reserved -= amount
	return a.book(cost)
}

// book adds a cost, or takes some back where the call of a recovered hold cost less.
func (a *account) book(cost Micros) (overrun Micros, err error) {
	before := a.overrun
	switch {
	case !a.limited:
		a.spent += cost
	case cost >= 0:
		fits := min(cost, a.unreserved())
		a.spent += fits
		a.overrun += cost - fits
	default:
		paid := min(-cost, a.overrun)
		a.overrun -= paid
		a.spent += cost + paid
	}
	if a.spent < 0 {
		return 0, fmt.Errorf("%w: account %d would have spent %d", ErrCorrupt, a.id, a.spent)
	}
	a.follow()
	return max(0, a.overrun-before), nil
}

// retarget asks for another budget; nil is no limit.
func (a *account) retarget(t *Micros) {
	a.given = true
	a.limited = t != nil
	if !a.limited {
		a.target, a.budget = 0, 0
		a.spent += a.overrun
		a.overrun = 0
		return
	}
	a.target = *t
	a.budget = max(a.target, a.spent+a.reserved)
	a.follow()
}

// topUp raises the budget and returns how much of it paid what was overrun.
func (a *account) topUp(by Micros) (paid Micros, err error) {
	switch {
	case by <= 0 || by > maxAmount:
		return 0, fmt.Errorf("%w: a top-up of %s", ErrInvalid, by)
	case !a.limited:
		return 0, fmt.Errorf("%w: there is no budget to top up", ErrInvalid)
	case a.target+by > maxAmount:
		return 0, fmt.Errorf("%w: the budget would be above %s", ErrInvalid, maxAmount)
	}
	before, target := a.overrun, a.target+by
	a.retarget(&target)
	return before - a.overrun, nil
}

// follow pays the overrun with the room that there is, then lowers the budget
// towards its target.
func (a *account) follow() {
	if !a.limited {
		return
	}
	paid := min(a.overrun, a.unreserved())
	a.spent += paid
	a.overrun -= paid
	a.budget = max(a.target, a.spent+a.reserved)
}

func (w Window) valid() bool {
	return w == Total || w == Daily || w == Weekly || w == Monthly
}

// validBudget refuses budgets that are not amounts.
func validBudget(b *Micros) error {
	if b != nil && (*b < 0 || *b > maxAmount) {
		return fmt.Errorf("%w: a budget of %d micro-dollars; it must be from 0 to %s", ErrInvalid, *b, maxAmount)
	}
	return nil
}

// agentID is the public id of the agent that the account is of; "" for a
// group's.
func (a *account) agentID() string {
	if a.agent == 0 {
		return ""
	}
	return publicID(a.agent)
}
