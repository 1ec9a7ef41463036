package ledger

import "context"

// Totals are sums over the whole ledger or one agent.
type Totals struct {
	Agents, OpenRuns, Calls, Refused int64
	ByCause                          map[string]int64 // refusals by x-aex-code
	Spent, Reserved, Overrun         Micros
	Budget                           Micros // of agents that have one
}

func (l *Ledger) Totals(ctx context.Context) (Totals, error) { panic("contract") }
