package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// groupError words why a group could not be found or changed.
func (a *app) groupError(ctx context.Context, l *ledger.Ledger, name string, err error) error {
	word := plain.Word(printable(name))
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		missing := name
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			if _, none := l.Group(ctx, name[:i]); errors.Is(none, ledger.ErrNotFound) {
				missing = name[:i]
			}
		}
		if meant := a.closestGroup(ctx, l, name); meant != "" {
			return hinted(fmt.Errorf("there is no group %q", missing), "did you mean: %s", meant)
		}
		return hinted(fmt.Errorf("there is no group %q", missing), "list them with: aex group list; make it with: aex group create %s --budget 100/month", plain.Word(printable(missing)))
	case errors.Is(err, ledger.ErrExists):
		return hinted(fmt.Errorf("there is a group %q already", name), "change it with: aex group set %s", word)
	case errors.Is(err, ledger.ErrNotEmpty):
		return a.notEmpty(ctx, l, name, err)
	}
	return err
}

// closestGroup is the group whose name a slip would make into this one.
func (a *app) closestGroup(ctx context.Context, l *ledger.Ledger, name string) string {
	groups, err := l.Groups(ctx)
	if err != nil {
		return ""
	}
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	if meant := closest(name, names); printable(meant) == meant {
		return meant
	}
	return ""
}

// notEmpty tells what is in a group that is to be deleted, and how it gets out.
func (a *app) notEmpty(ctx context.Context, l *ledger.Ledger, name string, err error) error {
	groups, listed := l.Groups(ctx)
	if listed != nil {
		return err
	}
	var below string
	for _, g := range groups {
		if g.Parent == name && below == "" {
			below = g.Name
		}
		if g.Name == name && len(g.Agents) > 0 {
			return hinted(fmt.Errorf("group %s is not empty: %s", name, someOf(g.Agents)), "move each with: aex agent set %s --group none", plain.Word(printable(g.Agents[0])))
		}
	}
	if below == "" { // it has gone meanwhile
		return err
	}
	return hinted(fmt.Errorf("group %s is not empty: group %s is in it", name, below), "delete what is in it first: aex group delete %s", plain.Word(printable(below)))
}

// someOf names a few of many agents.
func someOf(names []string) string {
	if len(names) == 1 {
		return "agent " + printable(names[0]) + " is in it"
	}
	few := names[:min(3, len(names))]
	text := fmt.Sprintf("%d agents are in it: %s", len(names), printable(strings.Join(few, ", ")))
	if len(few) < len(names) {
		text += " ..."
	}
	return text
}

// checkGroup refuses what can be no group's name.
func checkGroup(name string) error {
	if err := ledger.CheckGroupName(name); err != nil {
		return usageError("%s", strings.TrimPrefix(err.Error(), ledger.ErrInvalid.Error()+": "))
	}
	return nil
}

// topUpError says which budgets a group has, where the one to top up is none of
// them.
func (a *app) topUpError(ctx context.Context, l *ledger.Ledger, name, amount string) error {
	g, missing := l.Group(ctx, name)
	has := groupAccounts(g)
	word := plain.Word(printable(name))
	switch {
	case missing != nil:
		return missing
	case len(has) == 0:
		return hinted(fmt.Errorf("group %s has no budget of its own, so there is nothing to top up", name), "give it one with: aex group set %s --budget %s/month", word, amount)
	}
	var texts []string
	for _, acc := range has {
		texts = append(texts, dollars(acc.Budget)+periodOf(acc.Window))
	}
	period := has[len(has)-1].Window.Period()
	if period == "" {
		period = "total"
	}
	return hinted(fmt.Errorf("group %s has a budget of %s; name the window of the one to top up", name, strings.Join(texts, ", ")), "for example: aex group topup %s %s/%s", word, amount, period)
}
