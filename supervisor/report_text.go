package supervisor

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// Lines are what aex prints at a run's end.
func (p *Report) Lines() []string {
	id := string(p.RunID[:min(4, len(p.RunID))])
	of := ""
	if p.Budget != nil {
		of = fmt.Sprintf(" of %s", *p.Budget)
	}
	if p.Unknown {
		return []string{
			fmt.Sprintf("aex: %s: %s: what was spent is not known until the ledger can be written (run %s, exit %d)", p.Agent, p.Outcome, id, p.ExitCode),
		}
	}
	sums := fmt.Sprintf("%s%s%s, %s%s, %s", p.Spent+p.Overrun, of, p.doubtText(), plural(p.Calls, "call"), p.refusals(), duration(p.Duration))
	why := map[string]string{
		"budget": cmp.Or(p.Reason, p.gone()) + ": ", "guard": p.Reason + ": ", "timeout": p.Reason + ": ", "stopped": p.Reason + ": ",
		"lost": p.Reason + ": ", "unbooked": p.Reason + ": ",
	}[p.Outcome]
	run := "run " + id
	ended := ""
	if why != "" {
		ended, run = p.endedText(), fmt.Sprintf("run %s, exit %d", id, p.ExitCode)
	}
	hint := why != ""
	if !hint && p.Exhausted {
		why, hint = p.gone()+": ", true
	}
	lines := []string{fmt.Sprintf("aex: %s: %s%s%s (%s)", p.Agent, why, sums, ended, run)}
	if p.Overrun > 0 {
		lines = append(lines, fmt.Sprintf("aex: %s: %s of that is beyond the budget: the provider charged more than a call could cost", p.Agent, p.Overrun))
	}
	if p.Clamped > 0 {
		lines = append(lines, fmt.Sprintf("aex: %s: the output cap of %s was lowered to fit the budget, to %d tokens at the least", p.Agent, plural(p.Clamped, "call"), p.LeastCap))
	}
	if p.Local > 0 {
		lines = append(lines, fmt.Sprintf("aex: %s: %s went to a local model and cost nothing", p.Agent, plural(p.Local, "call")))
	}
	if p.Sandbox != nil && p.Sandbox.Refused > 0 {
		lines = append(lines, fmt.Sprintf("aex: sandbox refused %s: see aex runs show %s", plural(int64(p.Sandbox.Refused), "host"), id))
	}
	for _, s := range p.Survivors {
		lines = append(lines, fmt.Sprintf("aex: %s: process %d (%s) could not be ended", p.Agent, s.PID, s.Name))
	}
	if len(p.Orphans) > 0 {
		lines = append(lines, fmt.Sprintf("aex: %s: %s left running: %s", p.Agent, plural(int64(len(p.Orphans)), "process"), names(p.Orphans)))
	}
	if first := p.firstCall(); first != "" {
		lines = append(lines, first)
	}
	if hint {
		at := ""
		if p.Gateway != "" {
			at = ", at the gateway"
		}
		lines = append(lines, "aex: hint: see where it went"+at+": aex runs show "+id)
	} else if p.Refused > 0 {
		lines = append(lines, "aex: hint: see why calls were refused: aex runs show "+id)
	}
	return lines
}

// doubtText tells how much of what was spent is an estimate.
func (p *Report) doubtText() string {
	if p.Doubtful == 0 {
		return ""
	}
	return fmt.Sprintf(", %s of it in doubt (%s broke off)", p.Doubt, plural(p.Doubtful, "call"))
}

// endedText names what was ended: the program and how many below it.
func (p *Report) endedText() string {
	switch n := len(p.Ended); {
	case n == 0:
		return ""
	case n == 1:
		return "; ended " + p.Ended[0].Name
	default:
		below := "children"
		if n == 2 {
			below = "child"
		}
		return fmt.Sprintf("; ended %s and %d %s", p.Program, n-1, below)
	}
}

func names(procs []process.Proc) string {
	var list []string
	for _, p := range procs {
		list = append(list, fmt.Sprintf("%s (%d)", p.Name, p.PID))
	}
	return strings.Join(list, ", ")
}

func plural(n int64, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// duration prints seconds as 0.4s, 42s, 8m3s.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// similar names the agents that a new name may be a slip for.
func similar(name string, all []ledger.Agent) string {
	for _, a := range all {
		if a.Name != name && policy.Distance(a.Name, name, 3) < 3 && len(name) > 3 {
			return fmt.Sprintf(" (there is also %s)", a.Name)
		}
	}
	return ""
}

// Markdown is the report as a table for a job's summary page.
func (p *Report) Markdown() string {
	budget := "none"
	if p.Budget != nil {
		budget = p.Budget.String()
	}
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'", "\n", " ")
	return fmt.Sprintf("| aex run | agent | outcome | spent | budget | calls | refused | time |\n|---|---|---|---|---|---|---|---|\n| %.4s | %s | %s | %s | %s | %d | %d | %s |\n\n",
		p.RunID, cell.Replace(plain.Line(p.Agent)), p.Outcome, p.Spent+p.Overrun, budget, p.Calls, p.Refused, duration(p.Duration))
}
