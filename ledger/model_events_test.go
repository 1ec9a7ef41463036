package ledger_test

import (
	"encoding/json"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// toldAccount is what the trail says of an account: whose it is, and what its
// events add up to.
type toldAccount struct {
	group  int64
	window ledger.Window
	start  int64
	cost   micros
}

// told adds up the trail by account, without the ledger's own replay.
func (m *model) told() map[int64]*toldAccount {
	accounts := map[int64]*toldAccount{}
	of := func(id int64) *toldAccount {
		if accounts[id] == nil {
			accounts[id] = new(toldAccount)
		}
		return accounts[id]
	}
	for after := int64(0); ; {
		page, err := m.l.Events(m.t.Context(), ledger.EventFilter{After: after, Limit: 1000})
		m.check(err)
		for _, e := range page.Events {
			var body struct {
				Group    int64   `json:"group_id"`
				Accounts []int64 `json:"accounts"`
				Budgets  []struct {
					Account int64         `json:"account"`
					Window  ledger.Window `json:"window"`
					Start   int64         `json:"start"`
				} `json:"budgets"`
			}
			m.check(json.Unmarshal(e.Body, &body))
			for _, b := range body.Budgets {
				a := of(b.Account)
				a.group, a.window, a.start = body.Group, b.Window, b.Start
			}
			for _, id := range body.Accounts {
				of(id).cost += e.Cost
			}
			after = e.Seq
		}
		if page.More == 0 {
			return accounts
		}
	}
}

// compareNodes compares every node of the tree, those that were deleted and
// windows that are over among them, with the sum of its events.
func (m *model) compareNodes() {
	type node struct {
		group  int64
		window ledger.Window
		start  int64
	}
	told := map[node]micros{}
	for _, a := range m.told() {
		if a.group != 0 {
			told[node{a.group, a.window, a.start}] = a.cost
		}
	}
	same := func(g *modelGroup, w ledger.Window, start time.Time, acc *modelAccount) {
		at := int64(0)
		if w != "" {
			at = start.UnixMilli()
		}
		if cost := told[node{g.id, w, at}]; cost != acc.spent+acc.over {
			m.t.Fatalf("group %s %s from %s: its events are %d, it has spent %d and overrun %d", g.name, w, start, cost, acc.spent, acc.over)
		}
		if acc.limited && acc.spent+acc.reserved > acc.budget {
			m.t.Fatalf("group %s %s is over its budget: %+v", g.name, w, *acc)
		}
		delete(told, node{g.id, w, at})
	}
	for _, g := range m.everyGroup {
		same(g, "", time.Time{}, g.total)
		for key, acc := range g.windows {
			same(g, key.window, key.start, acc)
		}
	}
	for n, cost := range told {
		if cost != 0 {
			m.t.Fatalf("the trail charges %+v with %d, and nobody knows of it", n, cost)
		}
	}
}
