package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

// followEvery is how soon events -f sees what another process wrote.
const followEvery = 200 * time.Millisecond

type eventFlags struct {
	agent, group, run string
	action            string
	since             timeFlag
	limit             int
	follow            bool
}

// ledgerAction is an action as the ledger searches for it.
func ledgerAction(action string) string {
	if action == "deny" {
		return ".deny"
	}
	return action
}

// checkAction refuses an action that no event has.
func checkAction(action string) error {
	if action == "" || slices.Contains(actions, action) {
		return nil
	}
	hint := "it is one of " + strings.Join(actions, ", ")
	if meant := closest(action, actions); meant != "" {
		hint = "did you mean: --action " + meant
	}
	return &failure{err: fmt.Errorf("there is no action %q", action), hint: hint, code: exitUsage}
}

func (a *app) eventsCommand() *cobra.Command {
	f := &eventFlags{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "events", Short: "list the audit trail, the newest events last",
		Long:    "events lists the audit trail. With --json each line is one event, exactly as it is hashed.",
		Example: "  aex events --agent atlas --since 24h\n  aex events -f --json",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.events(cmd.Context(), f) },
	})
	fl := cmd.Flags()
	fl.StringVarP(&f.agent, "agent", "a", "", "only this agent's")
	fl.StringVar(&f.group, "group", "", "only this group's, agents that came into it and refusals because of it")
	fl.StringVar(&f.run, "run", "", "only this run's")
	fl.StringVar(&f.action, "action", "", "only this kind: usage.commit, usage. for all that begin so, deny for every refusal")
	fl.Var(&f.since, "since", "only later than this: a date, or how long ago (24h, 7d)")
	fl.IntVarP(&f.limit, "limit", "n", 50, "how many; 0 for all")
	fl.BoolVarP(&f.follow, "follow", "f", false, "go on with new events as they come")
	a.takes(cmd, map[string]kind{"agent": takesAgent, "group": takesGroup, "run": takesRun, "action": takesAction, "since": takesTime})
	return cmd
}

func (a *app) events(ctx context.Context, f *eventFlags) error {
	if f.limit < 0 {
		return usageError("--limit is 0 or more, not %d", f.limit)
	}
	if err := checkAction(f.action); err != nil {
		return err
	}
	l, err := a.openToShow(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	filter, err := a.eventFilter(ctx, l, f)
	if err != nil {
		return err
	}
	show := func(e ledger.Event) error {
		filter.After = e.Seq
		return a.printEvent(e)
	}
	if f.limit == 0 {
		filter.Newest = false
		err = eachEvent(ctx, l, filter, show)
	} else {
		var newest ledger.EventPage
		filter.Limit++ // to know whether there are more
		if newest, err = l.Events(ctx, filter); err != nil {
			return err
		}
		if len(newest.Events) > f.limit {
			newest.Events = newest.Events[:f.limit]
			if !f.follow {
				defer a.cut(f.limit, "newest events", "all of them with -n 0")
			}
		}
		for _, e := range slices.Backward(newest.Events) {
			if err := show(e); err != nil {
				return err
			}
		}
	}
	if err == nil && f.agent != "" && filter.After == 0 { // an agent that is deleted has events
		if _, unknown := l.Agent(ctx, f.agent); unknown != nil {
			return a.agentError(ctx, l, f.agent, unknown)
		}
	}
	if err == nil && f.group != "" && filter.After == 0 { // likewise
		if _, unknown := l.Group(ctx, f.group); unknown != nil {
			return a.groupError(ctx, l, f.group, unknown)
		}
	}
	if err == nil && filter.After == 0 && !f.follow && !a.json {
		a.printf("no events like that")
	}
	if err != nil || !f.follow {
		return err
	}
	return a.follow(ctx, l, filter, show)
}

// eventFilter turns the flags into what the ledger lists.
func (a *app) eventFilter(ctx context.Context, l *ledger.Ledger, f *eventFlags) (ledger.EventFilter, error) {
	filter := ledger.EventFilter{Agent: f.agent, Group: f.group, Action: ledgerAction(f.action), Limit: f.limit, Newest: true}
	var err error
	if filter.Since, _, err = a.between(ctx, l, f.since, timeFlag{}); err != nil || f.run == "" {
		return filter, err
	}
	r, err := l.Run(ctx, f.run)
	if err != nil {
		return filter, runError(f.run, err)
	}
	filter.Run = r.ID
	return filter, nil
}

// follow prints what comes until it is interrupted.
func (a *app) follow(ctx context.Context, l *ledger.Ledger, filter ledger.EventFilter, show func(ledger.Event) error) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	after := filter.After
	for {
		next := filter
		next.Newest, next.After = false, after
		err := eachEvent(ctx, l, next, func(e ledger.Event) error {
			after = e.Seq
			return show(e)
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *app) printEvent(e ledger.Event) error {
	if a.json {
		_, err := a.stdout.Write(append(append([]byte(nil), e.Body...), '\n'))
		return err
	}
	parts := []string{e.Time.Local().Format("2006-01-02 15:04:05.000 MST"), fmt.Sprintf("%-14s", e.Action)}
	who := e.Agent
	if e.Run != "" {
		who += fmt.Sprintf("/%.4s", e.Run)
	}
	if who != "" {
		parts = append(parts, who)
	}
	if e.Group != "" {
		parts = append(parts, "group "+e.Group)
	}
	if c, ok := viewCall(e); ok {
		switch {
		case c.refused():
			parts = append(parts, c.why())
			if c.Count > 1 {
				parts = append(parts, fmt.Sprintf("%d times", c.Count))
			}
			if c.Reason != "" {
				parts = append(parts, c.Reason)
			}
		default:
			parts = append(parts, c.Cost.String(), c.model(), c.Ending)
		}
	}
	_, err := fmt.Fprintln(a.stdout, strings.TrimSpace(printable(strings.Join(parts, " "))))
	return err
}
