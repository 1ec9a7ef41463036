package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
	"github.com/Auro-rium/aex/v3/supervisor/process"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

const runLong = `run starts PROGRAM with a private gateway in front of its model provider and a
token in place of the real key. It meters every call, ends the program and all
that it started when the budget is gone, and books what was spent.

With --on-exhausted=ask a call that the budget keeps back is held, unsent, until
aex topup in another terminal lets it go on: the program sees a slow answer and
no error. refuse leaves the program to its refused calls.

A small budget is enough: where all that a call asks for does not fit, its prompt is
bounded by earlier calls, then by a count, and its output cap and thinking fall with
what is left. What was changed is said once, and docs/ceilings.md tells how.

A script can tell by exit code and --report alone how it went: the program's own
code (outcome exited), 121 the money is gone, or the program failed after its last
call was refused for money, or that and then denied for another cause (budget), 122
a guard (guard), 124 a timeout (timeout). A program that ends with 0 after a refusal
keeps its 0; refused and exhausted in the report tell.

With --gateway the run is opened and booked at a shared aex serve, by an agent's
token in AEX_TOKEN: this machine needs no provider's key. See docs/shared.md.

Inside a run, run asks the gateway of that run for a budget of its own out of
what is left there; without --budget it is all of it.

Flags after PROGRAM are the program's own.`

func (a *app) runCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run [flags] [--] PROGRAM [ARG...]",
		Short: "run a program under a budget",
		Long:  runLong,
		Example: `  aex run --budget 0.50 -- python bot.py
  aex run --agent atlas python bot.py --verbose`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd, f, args) },
	}
	fl := cmd.Flags() // each has a variable, AEX_MAX_CALLS for --max-calls
	fl.SetInterspersed(false)
	fl.StringVarP(&f.agent, "agent", "a", "", "whose money it is (default: the agent of aex.yaml, else default)")
	fl.VarP(&f.budget, "budget", "b", "most that this run may spend, in dollars, or none")
	fl.StringArrayVar(&f.envFiles, "env-file", nil, "read keys and base URLs from this file too")
	fl.StringArrayVar(&f.prices, "price", nil, "price of a model: `MODEL=IN/OUT` in dollars per million tokens")
	fl.StringVar(&f.localPrices, "local-prices", policy.LocalAuto, localPricesUsage)
	fl.StringArrayVar(&f.pass, "pass-env", nil, "leave this variable to the program; the run may then go unmetered")
	fl.StringVar(&f.caFile, "ca-file", "", "trust the certificates of this file upstream, too")
	fl.StringVar(&f.adapter, "adapter", "", "treat the program as this agent, or as none (default: by its name)")
	fl.StringVar(&f.policy, "policy", "", "policy file (default: the nearest aex.yaml)")
	fl.StringArrayVar(&f.gateways, "gateway", nil, "book the run at this shared `URL` (an aex serve); more of them are tried in turn")
	fl.StringVar(&f.report, "report", "", "write the report as JSON to this file")
	fl.StringVar(&f.tty, "tty", "auto", "give the program a terminal of its own")
	fl.StringVar(&f.orphans, "orphans", "", "for processes that outlive the program (default: warn with a terminal, else kill)")
	fl.StringVar(&f.loop, "loop-guard", "warn", "for a program that repeats itself")
	fl.StringVar(&f.exhausts, "on-exhausted", "kill", "when the budget is gone: kill the run, refuse its calls, or ask: hold them for a top-up")
	fl.DurationVar(&f.ask, "ask-timeout", 5*time.Minute, "how long ask holds a call")
	fl.StringVar(&f.hosted, "hosted-tools", "", "tools that the provider runs itself: auto (bounded so that they fit), refuse or allow")
	fl.BoolVar(&f.noClamp, "no-clamp", false, "refuse a call rather than lower its output cap to fit the budget")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print nothing")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "tell where settings come from and what is removed")
	fl.StringVar(&f.die, "die-with-parent", "auto", "end when the process that started aex dies; auto: in CI")
	f.registerGuards(fl)
	f.sandbox.register(a, cmd)
	a.runTakes(cmd)
	cmd.ValidArgsFunction = a.completion(takesFile) // the program and its arguments
	return cmd
}

// registerGuards adds the flags that say when a run ends.
func (f *runFlags) registerGuards(fl *pflag.FlagSet) {
	fl.Int64Var(&f.maxCalls, "max-calls", 0, "end the run after this many calls")
	fl.DurationVar(&f.grace, "grace", 5*time.Second, "for the program to end by itself when the budget is gone")
	fl.DurationVar(&f.guard.Timeout, "timeout", 0, "end the run after this long")
	fl.DurationVar(&f.guard.Idle, "idle-timeout", 0, "end the run after this long without a call")
	fl.BoolVar(&f.guard.RequireMetered, "require-metered", false, "fail a run that made no metered call")
}

