// Package cli is what people type: one file a command. A command parses, calls
// a package that does the work, prints, and returns; only main exits.
//
// Results go to standard output. Everything else goes to standard error with
// "aex: " in front, no capital at the start and no period at the end; what
// failed is followed by a line "aex: hint: " with the next step.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// Exit is how the process is to end.
type Exit struct {
	Code   int
	Status process.Status // a signal that aex ends by in its child's place
}

// Exit codes of every command but run.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// failure is an error with a next step and an exit code.
type failure struct {
	err  error
	hint string
	code int
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// hinted adds the next step to an error.
func hinted(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &failure{err: err, hint: fmt.Sprintf(format, args...), code: exitFailed}
}

// usageError is wrong use of a command.
func usageError(format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), code: exitUsage}
}

// app is what commands share.
type app struct {
	stdin, stderr *os.File
	stdout        *results
	environ       []string
	dir           string
	now           func() time.Time

	opened atomic.Pointer[ledger.Ledger] // for rest

	home string // --home
	json bool   // --json of the command that runs
	exit Exit   // set by run
}

// Main runs the command of args, those after the program's name.
func Main(args []string) Exit {
	// Go's transport tells the standard logger of a provider that goes on
	// talking, with the first bytes of what it says: answers are written nowhere.
	log.SetOutput(io.Discard)
	dir, _ := os.Getwd() // run tells when it needs one and there is none
	a := &app{stdin: os.Stdin, stdout: &results{file: os.Stdout}, stderr: os.Stderr, environ: os.Environ(), dir: dir, now: time.Now}
	if filepath.Base(os.Args[0]) == demoAgentName {
		args = append([]string{demoAgentName}, args...)
	}
	root := a.root()
	root.SetArgs(args)
	ctx := context.Background()
	// run takes signals for its child; the others end by them.
	if target, _, err := root.Find(args); err != nil || target.Name() != "run" {
		var stop context.CancelFunc
		if signal.Ignored(os.Interrupt) { // by a script's &, together with QUIT, which Go's runtime has taken over
			signal.Ignore(syscall.SIGQUIT)
		}
		ctx, stop = signal.NotifyContext(ctx, endSignals()...)
		defer stop()
		context.AfterFunc(ctx, stop)               // whatever hangs then, a second one ends aex
		if err != nil || target.Name() != "demo" { // which does a run, too
			defer process.StopBetween(a.rest)()
		}
	}
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && a.stdout.err != nil { // half a result is none
		err = fmt.Errorf("writing the result: %w", a.stdout.err)
	}
	if err == nil {
		return a.exit
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{err: err, code: exitFailed}
	}
	hint := f.hint
	var held *ledger.Holder
	if errors.As(err, &held) {
		hint, a.exit.Code = held.Hint(), supervisor.ExitInternal
	}
	if hint == "" && f.code == exitUsage && cmd != nil {
		hint = "see: " + cmd.CommandPath() + " --help"
	}
	a.complain(err, hint)
	if a.exit.Code != 0 {
		return a.exit
	}
	code := f.code
	if code == exitUsage && cmd != nil && cmd.Name() == "run" {
		code = supervisor.ExitInternal
	}
	return Exit{Code: code}
}

// rest keeps the ledger that is open from a turn, until wake is called.
func (a *app) rest() (wake func()) {
	if l := a.opened.Load(); l != nil {
		return l.Rest()
	}
	return func() {}
}

// Commands is the tree of commands, to be described and not to be executed.
func Commands() *cobra.Command {
	return (&app{stdin: os.Stdin, stdout: &results{file: os.Stdout}, stderr: os.Stderr, now: time.Now}).root()
}

// endSignals are those that a command ends by. INT is none where the caller
// ignores it.
func endSignals() []os.Signal {
	if signal.Ignored(os.Interrupt) {
		return []os.Signal{syscall.SIGTERM}
	}
	return []os.Signal{os.Interrupt, syscall.SIGTERM}
}

// complain prints an error, and the next step where there is one.
func (a *app) complain(err error, hint string) {
	text := ": " + err.Error()
	text = strings.ReplaceAll(text, ": "+ledger.ErrInvalid.Error()+": ", ": ")[len(": "):] // a word for programs
	for _, line := range printableLines(text) {
		fmt.Fprintln(a.stderr, "aex: "+strings.TrimPrefix(line, "aex: "))
	}
	var fault *policy.FileError
	if errors.As(err, &fault) && fault.Source != "" {
		fmt.Fprintf(a.stderr, "aex: %5d | %s\n", fault.Line, printable(fault.Source))
	}
	if hint != "" {
		fmt.Fprintln(a.stderr, "aex: hint: "+printable(hint))
	}
}

// root is aex itself, with every command.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "aex",
		Short:         "aex runs AI agents under a budget",
		Long:          "aex runs AI agents under a budget: it meters every model call, and ends the agent when the money is gone.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       Version,
		Args:          below,
		Annotations:   map[string]string{"group": "yes"},
		RunE:          func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate(versionText() + "\n")
	cobra.EnableCommandSorting = false // they stand in the order of their use
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentFlags().StringVar(&a.home, "home", "", "where aex keeps its files (default AEX_HOME, else ~/.aex)")
	root.PersistentFlags().Lookup("home").Annotations = map[string][]string{"kind": {"DIRECTORY"}}
	root.SetFlagErrorFunc(flagError)
	prettyUsage(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Name() != cobra.ShellCompRequestCmd && cmd.Name() != cobra.ShellCompNoDescRequestCmd {
			a.warnOfVariables(cmd)
		}
		return a.readVariables(cmd)
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetHelpCommand(a.helpCommand())
	root.AddCommand(a.commands()...)
	if err := root.MarkPersistentFlagDirname("home"); err != nil {
		panic(err) // a flag registered above
	}
	completion(root)
	return root
}

// completion adds cobra's command of that name, which by itself takes a shell
// that it does not know for a call for help.
func completion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args, cmd.Short = below, "print what a shell needs to complete aex"
		cmd.Long = "completion prints a script by which a shell completes commands, flags, agents,\nruns and models. Each shell's own page says where it belongs."
		cmd.Annotations = map[string]string{"group": "yes"}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range cmd.Commands() {
			shell.Short = "what " + shell.Name() + " needs"
		}
	}
}

// below is for commands that only have commands below them.
func below(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	return nil
}

// jsonFlag adds --json.
func (a *app) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON; money is in micro-dollars, times are UTC")
	return cmd
}
