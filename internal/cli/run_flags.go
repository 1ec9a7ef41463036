package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
)

// runFlags are the flags of aex run, as typed.
type runFlags struct {
	agent    string
	budget   budgetFlag
	envFiles []string
	prices   []string

	localPrices string
	pass        []string
	caFile      string
	report      string
	policy      string
	adapter     string
	tty         string
	orphans     string
	loop        string
	exhausts    string
	ask         time.Duration
	noClamp     bool
	hosted      string
	quiet       bool
	verbose     bool
	die         string
	maxCalls    int64
	grace       time.Duration
	guard       supervisor.GuardSpec
	sandbox     sandboxFlags
	gateways    []string
}

// budgetFlag is a budget, or none.
type budgetFlag struct {
	amount *ledger.Micros
	none   bool
}

func (b *budgetFlag) String() string { return "" }
func (b *budgetFlag) Type() string   { return "USD" }
func (b *budgetFlag) Set(s string) error {
	if s == "none" {
		*b = budgetFlag{none: true}
		return nil
	}
	if amount, period, has := strings.Cut(s, "/"); has {
		if _, known := periods[period]; known {
			return fmt.Errorf("a run's budget is for the whole run, and a budget by the %s is an agent's: --budget %s, and aex agent set NAME --budget %s", period, amount, s)
		}
	}
	m, err := ledger.ParseUSD(s)
	if err != nil {
		return err
	}
	if m == 0 {
		return errors.New("a budget of $0 allows no call; give an amount, or none for no limit")
	}
	*b = budgetFlag{amount: &m}
	return nil
}

// check finds what cannot be meant, whatever the run.
func (f *runFlags) check() error {
	if f.maxCalls < 0 {
		return usageError("--max-calls is 1 or more, or 0 for no limit, not %d", f.maxCalls)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"--grace", f.grace}, {"--timeout", f.guard.Timeout}, {"--idle-timeout", f.guard.Idle}} {
		if d.value < 0 {
			return usageError("%s is not negative, as %s is", d.flag, d.value)
		}
	}
	if f.ask <= 0 {
		return usageError("--ask-timeout is more than 0, not %s", f.ask)
	}
	for _, name := range f.pass {
		if name == "" || strings.ContainsAny(name, "= ") {
			return usageError("--pass-env is the name of a variable, without its value, not %q", name)
		}
		if name == "AEX_TOKEN" || name == "AEX_GATEWAY" || name == "AEX_OIDC_TOKEN" {
			return usageError("--pass-env %s: what opens runs at the shared gateway is not for a program", name)
		}
	}
	if f.adapter != "" {
		_, err := oneOf("--adapter", f.adapter, append(adapter.Names(), adapter.None)...)
		return err
	}
	return nil
}

// insideFlags are decided by the gateway around, which prices, sends and looks
// at the calls of a run inside.
var insideFlags = []string{"price", "local-prices", "env-file", "ca-file", "no-clamp", "loop-guard"}

// remoteFlags are decided by a shared gateway.
var remoteFlags = []string{"price", "local-prices", "no-clamp", "loop-guard"}

// checkInside tells of flags that have no effect inside another run.
func (f *runFlags) checkInside(cmd *cobra.Command, stderr io.Writer) error {
	return f.checkElsewhere(cmd, stderr, insideFlags, "inside another run", "give it to the outer aex run")
}

// checkElsewhere tells of flags that have no effect because another gateway
// books. A guard that would not guard is refused.
func (f *runFlags) checkElsewhere(cmd *cobra.Command, stderr io.Writer, without []string, where, instead string) error {
	var idle []string
	for _, name := range without {
		if cmd.Flags().Changed(name) {
			idle = append(idle, "--"+name)
		}
	}
	if cmd.Flags().Changed("loop-guard") && strings.HasPrefix(f.loop, "kill") {
		return &failure{
			err:  fmt.Errorf("--loop-guard kill does not work %s, whose gateway sees the calls", where),
			hint: instead + ", or use --max-calls here", code: exitUsage,
		}
	}
	if len(idle) > 0 && !f.quiet {
		fmt.Fprintf(stderr, "aex: warning: %s without effect: %s its gateway decides that; %s\n", strings.Join(idle, ", "), where, instead)
	}
	return nil
}

// checkCA reads a file of certificates as the gateway will.
func checkCA(path string) error {
	if path == "" {
		return nil
	}
	pem, err := whole.Read(path, maxNamed)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no certificate", path)
	}
	if err != nil {
		return hinted(fmt.Errorf("--ca-file: %w", err), "it is a file of certificates in PEM form")
	}
	return nil
}

// loopMode reads off, warn, kill or kill:N.
func loopMode(s string) (supervisor.LoopMode, int, error) {
	mode, count, counted := strings.Cut(s, ":")
	if _, err := oneOf("--loop-guard", mode, "off", "warn", "kill"); err != nil {
		return "", 0, err
	}
	limit := 0
	if counted {
		var err error
		if limit, err = strconv.Atoi(count); err != nil || limit < 2 || mode != "kill" {
			return "", 0, usageError("--loop-guard is off, warn, kill or kill:N with N of 2 or more, not %q", s)
		}
	}
	return supervisor.LoopMode(mode), limit, nil
}

func oneOf(flag, value string, allowed ...string) (string, error) {
	for _, v := range allowed {
		if v == value {
			return v, nil
		}
	}
	return "", usageError("%s is one of %s, not %q", flag, strings.Join(allowed, ", "), value)
}