// runTakes says what the flags of aex run take.
func (a *app) runTakes(cmd *cobra.Command) {
	cmd.Annotations = map[string]string{withVariables: "yes"}
	a.takes(cmd, fileFlags("env-file", "ca-file", "policy", "report"))
	a.takes(cmd, map[string]kind{
		"agent": takesAgent, "budget": takesUSD, "price": takesPrice, "pass-env": takesName, "gateway": {name: "URL", complete: words("https://")},
		"adapter": {name: "ADAPTER", complete: words(append(adapter.Names(), adapter.None)...)},
		"tty":     oneOfKind("auto", "force", "never"), "orphans": oneOfKind("kill", "leave", "warn"),
		"loop-guard": {name: "off|warn|kill[:N]", complete: words("off", "warn", "kill")}, "on-exhausted": oneOfKind("kill", "refuse", "ask"),
		"die-with-parent": oneOfKind("auto", "yes", "no"), "hosted-tools": oneOfKind("auto", "refuse", "allow"), "local-prices": localPricesKind,
	})
}

// run does aex run.
func (a *app) run(cmd *cobra.Command, f *runFlags, args []string) error {
	a.exit.Code = supervisor.ExitInternal
	if len(args) == 0 {
		return &failure{err: errors.New("no program to run"), hint: "aex run --budget 0.50 -- python bot.py"}
	}
	if err := f.check(); err != nil {
		return err
	}
	outer, err := a.findOuter(cmd.Context(), f)
	if err != nil {
		return err
	}
	if outer != nil {
		if err := f.checkInside(cmd, a.stderr); err != nil {
			return err
		}
	}
	file, err := a.policyFile(f.policy)
	if err != nil {
		return err
	}
	if err := f.applyPolicy(cmd, environment(a.environ), file); err != nil {
		return err
	}
	if err := f.sandbox.check(cmd); err != nil {
		return err
	}
	monitor, err := a.monitor(f)
	if err != nil {
		return err
	}
	defer monitor.Close()
	spec, err := a.readSpec(cmd, f, file, args, outer)
	if err != nil {
		return err
	}
	insisted := monitor.Insisted()
	rep, err := supervisor.Run(cmd.Context(), monitor, spec)
	a.exit = Exit{Code: rep.ExitCode, Status: rep.Like()}
	err, told := soon(insisted, func() error { return errors.Join(err, a.tellEnd(f, spec, rep)) })
	if !told {
		a.exit = Exit{Code: supervisor.ExitInternal} // also where the program died of the signal
		return nil                                   // whoever reads what aex says has been waited for
	}
	if err != nil && a.exit.Code == 0 {
		a.exit.Code = supervisor.ExitInternal
	}
	return a.runHint(err, args, spec.Agent)
}

// readSpec reads the settings, makes a run of them, of the policy file and of
// the flags, and tells where things are from.
func (a *app) readSpec(cmd *cobra.Command, f *runFlags, file *policy.File, args []string, outer *supervisor.Outer) (supervisor.Spec, error) {
	none := supervisor.Spec{}
	if file != nil && file.EnvFile != "" {
		f.envFiles = append(f.envFiles, beside(file, file.EnvFile))
	}
	if err := checkFiles(f); err != nil {
		return none, err
	}
	s, err := a.settings(f.envFiles...)
	if err != nil {
		return none, err
	}
	if err := s.addPolicy(file); err != nil {
		return none, err
	}
	if err := a.checkOwn(f, s); err != nil {
		return none, err
	}
	if f.adapter != adapter.None && outer == nil {
		a.addStored(f, s, args)
	}
	spec, err := a.runSpec(cmd, f, s, args, outer)
	if err != nil {
		return none, err
	}
	if spec.Outer == nil {
		if err := a.addGateways(cmd, f, s, file, &spec); err != nil {
			return none, err
		}
	}
	if err := a.underPolicy(cmd.Context(), &spec, file, a.inCI()); err != nil {
		return none, err
	}
	if err := a.inZone(cmd.Context(), &spec, file, f.quiet); err != nil {
		return none, err
	}
	if spec.Sandbox, err = f.sandbox.spec(a, s, file); err != nil {
		return none, err
	}
	if err := addHosted(&spec, f.hosted); err != nil {
		return none, err
	}
	if file != nil && !f.quiet {
		fmt.Fprintln(a.stderr, "aex: policy "+printable(file.Path))
	}
	if outer == nil && spec.Gateway == nil {
		a.printSources(f, s, spec.Registry)
	}
	return spec, nil
}

