package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

// runView is a run as --json prints it.
type runView struct {
	ID       string         `json:"run_id"`
	Agent    string         `json:"agent"`
	Parent   string         `json:"parent,omitempty"`
	State    string         `json:"state"`
	Program  string         `json:"program"`
	Started  time.Time      `json:"started"`
	Ended    *time.Time     `json:"ended"`
	Outcome  string         `json:"outcome,omitempty"`
	ExitCode *int           `json:"exit_code"`
	Calls    int64          `json:"calls"`
	Refused  int64          `json:"refused"`
	Metered  bool           `json:"metered"`
	Budget   *ledger.Micros `json:"budget_micro"`
	Spent    ledger.Micros  `json:"spent_micro"`
	Reserved ledger.Micros  `json:"reserved_micro"`
	Overrun  ledger.Micros  `json:"overrun_micro"`
}

func viewRun(r ledger.Run) runView {
	v := runView{
		ID: string(r.ID), Agent: r.Agent, Parent: string(r.Parent), State: string(r.State), Program: r.Program,
		Started: r.Started, Outcome: r.Outcome, Calls: r.Calls, Refused: r.Refused, Metered: r.Metered,
		Budget: r.Account.Budget, Spent: r.Account.Spent, Reserved: r.Account.Reserved, Overrun: r.Account.Overrun,
	}
	if !r.Ended.IsZero() {
		v.Ended, v.ExitCode = &r.Ended, &r.ExitCode
	}
	return v
}

func (a *app) runsCommand() *cobra.Command {
	f := &runsFlags{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "runs", Short: "list runs, the newest first",
		Example: `  aex runs --agent atlas --since 7d
  aex runs --sort spent --since 7d -n 1
  aex runs --state budget -n 0
  aex runs show 7f3a`,
		Args: below,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listRuns(cmd.Context(), f) },
	})
	fl := cmd.Flags()
	fl.StringVarP(&f.Agent, "agent", "a", "", "only this agent's")
	fl.BoolVar(&f.Open, "open", false, "only those that have not ended")
	fl.StringVar(&f.State, "state", "", "only those in this state, or that ended so: "+strings.Join(runStates, ", "))
	fl.Var(&f.since, "since", "only those that started then or later: a date, or how long ago (24h, 7d)")
	fl.Var(&f.until, "until", "only those that started before then")
	fl.StringVar(&f.sort, "sort", "started", "order: the newest first, or the dearest first")
	fl.IntVarP(&f.Limit, "limit", "n", 50, "how many; 0 for all")
	a.takes(cmd, map[string]kind{
		"agent": takesAgent, "state": {name: "STATE", complete: words(runStates...)}, "since": takesTime, "until": takesTime, "sort": oneOfKind("started", "spent"),
	})
	cmd.AddCommand(a.runsShowCommand(), a.runsStopCommand())
	return cmd
}

// runsFlags are the flags of aex runs.
type runsFlags struct {
	ledger.RunFilter
	since, until timeFlag
	sort         string
}

// runStates are what --state takes: the states of a run, and how one ends.
var runStates = []string{"open", "exhausted", "paused", "ending", "ended",
	"exited", "signalled", "budget", "guard", "timeout", "stopped", "interrupted", "lost", "unbooked"}

// filter turns the flags into what the ledger lists: one more than is shown,
// to know whether there are more.
func (f *runsFlags) filter() (ledger.RunFilter, error) {
	q := f.RunFilter
	if f.Limit < 0 {
		return q, usageError("--limit is 0 or more, not %d", f.Limit)
	}
	if f.State != "" {
		if _, err := oneOf("--state", f.State, runStates...); err != nil {
			return q, err
		}
	}
	if f.sort == "cost" {
		f.sort = "spent"
	}
	if _, err := oneOf("--sort", f.sort, "started", "spent"); err != nil {
		return q, err
	}
	q.Limit = f.Limit + 1
	if f.Limit == 0 || f.sort != "started" {
		q.Limit = -1
	}
	return q, nil
}

// list reads the runs that are shown, and tells whether there are more.
func (f *runsFlags) list(ctx context.Context, l *ledger.Ledger, q ledger.RunFilter) (runs []ledger.Run, more bool, err error) {
	if runs, err = l.Runs(ctx, q); err != nil {
		return nil, false, fmt.Errorf("listing runs: %w", err)
	}
	if f.sort == "spent" {
		slices.SortStableFunc(runs, func(x, y ledger.Run) int { return cmp.Compare(y.Account.Charged(), x.Account.Charged()) })
	}
	if f.Limit > 0 && len(runs) > f.Limit {
		runs, more = runs[:f.Limit], true
	}
	return runs, more, nil
}

