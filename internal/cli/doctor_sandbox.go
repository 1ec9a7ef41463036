package cli

import (
	"errors"
	"strings"

	"github.com/Auro-rium/aex/v3/supervisor/process"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// probe starts the walls of a sandbox, with nothing in them, and tells what was
// had.
func (a *app) probe() (sandbox.Have, error) {
	l := process.Prepare(process.Command{TTY: process.TTYNever, Stdin: a.stdin, Stdout: a.stdout.file, Stderr: a.stderr, Sandbox: sandbox.Auto})
	defer l.Close()
	have, inside, err := l.Sandbox()
	if inside != nil {
		inside.Close()
	}
	return have, err
}

// sandbox tells which level of aex run --sandbox there is here, and what keeps
// the full one from being had.
func (c *checkup) sandbox() (full bool) {
	const name = "sandbox"
	have, err := c.app.probe()
	if err != nil {
		c.add("warning", name, err.Error(), "")
		return false
	}
	full = have.Level == sandbox.Full && len(have.Missing) == 0
	switch {
	case full:
		c.add("ok", name, "the full level: namespaces; aex run --sandbox=require works here", "")
	case have.Level == sandbox.Full:
		c.add("note", name, "the full level, less what is missing; aex run --sandbox uses it, --sandbox=require refuses", "")
	case have.Level == sandbox.Network:
		c.add("note", name, "the network level: Landlock and seccomp; aex run --sandbox uses it, --sandbox=require refuses", "")
	default:
		c.add("note", name, "there is none here: aex run --sandbox runs without, --sandbox=require refuses", "")
	}
	for _, m := range have.Missing {
		c.add("note", name, "missing: "+m.What, m.Remedy)
	}
	if len(have.Open) > 0 {
		c.add("note", name, "not covered: "+strings.Join(have.Open, "; "), "docs/sandbox.md tells more")
	}
	return full
}

// doctorSandbox looks at the sandbox alone. It fails where the full level is not
// to be had.
func (a *app) doctorSandbox() error {
	c := &checkup{app: a}
	full := c.sandbox()
	if err := a.printFindings(c.findings, full); err != nil {
		return err
	}
	if !full {
		return hinted(errors.New("the full sandbox cannot be had here"), "do what stands above, then run: aex doctor --sandbox")
	}
	return nil
}

// printFindings prints what doctor found.
func (a *app) printFindings(findings []finding, ok bool) error {
	if a.json {
		return a.printJSON(map[string]any{"ok": ok, "findings": findings})
	}
	mark := map[string]string{"ok": "✅", "note": "  ", "warning": "⚠️ ", "broken": "❌"}
	for _, f := range findings {
		a.printf("%s %s: %s", mark[f.Level], f.Name, printable(f.Text))
		if f.Hint != "" {
			a.printf("     %s", printable(f.Hint))
		}
	}
	return nil
}

// sandboxUses refuses flags that do not go with doctor --sandbox.
func sandboxUses(alone, compat, offline bool) error {
	if alone && (compat || offline) {
		return usageError("--sandbox looks at the sandbox alone; leave --compat and --offline out")
	}
	return nil
}
