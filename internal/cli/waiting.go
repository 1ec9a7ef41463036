package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// waitingRun is a run that goes on and can make no call.
type waitingRun struct {
	runView
	Needed ledger.Micros `json:"needed_micro,omitempty"` // what a call could cost that was too dear
	Whose  string        `json:"whose,omitempty"`        // the group's budget that keeps it waiting
	group  *ledger.Account
}

// waiting are the runs that can make no call: for want of money, because the
// call is dearer than what is left, or because their agent is paused. agent is
// "" for those of all.
func waiting(ctx context.Context, l *ledger.Ledger, agent string) ([]waitingRun, error) {
	runs, err := l.Runs(ctx, ledger.RunFilter{Agent: agent, Open: true, Limit: 1000})
	if err != nil {
		return nil, fmt.Errorf("listing the runs that wait: %w", err)
	}
	var held map[ledger.RunID]bool
	found := []waitingRun{}
	for _, r := range runs {
		w := waitingRun{runView: viewRun(r)}
		waits := r.State == ledger.RunExhausted || r.State == ledger.RunPaused
		quiet := !waits && r.State == ledger.RunOpen && r.Account.Reserved == 0
		if quiet && r.Refused == 0 && held == nil {
			if held, err = heldLately(ctx, l); err != nil {
				return nil, err
			}
		}
		if quiet && (r.Refused > 0 || held[r.ID]) {
			if w.Needed, waits, err = tooDear(ctx, l, r); err != nil {
				return nil, err
			}
		}
		if !waits {
			continue
		}
		path, err := l.RunPath(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("looking at what a run waits for: %w", err)
		}
		if short := ledger.Shortest(path); short != nil && short.Kind == ledger.GroupAccount {
			w.group, w.Whose = short, short.Whose()
		}
		found = append(found, w)
	}
	return found, nil
}

// heldLately are runs of which a call was held; those whose last event it may be
// are among them.
func heldLately(ctx context.Context, l *ledger.Ledger) (map[ledger.RunID]bool, error) {
	page, err := l.Events(ctx, ledger.EventFilter{Action: "call.held", Newest: true, Limit: 1000, Scan: ledger.PageScan})
	if err != nil {
		return nil, fmt.Errorf("looking for calls that are held: %w", err)
	}
	held := map[ledger.RunID]bool{}
	for _, e := range page.Events {
		held[e.Run] = true
	}
	return held, nil
}

// tooDear tells whether the last that was heard of a run is a call that was
// dearer than what is left, and what it could cost.
func tooDear(ctx context.Context, l *ledger.Ledger, r ledger.Run) (needed ledger.Micros, waits bool, err error) {
	page, err := l.Events(ctx, ledger.EventFilter{Run: r.ID, Newest: true, Limit: 1, Scan: ledger.PageScan})
	if err != nil || len(page.Events) == 0 {
		return 0, false, err
	}
	var last struct {
		Cause   string        `json:"cause"`
		HeldFor string        `json:"held_for"`
		Needed  ledger.Micros `json:"needed_micro"`
	}
	if err := json.Unmarshal(page.Events[0].Body, &last); err != nil || cmp.Or(last.Cause, last.HeldFor) != string(ledger.CauseTooLarge) {
		return 0, false, nil // another event, with members of its own
	}
	return last.Needed, true, nil
}

// hintWaiting tells of each such run what lets it go on.
func (a *app) hintWaiting(runs []waitingRun) {
	for i, r := range runs {
		if i == 5 {
			fmt.Fprintf(a.stderr, "aex: hint: %d more runs wait: aex runs --state exhausted\n", len(runs)-i)
			return
		}
		fmt.Fprintf(a.stderr, "aex: hint: run %.4s of %s waits: %s\n", r.ID, printable(r.Agent), r.letsGoOn())
	}
}

// letsGoOn is the command after which a waiting run goes on: a top-up by half
// of its budget or what the call needs, of its agent where it has none, or of the
// group that has the least left.
func (r waitingRun) letsGoOn() string {
	switch {
	case r.State == string(ledger.RunPaused):
		return "aex agent resume " + plain.Word(printable(r.Agent))
	case r.group != nil:
		left := *r.group.Budget - r.group.Charged()
		return refusal.TopUp(*r.group, max(*r.group.Budget/2, r.Needed-left, 1))
	case r.Budget == nil:
		return "aex topup " + plain.Word(printable(r.Agent)) + " 0.50"
	}
	left := *r.Budget - r.Spent - r.Overrun
	return fmt.Sprintf("aex topup %.4s %s", r.ID, strings.TrimPrefix(max(*r.Budget/2, r.Needed-left, 1).String(), "$"))
}
