package ledger

import "slices"

// Join names the hold that another aex on this ledger has taken for a call before
// sending it here, and the secret that proves it.
type Join struct {
	Hold   HoldID
	Secret TokenHash
}

// join takes those accounts off the path of c that the first hold of the call
// charges already. Where there is no such hold, or it was joined before, it changes
// nothing: everything is charged then.
func (g *commitGroup) join(c *caller, a *admitting) {
	if a.Joins == (Join{}) { // as for nearly every call
		return
	}
	key, ok := parseHoldID(a.Joins.Hold)
	if !ok || a.Joins.Secret == (TokenHash{}) {
		return
	}
	outer := g.hold(key)
	if outer == nil || outer.ended || outer.recovered || outer.joint != a.Joins.Secret {
		return
	}
	c.joins = outer
	for h, depth := outer, 0; h != nil && depth < 64; depth++ {
		for _, acc := range g.holdPath(h) {
			c.path = slices.DeleteFunc(c.path, func(own *account) bool { return own.id == acc.id })
		}
		key, ok := parseHoldID(h.within)
		if !ok {
			return
		}
		h = g.hold(key)
	}
}

// joined makes h the second hold of a call. The secret of the first is used up.
func (g *commitGroup) joined(c *caller, h *hold) {
	if c.joins == nil {
		return
	}
	h.within = c.joins.key.id()
	for _, acc := range c.path {
		h.only = append(h.only, acc.id)
	}
	g.exec(`UPDATE hold SET joint = NULL WHERE owner = ? AND n = ?`, int64(c.joins.key.owner), c.joins.key.n)
	c.joins.joint = TokenHash{}
}

// holdPath is every account that a hold is charged to.
func (g *commitGroup) holdPath(h *hold) (path []*account) {
	if h.within == "" {
		return g.path(h.account, h.window, h.groups)
	}
	for _, id := range h.only {
		path = append(path, g.account(id))
	}
	return path
}

// tallyWithin adds what the second hold of a call has charged. The call itself is
// counted with its first.
func (g *commitGroup) tallyWithin(row *tallySums, h *hold, calls int64, cost Micros) {
	for _, acc := range g.holdPath(h) {
		if acc.id == h.account {
			row.within += cost
		}
		if acc.kind == AgentAccount {
			row.twice.calls += calls
			row.twice.cost += cost
		}
	}
}
