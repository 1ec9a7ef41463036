package ledger

import (
	"encoding/hex"
	"encoding/json"
	"slices"
)

// replayedEvent is what Verify needs of an event.
type replayedEvent struct {
	Seq      int64       `json:"seq"`
	Ledger   string      `json:"ledger"`
	Chain    int64       `json:"chain"`
	Action   string      `json:"action"`
	AgentID  string      `json:"agent_id"`
	GroupID  int64       `json:"group_id"`
	Cost     Micros      `json:"cost_micro"`
	Accounts []int64     `json:"accounts"`
	Hold     HoldID      `json:"hold"`
	Held     Micros      `json:"held_micro"`
	How      How         `json:"how"`
	Within   HoldID      `json:"within"`
	Cause    string      `json:"cause"`
	Count    int64       `json:"count"`
	Budgets  []budgetWas `json:"budgets"`
	Folded   *folded     `json:"folded"`

	Group   *string `json:"group"` // of a group's event: its name; of an agent's: where it is now, "" for in none
	Paused  bool    `json:"paused"`
	Daily   *Micros `json:"daily_budget_micro"`
	Weekly  *Micros `json:"weekly_budget_micro"`
	Monthly *Micros `json:"monthly_budget_micro"`

	// Of an agent's event.
	Window            Window          `json:"window"`
	WindowBudget      *Micros         `json:"window_budget_micro"`
	RequestsPerMinute int64           `json:"rpm_limit"`
	TokensPerMinute   int64           `json:"tpm_limit"`
	Concurrency       int64           `json:"concurrency_limit"`
	Capabilities      json.RawMessage `json:"capabilities"`
}

// budgetWas is what an event says of an account: whose it is, for what time,
// and its budget.
type budgetWas struct {
	Account int64       `json:"account"`
	Agent   string      `json:"agent_id,omitempty"` // in an event: of the event
	Group   int64       `json:"group_id,omitempty"` // likewise
	Kind    AccountKind `json:"kind"`
	Window  Window      `json:"window,omitempty"`
	Start   int64       `json:"start,omitempty"` // milliseconds
	Parent  int64       `json:"parent,omitempty"`
	Target  *Micros     `json:"target_micro"`
}

// replay is what the trail says the accounts must be.
type replay struct {
	costs   map[int64]Micros
	calls   map[int64]int64 // that ended
	budgets map[int64]budgetWas
	billed  Micros // sum of all costs, of calls
	doubt   Micros // of that, what is estimated
	denied  int64
	tree    tree
}

func newReplay() replay {
	return replay{tree: newTree(), costs: make(map[int64]Micros), calls: make(map[int64]int64), budgets: make(map[int64]budgetWas)}
}

func (s *replay) add(e replayedEvent) {
	s.tree.add(e)
	for _, b := range e.Budgets {
		b.Agent, b.Group = e.AgentID, e.GroupID
		s.budgets[b.Account] = b
	}
	ended := e.Hold != "" && (e.Action == "usage.commit" || e.Action == "usage.cancel" || e.Action == "usage.recovered")
	for _, id := range e.Accounts {
		s.costs[id] += e.Cost
		if ended {
			s.calls[id]++
		}
	}
	if len(e.Accounts) > 0 && e.Within == "" { // else the event of the call's first hold tells of it
		s.billed += e.Cost
		s.doubt += e.doubt()
	}
	if e.Cause != "" && e.Action != netRefuse { // a sandbox refuses connections, not calls
		s.denied += e.Count
	}
}

// doubt is what the event adds to what is in doubt, or takes from it.
func (e replayedEvent) doubt() Micros {
	switch {
	case e.How == Estimated, e.Action == "usage.recovered":
		return e.Cost
	case e.Action == "usage.late":
		return -e.Held // what the call had been booked with
	}
	return 0
}

// folded is what a checkpoint keeps of the events it stands for.
type folded struct {
	Through int64        `json:"through"` // the last event that was removed
	Hash    string       `json:"hash"`    // of that event
	Costs   []folderCost `json:"costs"`
	Budgets []budgetWas  `json:"budgets"`
	Billed  Micros       `json:"billed_micro"`
	Doubt   Micros       `json:"in_doubt_micro,omitempty"` // of that
	Denied  int64        `json:"denied"`
	Tree    *foldedTree  `json:"tree,omitempty"` // nil: of an aex that did not tell
}

type folderCost struct {
	Account int64  `json:"account"`
	Cost    Micros `json:"cost_micro"`
	Calls   int64  `json:"calls"` // that ended
}

func (s *replay) startFrom(f *folded) {
	for _, c := range f.Costs {
		s.costs[c.Account], s.calls[c.Account] = c.Cost, c.Calls
	}
	for _, b := range f.Budgets {
		s.budgets[b.Account] = b
	}
	s.billed, s.doubt, s.denied = f.Billed, f.Doubt, f.Denied
	s.tree.startFrom(f.Tree)
}

// fold is the reverse of startFrom.
func (s *replay) fold(through mark) folded {
	f := folded{Through: through.seq, Hash: hex.EncodeToString(through.hash[:]), Billed: s.billed, Doubt: s.doubt, Denied: s.denied, Tree: s.tree.fold()}
	for id, c := range s.costs {
		f.Costs = append(f.Costs, folderCost{id, c, s.calls[id]})
	}
	for _, b := range s.budgets {
		f.Budgets = append(f.Budgets, b)
	}
	slices.SortFunc(f.Costs, func(a, b folderCost) int { return int(a.Account - b.Account) })
	slices.SortFunc(f.Budgets, func(a, b budgetWas) int { return int(a.Account - b.Account) })
	return f
}
