package ledger

import "time"

// AccountKind tells what an account is the budget of.
type AccountKind string

const (
	AgentAccount  AccountKind = "agent"
	WindowAccount AccountKind = "window"
	RunAccount    AccountKind = "run"
)

// Window is the stretch of time a budget is for.
type Window string

const (
	Total   Window = "total"
	Daily   Window = "daily"
	Weekly  Window = "weekly"
	Monthly Window = "monthly"
)

// Account is a budget and what became of it. Budget is nil for no limit.
type Account struct {
	ID       int64
	Parent   int64 // 0: none
	Kind     AccountKind
	Window   Window
	Start    time.Time // of a window account
	Name     string    // agent name, or run id
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
