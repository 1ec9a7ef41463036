package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/remote"
	"github.com/Auro-rium/aex/v3/supervisor"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
	"github.com/Auro-rium/aex/v3/supervisor/process"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// printSources prints, with -v, where each setting is from; never its value.
// It warns of keys that would be needed but are not there.
func (a *app) printSources(f *runFlags, s *settings, r *policy.Registry) {
	if f.quiet {
		return
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(a.stderr, "aex: warning: "+printable(w))
	}
	any := false
	for _, p := range r.Providers() {
		if p.Local && f.budget.amount != nil {
			a.warnLocal(p, f.localPrices)
		}
		_, name, from := s.lookup(environ.KeyNames(p)...)
		if name != "" || p.Local || p.Keyless {
			any = true
		}
		if name != "" && f.verbose {
			fmt.Fprintf(a.stderr, "aex: %s for %s is from %s\n", name, p.Name, from)
		}
	}
	for provider, names := range environ.Bases() {
		if _, name, from := s.lookup(names...); name != "" && f.verbose {
			fmt.Fprintf(a.stderr, "aex: %s for %s is from %s\n", name, provider, from)
		}
	}
	if !any {
		fmt.Fprintln(a.stderr, "aex: no provider key is set: every call will be refused until OPENAI_API_KEY, ANTHROPIC_API_KEY or another is")
		for _, p := range r.Providers() {
			if hint := a.keyHint(p); hint != "" {
				fmt.Fprintf(a.stderr, "aex: hint:%s\n", strings.TrimPrefix(hint, ";"))
				break
			}
		}
	}
}

// keyHint says that a file here has the key that is missed; "" when none has.
func (a *app) keyHint(p policy.Provider) string {
	vars, err := godotenv.Read(filepath.Join(a.dir, ".env"))
	if err != nil {
		return ""
	}
	for _, name := range environ.KeyNames(p) {
		if vars[name] != "" {
			return fmt.Sprintf("; ./.env has %s: use it with aex run --env-file .env ...", name)
		}
	}
	return ""
}

// runHint adds the next step to what ended a run before it began.
func (a *app) runHint(err error, args []string, agent string) error {
	var poor *supervisor.NoMoneyError
	var refused *remote.Refused
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sandbox.ErrNotFull), errors.Is(err, sandbox.ErrPlatform):
		return sandboxHint(err)
	case (errors.Is(err, supervisor.ErrNoBudget) || errors.Is(err, supervisor.ErrNoAgent)) && budgetBehind(args):
		return hinted(err, "flags behind %s are its own; put --budget in front of it: aex run --budget 0.50 -- %s", printable(args[0]), plain.Word(printable(args[0])))
	case errors.Is(err, supervisor.ErrNoBudget):
		return hinted(err, "give one: --budget 0.50 (or --budget none)")
	case errors.Is(err, supervisor.ErrNoAgent):
		if bad := checkName(agent); bad != nil {
			return bad
		}
		return hinted(err, "give a --budget and it is made, or make it with: aex agent create %s 5.00 none", plain.Word(agent))
	case errors.As(err, &refused) && refused.Code == "invalid_token" && !vouched(a.environ): // what is wrong with a job's own says more
		return hinted(errors.New("the gateway does not know the token of AEX_TOKEN"), "it is an agent's, minted at the gateway: aex agent token NAME --scope runs")
	case errors.Is(err, remote.ErrAway):
		return hinted(err, "see that aex serve runs there, and that --gateway or AEX_GATEWAY is its address")
	case errors.Is(err, adapter.ErrNoKey):
		return hinted(err, "set it in the environment, in --env-file or in .env in aex's home")
	case errors.As(err, &poor):
		return hinted(err, "give it more: %s", refusal.TopUp(poor.Account, 500_000))
	case errors.Is(err, supervisor.ErrNoMoney):
		return hinted(err, "give it more: aex topup %s 0.50", plain.Word(printable(orText(agent, "AGENT"))))
	case errors.Is(err, process.ErrNoInterpreter):
		return hinted(err, "install what is missing, or mend the program")
	case errors.Is(err, process.ErrNotFound):
		return hinted(fmt.Errorf("%s: not found", args[0]), "is it installed, and in PATH?")
	case errors.Is(err, process.ErrNotExecutable):
		return hinted(err, "is it a program, with the x bit set?")
	case errors.Is(err, supervisor.ErrCutOff):
		return hinted(err, "what is not booked is settled in full by the next aex that opens the ledger")
	case errors.Is(err, ledger.ErrChanged):
		return hinted(err, "run aex audit, and keep programs out of aex's files with: aex run --sandbox")
	case errors.Is(err, supervisor.ErrUnbooked):
		return hinted(err, "look at the disk and permissions of aex's home, then run: aex audit")
	}
	return err
}

// budgetBehind tells whether a budget stands where it is the program's.
func budgetBehind(args []string) bool {
	return slices.ContainsFunc(args[min(1, len(args)):], func(arg string) bool {
		return arg == "-b" || arg == "--budget" || strings.HasPrefix(arg, "--budget=")
	})
}
