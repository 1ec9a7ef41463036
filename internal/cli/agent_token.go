package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (a *app) agentTokenCommand() *cobra.Command {
	ttl, scope, most := ttlFlag{}, scopeFlag{ledger.Execution}, budgetFlag{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "token NAME", Short: "mint one more token of an agent", Args: exactly("NAME"),
		Example: "  aex agent token atlas --ttl 24\n  aex agent token atlas --scope runs --max-run 2.00 --ttl 1h",
		Long: `token mints one more token for aex serve; those that exist stay good. It is
shown once.

A token of scope runs is for AEX_TOKEN on another machine: it opens runs there
and does nothing else. --max-run is the most that each of them may spend.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx := cmd.Context()
			l, _, err := a.findAgent(ctx, args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			if most.amount != nil && scope.scope != ledger.Runs {
				return usageError("--max-run is for tokens that open runs: add --scope runs")
			}
			token, expires, err := a.mint(ctx, args[0], ttl.d, scope.scope, func(ctx context.Context, t ledger.NewToken) error {
				t.MaxRun = most.amount
				return l.AddToken(ctx, t)
			})
			if err != nil {
				return a.agentError(ctx, l, args[0], err)
			}
			return a.printToken("Token", token, expires, scope.scope)
		},
	})
	cmd.Flags().Var(&ttl, "ttl", "how long it lives: hours (24, 0.5), 90m, 7d, none")
	cmd.Flags().Var(&scope, "scope", "what it may do: execution, read-only, runs")
	cmd.Flags().Var(&most, "max-run", "of scope runs: the most that a run which it opens may spend, in dollars")
	a.takes(cmd, map[string]kind{"ttl": takesLife, "scope": takesScope, "max-run": takesUSD})
	return a.arguments(cmd, false, takesAgent)
}

func (a *app) agentRotateCommand() *cobra.Command {
	var ttl ttlFlag
	scope := scopeFlag{}
	cmd := a.jsonFlag(&cobra.Command{
		Use: "rotate-token NAME", Short: "end all tokens of an agent and mint a new one", Args: exactly("NAME"),
		Example: "  aex agent rotate-token atlas",
		Long: `rotate-token ends every token of the agent at once, those of its runs excepted,
and mints one in their place. It keeps the newest token's scope and time to
live unless told otherwise.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rotate(cmd.Context(), args[0], &ttl, cmd.Flags().Changed("ttl"), scope.scope)
		},
	})
	cmd.Flags().Var(&ttl, "ttl", "how long the new one lives: hours (24, 0.5), 90m, 7d, none")
	cmd.Flags().Var(&scope, "scope", "what the new one may do: execution, read-only, runs")
	a.takes(cmd, map[string]kind{"ttl": takesLife, "scope": takesScope})
	return a.arguments(cmd, false, takesAgent)
}

func (a *app) rotate(ctx context.Context, name string, ttl *ttlFlag, told bool, scope ledger.Scope) (err error) {
	l, _, err := a.findAgent(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	tokens, err := l.Tokens(ctx, name)
	if err != nil {
		return err
	}
	life := ttl.d
	if len(tokens) > 0 {
		if !told {
			life = tokens[0].TTL
		}
		if scope == "" {
			scope = tokens[0].Scope
		}
	}
	if scope == "" {
		scope = ledger.Execution
	}
	store := l.RotateToken
	if life == 0 {
		store = func(ctx context.Context, t ledger.NewToken) error {
			t.TTL = ledger.NoTTL
			return l.RotateToken(ctx, t)
		}
	}
	token, expires, err := a.mint(ctx, name, life, scope, store)
	if err != nil {
		return a.agentError(ctx, l, name, err)
	}
	if !a.json {
		a.printf("%d token(s) of '%s' ended.", len(tokens), printable(name))
	}
	return a.printToken("New Token", token, expires, scope)
}

func (a *app) printToken(label, token string, expires time.Time, scope ledger.Scope) error {
	if a.json {
		return a.printJSON(map[string]any{"token": token, "expires": moment(expires), "scope": scope})
	}
	a.printf("%s: %s", label, token)
	if !expires.IsZero() {
		a.printf("Token expires: %s", expires.Local().Format(time.RFC3339))
	}
	a.printf("Scope: %s", scope)
	fmt.Fprintln(a.stderr, "aex: it is shown this once; aex keeps only its hash")
	return nil
}
