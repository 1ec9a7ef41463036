package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor"
)

// What the demo spends, and on what.
const (
	demoModel  = "demo-model"
	demoPrice  = demoModel + "=1.00/8.00"
	demoBudget = "0.01"
	demoKey    = "sk-demo-of-aex-not-a-real-key"

	// demoAgentName is the name under which aex is the demo's agent: of the
	// command, and of the program when aex is called so.
	demoAgentName = "demo-agent"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "watch a runaway agent meet its budget: no keys, no network",
		Long: `demo starts a small model provider inside this program, and runs an agent that
never stops asking under the same aex run that yours would run under, with a
budget of one cent. Nothing is kept and nothing leaves this machine.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

// demo is the real path: a provider, aex run in a process of its own, then
// what the ledger says of it.
func (a *app) demo(ctx context.Context) (err error) {
	home, err := os.MkdirTemp("", "aex-demo-")
	if err != nil {
		return fmt.Errorf("making a home for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	provider, url, stop, err := startDemoProvider(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	a.printf("A model provider listens at %s; %s costs $1.00 in and $8.00 out per million tokens.", url, demoModel)
	a.printf("An agent that never stops asking gets one cent:\n")
	demo := &app{
		stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, dir: a.dir, now: a.now,
		home: home, environ: demoEnviron(a.environ, home, url),
	}
	if err := demo.runRunaway(ctx); err != nil {
		return err
	}
	return demo.afterwards(ctx, provider)
}

// startDemoProvider serves on a random loopback port until stop.
func startDemoProvider(ctx context.Context) (p *fakeprovider.Provider, url string, stop func() error, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, hinted(fmt.Errorf("listening on loopback: %w", err), "the demo needs loopback, and nothing else of the network")
	}
	p = fakeprovider.New(fakeprovider.Options{
		Key: demoKey, Models: []string{demoModel},
		Behaviour: fakeprovider.Behaviour{OutputTokens: 80, ChunkTokens: 4, DelayChunk: 12 * time.Millisecond},
	})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l) }()
	stop = func() error { cancel(); return <-ended }
	return p, "http://" + l.Addr().String(), stop, nil
}

// demoEnviron is the caller's environment with the demo's home and provider in
// place of the caller's.
func demoEnviron(caller []string, home, url string) []string {
	var env []string
	for _, entry := range caller {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AEX_") || strings.HasSuffix(name, "_API_KEY") || strings.HasSuffix(name, "_BASE_URL") ||
			name == "OPENAI_API_BASE" || name == "CI" || name == "GITHUB_STEP_SUMMARY" {
			continue
		}
		env = append(env, entry)
	}
	return append(env, "AEX_HOME="+home, "OPENAI_BASE_URL="+url+"/v1", "OPENAI_API_KEY="+demoKey)
}

// runRunaway is aex run as a user would type it, with the user's terminal.
func (a *app) runRunaway(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding aex itself: %w", err)
	}
	agent := filepath.Join(a.home, demoAgentName)
	if err := os.Symlink(self, agent); err != nil {
		return fmt.Errorf("making the demo's agent: %w", err)
	}
	a.printf("$ aex run --agent demo --budget %s --price %s -- %s", demoBudget, demoPrice, demoAgentName)
	cmd := exec.CommandContext(ctx, self, "run", "--agent", "demo", "--budget", demoBudget, "--price", demoPrice,
		"--grace", "1s", "--", agent)
	cmd.Env, cmd.Dir = a.environ, a.dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout.file, a.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return errors.New("the demo was interrupted")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == supervisor.ExitBudget {
		a.printf("\naex run ended with exit code %d: the budget is gone, and so is the agent.", supervisor.ExitBudget)
		return nil
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return hinted(fmt.Errorf("the demo's run did not end for its budget: %w", err), "aex doctor tells what this machine lacks")
}

// afterwards shows what the ledger says, that it adds up, and that the
// provider's own bill agrees.
func (a *app) afterwards(ctx context.Context, provider *fakeprovider.Provider) error {
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	runs, err := l.Runs(ctx, ledger.RunFilter{Limit: 1})
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	if len(runs) != 1 {
		return fmt.Errorf("the demo's ledger in %s holds no run", filepath.Base(a.home))
	}
	run := runs[0]
	a.printf("\n$ aex runs show %.4s", run.ID)
	if err := a.showRun(ctx, string(run.ID), false); err != nil {
		return err
	}
	a.printf("\n$ aex audit")
	if err := a.audit(ctx, ""); err != nil {
		return err
	}
	model, price, err := fakeprovider.ParsePrice(demoPrice)
	if err != nil {
		return err
	}
	billed, err := provider.Total(map[string]fakeprovider.Price{model: price})
	if err != nil {
		return fmt.Errorf("adding up the provider's bill: %w", err)
	}
	booked := run.Account.Spent + run.Account.Overrun
	a.printf("\nThe provider's own bill: %s. The ledger: %s, of $%s.", ledger.Micros(billed), booked, demoBudget)
	if int64(booked) < billed {
		return errors.New("the ledger holds less than the provider billed")
	}
	a.printf("Now yours: aex run --budget 0.50 -- python bot.py")
	return nil
}