// findOuter finds the run that this one is inside of. What an environment
// keeps of a run that is over is told, and dropped: neither its gateway nor its
// token is of use.
func (a *app) findOuter(ctx context.Context, f *runFlags) (*supervisor.Outer, error) {
	outer, err := supervisor.FindOuter(ctx, a.environ)
	if outer == nil {
		// Its own variables do not lead to a run; but it may be below one all the same.
		around, aroundErr := a.runAround()
		if aroundErr != nil {
			return nil, aroundErr
		}
		if found, aroundErr := supervisor.FindOuter(ctx, around); found != nil && aroundErr == nil {
			a.environ = around
			return found, nil
		}
	}
	if errors.Is(err, supervisor.ErrStale) {
		if !f.quiet {
			a.complain(fmt.Errorf("%w; this run stands alone", err), "")
		}
		a.environ, err = environ.Without(a.environ), nil
	}
	return outer, err
}

// monitor starts what the program will run below: it comes up while the
// settings are read and the ledger is opened. Its own failure is the run's.
func (a *app) monitor(f *runFlags) (*process.Launcher, error) {
	tty, err := oneOf("--tty", f.tty, "auto", "force", "never")
	if err != nil {
		return nil, err
	}
	die, err := oneOf("--die-with-parent", f.die, "auto", "yes", "no")
	if err != nil {
		return nil, err
	}
	return process.Prepare(process.Command{
		TTY: process.TTY(tty), Stdin: a.stdin, Stdout: a.stdout.file, Stderr: a.stderr, Title: true, Sensitive: true,
		DieWithParent: die == "yes" || die == "auto" && a.inCI() && !isTerminal(a.stderr),
		Sandbox:       sandbox.Mode(f.sandbox.mode), PassFD: f.sandbox.pass,
		Within: environment(a.environ)["AEX_SANDBOX_LEVEL"] == string(sandbox.Full),
	}), nil
}

// inCI tells whether the caller says that this is a CI job.
func (a *app) inCI() bool {
	ci := environment(a.environ)["CI"]
	return ci == "true" || ci == "1"
}

// runSpec turns the flags into a run.
func (a *app) runSpec(cmd *cobra.Command, f *runFlags, s *settings, args []string, outer *supervisor.Outer) (supervisor.Spec, error) {
	none := supervisor.Spec{}
	registry, err := s.registry(f.prices, f.localPrices)
	if err != nil {
		return none, err
	}
	loop, limit, err := loopMode(f.loop)
	if err != nil {
		return none, err
	}
	f.guard.Loop, f.guard.LoopLimit = loop, limit
	env := environment(a.environ)
	orphans := f.orphans
	if orphans == "" {
		orphans = "warn"
		if a.inCI() || !isTerminal(a.stderr) {
			orphans = "kill"
		}
	}
	if orphans, err = oneOf("--orphans", orphans, "kill", "leave", "warn"); err != nil {
		return none, err
	}
	exhausts, err := oneOf("--on-exhausted", f.exhausts, "kill", "refuse", "ask")
	if err != nil {
		return none, err
	}
	agent := f.agent
	if agent == "" {
		agent = env["AEX_AGENT"]
	}
	if agent == "" && outer == nil {
		agent = "default"
	}
	spec := supervisor.Spec{
		Argv: args, Environ: withoutRunVariables(cmd, a.environ, f.pass), Dir: a.dir, Stderr: a.stderr,
		Ledger: s.ledgerOptions(), Registry: registry, Key: s.key, KeysSet: s.keysInFiles(registry), KeyHint: a.keyHint, CAFile: f.caFile,
		Agent: agent, Budget: f.budget.amount, NoBudget: f.budget.none,
		Adapter: f.adapter, PassEnv: f.pass, NoClamp: f.noClamp, MaxCalls: f.maxCalls, Orphans: supervisor.Orphans(orphans),
		Grace: f.grace, Guard: f.guard, OnExhausted: supervisor.OnExhausted(exhausts), AskTimeout: f.ask, Outer: outer,
		Quiet: f.quiet, Verbose: f.verbose,
	}
	// Who has a name that no list could show is not made; who has one already is used.
	if (f.budget.amount != nil || f.budget.none) && (agent == "" || checkName(agent) == nil) {
		open, err := json.Marshal(policy.Open())
		if err != nil {
			return none, err
		}
		spec.NewAgent = &ledger.NewAgent{Name: agent, Capabilities: open}
	}
	return spec, nil
}
