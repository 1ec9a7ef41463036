package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/Auro-rium/aex/ledger"
	"github.com/Auro-rium/aex/supervisor"
)

// runFlags are the flags of aex run, as typed.
type runFlags struct {
	agent    string
	budget   budgetFlag
	envFiles []string
	prices   []string
	pass     []string
	caFile   string
	report   string
	policy   string
	adapter  string
	tty      string
	orphans  string
	loop     string
	exhausts string
	ask      time.Duration
	noClamp  bool
	quiet    bool
	verbose  bool
	die      string
	maxCalls int64
	grace    time.Duration
	guard    supervisor.GuardSpec
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

// loopMode reads off, warn, kill or kill:N.
func loopMode(s string) (supervisor.LoopMode, int, error) {
	mode, count, counted := strings.Cut(s, ":")
	if _, err := oneOf("--loop-guard", mode, "off", "warn", "kill"); err != nil {
		return "", 0, err
	}
	limit := 0
	if counted {
		if _, err := fmt.Sscanf(count, "%d", &limit); err != nil || limit < 2 || mode != "kill" {
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
