package supervisor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// maxChanged bounds what is kept of the changes in requests.
const maxChanged = 32

// fresh are the changes that are told for the first time in the run: each kind once,
// whatever its figures.
func (p *Report) fresh(changes []string) (first []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, change := range changes {
		kind := strings.TrimRight(strings.TrimSuffix(change, " times"), "0123456789")
		known := slices.ContainsFunc(p.Changed, func(c string) bool { return strings.HasPrefix(c, kind) })
		if !known && len(p.Changed) < maxChanged {
			p.Changed, first = append(p.Changed, change), append(first, change)
		}
	}
	return first
}

// heard keeps what the gateway around says of the run's last call.
func (p *Report) heard(s inner.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.short = s.Short
}

// gaveUp tells whether the program failed by itself after its last call was
// refused for money.
func (p *Report) gaveUp(s process.Status) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.short != nil && !s.Lost && s.Signal == 0 && s.Code != 0
}

// refusedForMoney keeps what the last call could have cost, where money refused it.
func (p *Report) refusedForMoney() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Needed, p.Left, p.Whose = 0, 0, "" // what the end was before it was known better
	if p.short != nil {
		p.Needed, p.Left = p.short.Needed, max(0, p.short.Budget-p.short.Spent-p.short.Overrun)
		p.Whose = p.short.Of().Whose()
	}
	return p.short != nil
}

// gone says which group's budget is gone, if it is a group's.
func (p *Report) gone() string {
	if p.short != nil && p.short.Account == ledger.GroupAccount {
		return "budget of " + p.short.Of().Whose() + " exhausted"
	}
	return "budget exhausted"
}

// nextCall says what stood in the way of the last call.
func (p *Report) nextCall() string {
	if !p.refusedForMoney() || p.Needed == 0 {
		return ""
	}
	return fmt.Sprintf("the next call could cost %s, and %s is left", p.Needed, p.Left)
}

// refusals counts what was refused, for the end line.
func (p *Report) refusals() string {
	switch {
	case p.Refused == 0:
		return ""
	case p.Needed == 0 || p.Outcome == "budget":
		return fmt.Sprintf(", %d refused", p.Refused)
	}
	return fmt.Sprintf(", %d refused: the next call could cost %s", p.Refused, p.Needed)
}

// firstCall says what a run would have needed that could not make any call; "" for any
// other run.
func (p *Report) firstCall() string {
	if p.Calls > 0 || p.Needed == 0 || p.short == nil {
		return ""
	}
	if p.short.Account == ledger.RunAccount && p.short.Name == p.RunID {
		return fmt.Sprintf("aex: hint: the first call needs %s at least: --budget %s", p.Needed, strings.TrimPrefix(p.Needed.String(), "$"))
	}
	return fmt.Sprintf("aex: hint: the first call needs %s at least, and %s is left: %s", p.Needed, p.Left, refusal.TopUp(p.short.Of(), p.Needed-p.Left))
}
