package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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
	var f ledger.RunFilter
	cmd := a.jsonFlag(&cobra.Command{
		Use: "runs", Short: "list runs, the newest first",
		Example: "  aex runs --agent atlas\n  aex runs show 7f3a",
		Args:    below,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listRuns(cmd.Context(), f) },
	})
	cmd.Flags().StringVarP(&f.Agent, "agent", "a", "", "only this agent's")
	cmd.Flags().BoolVar(&f.Open, "open", false, "only those that have not ended")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 50, "how many")
	cmd.AddCommand(a.runsShowCommand(), a.runsStopCommand())
	return cmd
}

func (a *app) listRuns(ctx context.Context, f ledger.RunFilter) error {
	if f.Limit < 1 {
		return usageError("--limit is 1 or more, not %d", f.Limit)
	}
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	if f.Agent != "" {
		if _, err := l.Agent(ctx, f.Agent); err != nil {
			return a.agentError(ctx, l, f.Agent, err)
		}
	}
	runs, err := l.Runs(ctx, f)
	if err != nil {
		return fmt.Errorf("listing runs: %w", err)
	}
	if a.json {
		views := []runView{}
		for _, r := range runs {
			views = append(views, viewRun(r))
		}
		return a.printJSON(views)
	}
	if len(runs) == 0 {
		a.printf("no runs yet; start one with: aex run --budget 0.50 -- PROGRAM")
		return nil
	}
	var rows [][]string
	for _, r := range runs {
		rows = append(rows, []string{
			string(r.ID[:min(4, len(r.ID))]), r.Agent, r.Program, stateOf(r), (r.Account.Spent + r.Account.Overrun).String(),
			dollars(r.Account.Budget), strconv.FormatInt(r.Calls, 10), strconv.FormatInt(r.Refused, 10), a.ago(r.Started),
		})
	}
	a.printTable([]column{left("run"), left("agent"), left("program"), left("state"), right("spent"), right("budget"),
		right("calls"), right("refused"), left("started")}, rows)
	return nil
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

// findRun opens the ledger and finds a run by the beginning of its id.
func (a *app) findRun(ctx context.Context, id string) (*ledger.Ledger, ledger.Run, error) {
	l, err := a.open(ctx)
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
		Use: "stop RUN", Short: "end a run: its programs, then its gateway", Args: exactly("run"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.stopRun(cmd.Context(), args[0], wait) },
	})
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait for its end")
	return cmd
}

// stopRun asks the run's own aex to end it, and waits until it has.
func (a *app) stopRun(ctx context.Context, id string, wait time.Duration) (err error) {
	if err := checkWait(wait); err != nil {
		return err
	}
	l, r, err := a.findRun(ctx, id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if r.State == ledger.RunEnded {
		return a.stopped(r, "had already ended")
	}
	watched, done := context.WithTimeout(ctx, wait)
	defer done()
	states := l.WatchRun(watched, r.ID, r.State)
	if err := l.SetRunState(ctx, r.ID, ledger.RunEnding); err != nil {
		return fmt.Errorf("ending run %.4s: %w", r.ID, err)
	}
	for {
		if r, err = l.Run(ctx, string(r.ID)); err != nil {
			return fmt.Errorf("looking at run %.4s: %w", id, err)
		}
		if r.State == ledger.RunEnded {
			return a.stopped(r, "ended")
		}
		if _, more := <-states; !more {
			return hinted(fmt.Errorf("run %.4s has not ended after %s", r.ID, wait), "its aex was told; look again with: aex runs show %.4s", r.ID)
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
