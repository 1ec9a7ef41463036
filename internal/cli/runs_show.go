package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// callView is what a run's event tells of one call, or of equal refused ones.
type callView struct {
	Seq         int64         `json:"seq"`
	Time        time.Time     `json:"time"`
	Action      string        `json:"action"`
	Wire        string        `json:"wire,omitempty"`
	ModelAsked  string        `json:"model_asked,omitempty"`
	ModelSent   string        `json:"model_sent,omitempty"`
	ModelServed string        `json:"model_served,omitempty"`
	Provider    string        `json:"provider,omitempty"`
	Stream      bool          `json:"stream,omitempty"`
	How         string        `json:"how,omitempty"`
	Status      int           `json:"status,omitempty"`
	Ending      string        `json:"ending,omitempty"`
	Price       string        `json:"price,omitempty"`
	Usage       *ledger.Usage `json:"usage,omitempty"`
	Clamped     int64         `json:"clamped,omitempty"`
	Held        ledger.Micros `json:"held_micro,omitempty"`
	Cost        ledger.Micros `json:"cost_micro"`
	FirstToken  int64         `json:"first_token_ms,omitempty"`
	Latency     int64         `json:"latency_ms,omitempty"`
	Code        string        `json:"code,omitempty"`
	Cause       string        `json:"cause,omitempty"`
	Reason      string        `json:"reason,omitempty"`
	Count       int64         `json:"count,omitempty"`

	// Whose limit a refusal was for, where that was money or a pause.
	Account ledger.AccountKind `json:"account,omitempty"`
	Name    string             `json:"name,omitempty"`
	Window  ledger.Window      `json:"window,omitempty"`
	Needed  ledger.Micros      `json:"needed_micro,omitempty"`
}

func (c callView) model() string { return cmp.Or(c.ModelServed, c.ModelSent, c.ModelAsked, "-") }

// refused tells whether the call was not let through.
func (c callView) refused() bool { return strings.HasSuffix(c.Action, ".deny") }

// why is the cause of a refusal.
func (c callView) why() string { return cmp.Or(c.Code, c.Cause, c.Action) }

// viewCall reads an event of a call; ok is false for other events.
func viewCall(e ledger.Event) (c callView, ok bool) {
	if !strings.HasPrefix(e.Action, "usage.") && !strings.HasSuffix(e.Action, ".deny") || e.Action == "usage.overrun" {
		return c, false
	}
	// Fields that a later aex adds are no concern of this list.
	if err := json.Unmarshal(e.Body, &c); err != nil {
		return c, false
	}
	c.Seq, c.Time, c.Action, c.Cost = e.Seq, e.Time, e.Action, e.Cost
	if no, ok := e.Refusal(); ok {
		c.Reason = refusal.Reason(&no)
	}
	return c, true
}

func (a *app) runsShowCommand() *cobra.Command {
	all := false
	cmd := a.jsonFlag(&cobra.Command{
		Use: "show RUN", Short: "tell where a run's money went, call by call", Args: exactly("RUN"),
		Example: "  aex runs show 7f3a",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.showRun(cmd.Context(), args[0], all) },
	})
	cmd.Flags().BoolVar(&all, "all", false, "list every call, not only the last 40")
	return a.arguments(cmd, false, takesRun)
}

