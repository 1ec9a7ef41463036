package dashboard

import (
	"context"
	"fmt"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// action is something that the operator can do, here and by a command. The
// ledger writes the event of it in the transaction that does it.
type action struct {
	Do      string
	Title   string
	Text    string // what will happen
	Button  string
	Danger  bool
	Amount  bool   // it asks for dollars
	Of      string // "run", "agent" or "group"
	command func(target string) string
	apply   func(ctx context.Context, d *Dashboard, target string, given given) (done string, err error)
}

// given is what the operator has filled in.
type given struct {
	by     ledger.Micros
	window ledger.Window // of a group's budget
}

var actions = map[string]action{
	"stop-run": {
		Title: "Stop run", Button: "Stop this run", Danger: true, Of: "run",
		Text:    "Its calls are refused from now on, its program and all that it started are ended, and calls in flight are booked.",
		command: func(t string) string { return "aex runs stop " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ given) (string, error) {
			return "run " + t[:min(4, len(t))] + " is ending", d.ledger.SetRunState(ctx, ledger.RunID(t), ledger.RunEnding)
		},
	},
	"topup-run": {
		Title: "Top up run", Button: "Give it more", Amount: true, Of: "run",
		Text:    "The run's budget grows. What it overran is paid first; if it was out of money it goes on.",
		command: func(t string) string { return "aex topup " + t + " DOLLARS" },
		apply: func(ctx context.Context, d *Dashboard, t string, g given) (string, error) {
			r, err := d.ledger.TopUpRun(ctx, ledger.RunID(t), g.by)
			return fmt.Sprintf("run %s has a budget of %s and is %s", shortID(r.ID), budgetText(r.Account.Budget), r.State), err
		},
	},
	"topup-agent": {
		Title: "Top up agent", Button: "Give it more", Amount: true, Of: "agent",
		Text:    "The agent's budget grows. What it overran is paid first; its runs that were out of money go on.",
		command: func(t string) string { return "aex topup " + t + " DOLLARS" },
		apply: func(ctx context.Context, d *Dashboard, t string, g given) (string, error) {
			a, err := d.ledger.TopUpAgent(ctx, t, g.by)
			return fmt.Sprintf("agent %s has a budget of %s", plain.Name(t), budgetText(a.Account.Budget)), err
		},
	},
	"pause-agent": {
		Title: "Pause agent", Button: "Pause this agent", Danger: true, Of: "agent",
		Text:    "New calls are refused until it is resumed. Calls in flight end by themselves, programs are left alone.",
		command: func(t string) string { return "aex agent pause " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ given) (string, error) {
			return "agent " + plain.Name(t) + " is paused", d.pause(ctx, t, true)
		},
	},
	"resume-agent": {
		Title: "Resume agent", Button: "Let it go on", Of: "agent",
		Text:    "New calls are let through again.",
		command: func(t string) string { return "aex agent resume " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ given) (string, error) {
			return "agent " + plain.Name(t) + " goes on", d.pause(ctx, t, false)
		},
	},
	"rotate-token": {
		Title: "Rotate token", Button: "End the old tokens, make a new one", Danger: true, Of: "agent",
		Text:    "Every token of the agent ends at once, those of its runs excepted. The new one is shown once.",
		command: func(t string) string { return "aex agent rotate-token " + t },
	},
	"topup-group": {
		Title: "Top up group", Button: "Give it more", Amount: true, Of: "group",
		Text:    "The budget grows. What it overran is paid first; runs of its agents that were out of money go on. Of a day's, a week's or a month's budget the current one gets more, not the later ones.",
		command: func(t string) string { return "aex group topup " + t + " DOLLARS/WINDOW" },
		apply: func(ctx context.Context, d *Dashboard, t string, g given) (string, error) {
			group, err := d.ledger.TopUpGroup(ctx, t, g.window, g.by)
			for _, acc := range group.Accounts() {
				if acc.Window == g.window {
					return fmt.Sprintf("%s has a budget of %s", acc.Whose(), budgetText(acc.Budget)), err
				}
			}
			return "", err
		},
	},
	"pause-group": {
		Title: "Pause group", Button: "Pause this group", Danger: true, Of: "group",
		Text:    "New calls of all agents in it, and in groups inside it, are refused until it is resumed. Calls in flight end by themselves, programs are left alone.",
		command: func(t string) string { return "aex group pause " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ given) (string, error) {
			return "group " + plain.Name(t) + " is paused", d.pauseGroup(ctx, t, true)
		},
	},
	"resume-group": {
		Title: "Resume group", Button: "Let it go on", Of: "group",
		Text:    "New calls are let through again, unless a group around it is paused.",
		command: func(t string) string { return "aex group resume " + t },
		apply: func(ctx context.Context, d *Dashboard, t string, _ given) (string, error) {
			return "group " + plain.Name(t) + " goes on", d.pauseGroup(ctx, t, false)
		},
	},
}

func (d *Dashboard) pauseGroup(ctx context.Context, name string, paused bool) error {
	_, err := d.ledger.SetGroup(ctx, name, ledger.GroupChange{Paused: &paused})
	return err
}

func (d *Dashboard) pause(ctx context.Context, name string, paused bool) error {
	_, err := d.ledger.SetAgent(ctx, name, ledger.AgentChange{Paused: &paused})
	return err
}
