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

// kind is what a flag or an argument takes: how the help names it, and what a
// shell completes for it.
type kind struct {
	name     string
	complete func(a *app, ctx context.Context, typed string) []string // nil: nothing
	files    bool
	more     bool // more follows what is completed, without a space
}

// The kinds of values that flags and arguments take.
var (
	takesAgent  = kind{name: "AGENT", complete: (*app).completeAgents}
	takesRun    = kind{name: "RUN", complete: (*app).completeRuns}
	takesPayee  = kind{name: "AGENT|RUN", complete: (*app).completePayees}
	takesModel  = kind{name: "MODEL", complete: (*app).completeModels}
	takesPrice  = kind{name: "MODEL=IN/OUT", complete: (*app).completePrices, more: true}
	takesFile   = kind{name: "FILE", files: true}
	takesText   = kind{name: "TEXT"}
	takesName   = kind{name: "VARIABLE", complete: (*app).completeVariables}
	takesHost   = kind{name: "HOST"}
	takesURL    = kind{name: "URL"}
	takesTime   = kind{name: "TIME", complete: words(append(slices.Clone(spanWords), "1h", "24h", "7d", "30d")...)}
	takesUSD    = kind{name: "USD", complete: words("0.50", "5.00", "none")}
	takesLife   = kind{name: "HOURS", complete: words("24", "7d", "none")}
	takesModels = kind{name: "MODEL,...", complete: (*app).completeModels, more: true}
	takesScope  = oneOfKind("execution", "read-only", "runs")
	takesWindow = oneOfKind("total", "daily", "weekly", "monthly")
	takesAction = kind{name: "ACTION", complete: words(actions...)}
)

// actions are what events are called, and what stands for several.
var actions = []string{
	"deny", "usage.", "usage.commit", "usage.cancel", "usage.late", "usage.overrun", "usage.recovered",
	"budget.deny", "policy.deny", "rate.deny", "access.deny", "call.held", "run.", "run.open", "run.state", "run.topup", "run.end",
	"agent.", "agent.create", "agent.set", "agent.topup", "agent.delete", "group.", "group.create", "group.set", "group.budget", "group.topup", "group.delete", "token.", "token.add", "token.rotate", "window.open", "adjustment.opening", "ledger.zone", "checkpoint",
}

// oneOfKind is one of a few words.
func oneOfKind(allowed ...string) kind {
	return kind{name: strings.Join(allowed, "|"), complete: words(allowed...)}
}

func words(allowed ...string) func(*app, context.Context, string) []string {
	return func(*app, context.Context, string) []string { return allowed }
}

// takes says what flags of a command take.
func (a *app) takes(cmd *cobra.Command, flags map[string]kind) {
	for name, k := range flags {
		f := cmd.Flag(name)
		if f == nil {
			panic("no flag --" + name + " of " + cmd.Name()) // a slip of the program's
		}
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations["kind"] = []string{k.name}
		if err := cmd.RegisterFlagCompletionFunc(name, a.completion(k)); err != nil {
			panic(err) // the same
		}
	}
}

// arguments says what the arguments of a command are, the last for all that
// follow; with none the shell's own completion of files holds.
func (a *app) arguments(cmd *cobra.Command, repeats bool, kinds ...kind) *cobra.Command {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		switch n := len(args); {
		case n < len(kinds):
			return a.completion(kinds[n])(cmd, args, typed)
		case repeats && len(kinds) > 0:
			return a.completion(kinds[len(kinds)-1])(cmd, args, typed)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// completion is a kind as cobra asks for it.
func (a *app) completion(k kind) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		switch {
		case k.files:
			return nil, cobra.ShellCompDirectiveDefault
		case k.complete == nil:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(commandContext(cmd)), 2*time.Second)
		defer cancel()
		directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if k.more {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return beginning(typed, k.complete(a, ctx, typed)), directive
	}
}

func commandContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background() // completion comes before there is one
}

// beginning are those that begin as typed.
func beginning(typed string, all []string) (some []string) {
	for _, s := range all {
		if strings.HasPrefix(s, typed) {
			some = append(some, s)
		}
	}
	return some
}

// fromLedger shows what a read of the ledger finds: completion makes nothing and
// says nothing.
func (a *app) fromLedger(ctx context.Context, show func(*ledger.Ledger) []string) []string {
	s, err := a.settings()
	if err != nil {
		return nil
	}
	l, err := ledger.OpenReadOnly(ctx, s.ledgerOptions())
	if err != nil {
		return nil
	}
	defer l.Close() // it has only read
	return show(l)
}

func (a *app) completeAgents(ctx context.Context, _ string) []string {
	return a.fromLedger(ctx, func(l *ledger.Ledger) (names []string) {
		agents, err := l.Agents(ctx)
		if err != nil {
			return nil
		}
		for _, ag := range agents {
			about := "no limit"
			if left, limited := ag.Account.Left(); limited {
				about = left.String() + " left"
			}
			if printable(ag.Name) == ag.Name {
				names = append(names, ag.Name+"\t"+about)
			}
		}
		return names
	})
}

// completeRuns are the newest runs by as much of their ids as tells them apart.
func (a *app) completeRuns(ctx context.Context, typed string) []string {
	return a.fromLedger(ctx, func(l *ledger.Ledger) (ids []string) {
		runs, err := l.Runs(ctx, ledger.RunFilter{Limit: 200})
		if err != nil {
			return nil
		}
		for i, r := range runs {
			n := max(4, len(typed))
			for n < len(r.ID) && sharesBeginning(runs, i, n) {
				n++
			}
			ids = append(ids, fmt.Sprintf("%s\t%s", r.ID[:min(n, len(r.ID))], printable(fmt.Sprintf("%s: %s, %s, %s", r.Agent, r.Program, stateOf(r), a.ago(r.Started)))))
		}
		return ids
	})
}

// sharesBeginning tells whether another run begins as run i does, n letters long.
func sharesBeginning(runs []ledger.Run, i, n int) bool {
	for j, r := range runs {
		if j != i && strings.HasPrefix(string(r.ID), string(runs[i].ID[:n])) {
			return true
		}
	}
	return false
}

func (a *app) completePayees(ctx context.Context, typed string) []string {
	return append(a.completeAgents(ctx, typed), a.completeRuns(ctx, typed)...)
}

func (a *app) completeModels(context.Context, string) (names []string) {
	s, err := a.settings()
	if err != nil {
		return nil
	}
	r, err := s.registry(nil, "")
	if err != nil {
		return nil
	}
	for _, m := range r.Models() {
		names = append(names, m.Name)
	}
	return names
}

func (a *app) completePrices(ctx context.Context, typed string) (names []string) {
	for _, n := range a.completeModels(ctx, typed) {
		names = append(names, n+"=")
	}
	return names
}

func (a *app) completeVariables(context.Context, string) (names []string) {
	for name := range environment(a.environ) {
		names = append(names, name)
	}
	return names
}

// fileFlags are kinds for flags that name files.
func fileFlags(names ...string) map[string]kind {
	flags := map[string]kind{}
	for _, n := range names {
		flags[n] = takesFile
	}
	return flags
}