func (a *app) showRun(ctx context.Context, id string, all bool) error {
	l, r, err := a.findRun(ctx, id, a.openToShow)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	var calls []callView
	network := networkSums{}
	err = eachEvent(ctx, l, ledger.EventFilter{Run: r.ID}, func(e ledger.Event) error {
		network.add(e)
		if c, ok := viewCall(e); ok {
			calls = append(calls, c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	groups, err := l.Spend(ctx, ledger.SpendFilter{Run: r.ID, By: ledger.ByGroup})
	if err != nil {
		return err
	}
	if a.json {
		if calls == nil {
			calls = []callView{}
		}
		return a.printJSON(struct {
			runView
			Groups  []runGroup     `json:"groups"`
			List    []callView     `json:"call_list"`
			Network []*networkView `json:"network,omitempty"`
		}{viewRun(r), viewRunGroups(groups), calls, network.list()})
	}
	a.printRun(r)
	for _, g := range viewRunGroups(groups) {
		a.printf("group     %s: %s, %d calls", orText(printable(g.Group), "(none)"), g.Cost, g.Calls)
	}
	if err := a.printDoubt(ctx, l, r.ID); err != nil {
		return err
	}
	a.printNetwork(network)
	a.printCallsOf(calls, all)
	stuck, err := waiting(ctx, l, r.Agent)
	a.hintWaiting(slices.DeleteFunc(stuck, func(w waitingRun) bool { return w.ID != string(r.ID) }))
	return err
}

// printCallsOf sums up a run's calls and lists them, or the last of them.
func (a *app) printCallsOf(calls []callView, all bool) {
	if len(calls) == 0 {
		a.printf("\nno calls")
		return
	}
	a.printf("")
	a.printSums(calls)
	a.printf("")
	if last := 40; !all && len(calls) > last {
		a.printf("the last %d of %d calls; all of them with --all", last, len(calls))
		calls = calls[len(calls)-last:]
	}
	a.printCalls(calls)
}

// runGroup is what the calls of a run have cost that were let through in a group.
type runGroup struct {
	Group string        `json:"group"` // "": in none
	Calls int64         `json:"calls"`
	Cost  ledger.Micros `json:"cost_micro"`
}

// viewRunGroups tells of the groups that a run's calls were made in; of none
// where there was no group.
func viewRunGroups(sums []ledger.Spend) []runGroup {
	groups := []runGroup{}
	for _, s := range sums {
		if s.Key != "" || len(sums) > 1 {
			groups = append(groups, runGroup{s.Key, s.Calls, s.Cost})
		}
	}
	return groups
}

func (a *app) printRun(r ledger.Run) {
	took := a.now().Sub(r.Started)
	if !r.Ended.IsZero() {
		took = r.Ended.Sub(r.Started)
	}
	took = took.Round(100 * time.Millisecond)
	a.printf("run       %s", r.ID)
	a.printf("agent     %s", printable(r.Agent))
	a.printf("program   %s", printable(r.Program))
	a.printf("state     %s", stateOf(r))
	if !r.Ended.IsZero() {
		a.printf("exit code %d", r.ExitCode)
	}
	a.printf("started   %s, %s", instant(r.Started), took)
	of := ", with no budget of its own"
	if r.Account.Budget != nil {
		of = " of " + r.Account.Budget.String()
	}
	a.printf("spent     %s%s", r.Account.Spent+r.Account.Overrun, of)
	if r.Account.Reserved > 0 {
		a.printf("reserved  %s, for calls in flight", r.Account.Reserved)
	}
	if r.Account.Overrun > 0 {
		a.printf("overrun   %s, beyond the budget", r.Account.Overrun)
	}
	a.printf("calls     %d, and %d refused", r.Calls, r.Refused)
	if !r.Metered {
		a.printf("note      a key or base URL was passed to the program: what it spent there is not metered")
	}
}

// printDoubt tells what of the cost of a run's own calls is an estimate.
func (a *app) printDoubt(ctx context.Context, l *ledger.Ledger, run ledger.RunID) error {
	sums, err := l.Spend(ctx, ledger.SpendFilter{Run: run})
	if err != nil {
		return err
	}
	for _, s := range sums {
		if s.Doubtful != 0 {
			a.printf("in doubt  %s of the spent (%s)", s.Doubt, brokeOff(s.Doubtful))
		}
	}
	return nil
}

// printSums prints a line for each model, the dearest first.
func (a *app) printSums(calls []callView) {
	type sum struct {
		calls, refused, in, out int64
		cost                    ledger.Micros
	}
	sums := map[string]*sum{}
	for _, c := range calls {
		s := sums[c.model()]
		if s == nil {
			s = &sum{}
			sums[c.model()] = s
		}
		s.cost += c.Cost
		if c.refused() {
			s.refused += max(1, c.Count)
			continue
		}
		if c.Action == "usage.commit" {
			s.calls++
		}
		if c.Usage != nil {
			s.in += c.Usage.Total() - c.Usage.Output - c.Usage.AudioOut
			s.out += c.Usage.Output + c.Usage.AudioOut
		}
	}
	names := slices.SortedFunc(maps.Keys(sums), func(x, y string) int {
		return cmp.Or(cmp.Compare(sums[y].cost, sums[x].cost), cmp.Compare(x, y))
	})
	var rows [][]string
	for _, n := range names {
		s := sums[n]
		rows = append(rows, []string{n, count(s.calls), count(s.refused), count(s.in), count(s.out), s.cost.String()})
	}
	a.printTable([]column{left("model"), right("calls"), right("refused"), right("input"), right("output"), right("cost")}, rows)
}

func (a *app) printCalls(calls []callView) {
	var rows [][]string
	for _, c := range calls {
		in, out, note := "-", "-", c.Ending
		if c.Usage != nil {
			in = count(c.Usage.Total() - c.Usage.Output - c.Usage.AudioOut)
			out = count(c.Usage.Output + c.Usage.AudioOut)
		}
		switch {
		case c.refused():
			note = "refused: " + c.why()
			if c.Count > 1 {
				note += fmt.Sprintf(" (%d times)", c.Count)
			}
			if c.Reason != "" {
				note += ": " + strings.TrimPrefix(c.Reason, "aex: ")
			}
		case c.Action == "usage.cancel":
			note = "cancelled, " + cmp.Or(c.Ending, "nothing was charged")
		case c.Action == "usage.late":
			note = "late, the difference"
		case c.How != "" && c.How != string(ledger.Settled):
			note = c.How + ", " + note
		}
		if c.Clamped > 0 {
			note += fmt.Sprintf(", output capped to %d", c.Clamped)
		}
		latency := "-"
		if c.Latency > 0 {
			latency = (time.Duration(c.Latency) * time.Millisecond).String()
		}
		rows = append(rows, []string{c.Time.Local().Format("15:04:05.000"), c.model(), in, out, c.Cost.String(), latency, strings.Trim(note, ", ")})
	}
	a.printTable([]column{left("time (" + a.zone() + ")"), left("model"), right("input"), right("output"), right("cost"), right("took"), left("ending")}, rows)
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// eachEvent visits the events that the filter picks, however many.
func eachEvent(ctx context.Context, l *ledger.Ledger, f ledger.EventFilter, visit func(ledger.Event) error) error {
	f.Limit = 1000
	for {
		page, err := l.Events(ctx, f)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if err := visit(e); err != nil {
				return err
			}
		}
		if page.More == 0 {
			return nil
		}
		f.After = page.More
	}
}