func (a *app) listRuns(ctx context.Context, f *runsFlags) error {
	filter, err := f.filter()
	if err != nil {
		return err
	}
	l, err := a.openToShow(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	if filter.Since, filter.Until, err = a.between(ctx, l, f.since, f.until); err != nil {
		return err
	}
	if f.Agent != "" {
		if _, err := l.Agent(ctx, f.Agent); err != nil {
			return a.agentError(ctx, l, f.Agent, err)
		}
	}
	runs, more, err := f.list(ctx, l, filter)
	if err != nil {
		return err
	}
	if more {
		defer a.cut(len(runs), map[string]string{"started": "newest", "spent": "dearest"}[f.sort]+" runs", "all of them with -n 0")
	}
	if a.json {
		views := []runView{}
		for _, r := range runs {
			views = append(views, viewRun(r))
		}
		return a.printJSON(views)
	}
	if len(runs) == 0 {
		text := "no runs yet; start one with: aex run --budget 0.50 -- PROGRAM"
		if f.RunFilter != (ledger.RunFilter{Limit: f.Limit}) || f.since.text+f.until.text != "" {
			text = "no runs like that; all of them: aex runs -n 0"
		}
		a.printf("%s", text)
		return nil
	}
	a.printRuns(runs)
	stuck, err := waiting(ctx, l, f.Agent)
	if err == nil {
		a.hintWaiting(stuck)
	}
	return err
}

func (a *app) printRuns(runs []ledger.Run) {
	var rows [][]string
	for _, r := range runs {
		rows = append(rows, []string{
			string(r.ID[:min(4, len(r.ID))]), r.Agent, r.Program, stateOf(r), (r.Account.Spent + r.Account.Overrun).String(),
			dollars(r.Account.Budget), strconv.FormatInt(r.Calls, 10), strconv.FormatInt(r.Refused, 10), a.ago(r.Started),
		})
	}
	a.printTable([]column{left("run"), left("agent"), left("program"), left("state"), right("spent"), right("budget"),
		right("calls"), right("refused"), left("started")}, rows)
}

// stateOf tells how a run is, or how it ended.
func stateOf(r ledger.Run) string {
	switch {
	case r.State != ledger.RunEnded:
		return string(r.State)
	case r.Outcome == "exited":
		return fmt.Sprintf("exited %d", r.ExitCode)
	}
	return r.Outcome
}

// findRun opens the ledger with open and finds a run by the beginning of its id.
func (a *app) findRun(ctx context.Context, id string, open opener) (*ledger.Ledger, ledger.Run, error) {
	l, err := open(ctx)
	if err != nil {
		return nil, ledger.Run{}, err
	}
	r, err := l.Run(ctx, id)
	if err != nil {
		return nil, r, errors.Join(runError(id, err), l.Close())
	}
	return l, r, nil
}

// runError words what is wrong with a run's id.
func runError(id string, err error) error {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return hinted(fmt.Errorf("there is no run %q", id), "list them with: aex runs")
	case errors.Is(err, ledger.ErrAmbiguous):
		return hinted(fmt.Errorf("more than one run begins with %q", id), "give more of it; aex runs --json has whole ids")
	}
	return fmt.Errorf("finding run %q: %w", id, err)
}

func (a *app) runsStopCommand() *cobra.Command {
	wait := 30 * time.Second
	cmd := a.jsonFlag(&cobra.Command{
		Use: "stop RUN", Short: "end a run: its programs, then its gateway", Args: exactly("RUN"),
		Example: "  aex runs stop 7f3a",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.stopRun(cmd.Context(), args[0], wait) },
	})
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait for its end")
	return a.arguments(cmd, false, takesRun)
}

// stopRun asks the run's own aex to end it, and waits until it has.
func (a *app) stopRun(ctx context.Context, id string, wait time.Duration) (err error) {
	if a.inside() && !a.ownRun(id) {
		return a.refusedInside("aex runs stop of another run")
	}
	if err := checkWait(wait); err != nil {
		return err
	}
	l, r, err := a.findRun(ctx, id, a.open)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if r.State == ledger.RunEnded {
		return a.stopped(r, "had already ended")
	}
	watched, done := context.WithTimeoutCause(ctx, wait, fmt.Errorf("waited %s", wait))
	defer done()
	states := l.WatchRun(watched, r.ID, r.State)
	if err := l.SetRunState(ctx, r.ID, ledger.RunEnding); err != nil {
		return fmt.Errorf("ending run %.4s: %w", r.ID, err)
	}
	for more := true; ; _, more = <-states {
		if r, err = l.Run(context.WithoutCancel(ctx), string(r.ID)); err != nil {
			return fmt.Errorf("looking at run %.4s: %w", id, err)
		}
		if r.State == ledger.RunEnded {
			return a.stopped(r, "ended")
		}
		if !more {
			return hinted(fmt.Errorf("run %.4s has not ended yet: %w", r.ID, context.Cause(watched)), "its aex was told; look again with: aex runs show %.4s", r.ID)
		}
	}
}

func (a *app) stopped(r ledger.Run, how string) error {
	if a.json {
		return a.printJSON(viewRun(r))
	}
	a.printf("run %.4s %s: %s, %d calls", r.ID, how, r.Account.Spent+r.Account.Overrun, r.Calls)
	return nil
}
