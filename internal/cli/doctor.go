package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// finding is one thing that doctor looked at. Level is ok, note, warning or
// broken; only the last makes doctor fail.
type finding struct {
	Name  string `json:"name"`
	Level string `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// checkup collects findings.
type checkup struct {
	app      *app
	settings *settings
	registry *policy.Registry
	offline  bool
	findings []finding
}

func (c *checkup) add(level, name, text, hint string) {
	c.findings = append(c.findings, finding{name, level, text, hint})
}

func (a *app) doctorCommand() *cobra.Command {
	f := &compatFlags{}
	compat, offline, alone := false, false, false
	cmd := a.jsonFlag(&cobra.Command{
		Use: "doctor", Short: "look for what is broken; with --compat, test a gateway's protocols", Args: none,
		Long: `doctor looks at aex's home, ledger, configuration, keys, providers, prices, and at
what this machine lets aex control. It exits 1 when something is broken.

With --compat it makes real, small calls to the running server with an agent's
token, one for each API, and checks the answers.

With --sandbox it tells which level of aex run --sandbox can be had here, and
exits 1 when that is not the full one.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(compat, offline); err != nil {
				return err
			}
			if err := sandboxUses(alone, compat, offline); err != nil {
				return err
			}
			switch {
			case compat:
				return a.compat(cmd.Context(), f)
			case alone:
				return a.doctorSandbox()
			}
			return a.doctor(cmd.Context(), offline)
		},
	})
	fl := cmd.Flags()
	fl.BoolVar(&offline, "offline", false, "do not look whether providers can be reached")
	fl.BoolVar(&alone, "sandbox", false, "look at the sandbox alone: which level there is, what is missing, and the remedy")
	fl.BoolVar(&compat, "compat", false, "test the running server's protocols")
	fl.StringVar(&f.token, "token", "", "with --compat: an agent's token")
	fl.StringVar(&f.url, "url", "", "with --compat: the server (default: the running one)")
	fl.StringVar(&f.model, "model", "", "with --compat: the model to call (default: one that the server lists)")
	a.takes(cmd, map[string]kind{"url": takesURL, "model": takesModel})
	return cmd
}

func (a *app) doctor(ctx context.Context, offline bool) error {
	c := &checkup{app: a, offline: offline}
	s, err := a.settings()
	if err != nil {
		return err
	}
	c.settings = s
	c.home()
	c.ledger(ctx)
	c.config()
	c.keys()
	if c.registry != nil && !offline {
		c.providers(ctx)
	}
	c.server(ctx)
	c.prices()
	c.machine()
	broken := 0
	for _, f := range c.findings {
		if f.Level == "broken" {
			broken++
		}
	}
	if err := a.printFindings(c.findings, broken == 0); err != nil {
		return err
	}
	if broken > 0 {
		return hinted(fmt.Errorf("%d of %d checks found something broken", broken, len(c.findings)), "do what stands below each, then run: aex doctor")
	}
	return nil
}

// home must be the user's alone: it holds keys.
func (c *checkup) home() {
	info, err := os.Stat(c.settings.home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.add("note", "home", c.settings.home+" is not there yet; it is made on first use", "")
		return
	case err != nil:
		c.add("broken", "home", err.Error(), "make it yours, or name another with AEX_HOME")
		return
	case !info.IsDir():
		c.add("broken", "home", c.settings.home+" is not a directory", "name another with AEX_HOME")
		return
	case info.Mode().Perm()&0o077 != 0:
		c.add("warning", "home", fmt.Sprintf("%s can be read by others (%s)", c.settings.home, info.Mode().Perm()), "chmod 700 "+c.settings.home)
	default:
		c.add("ok", "home", c.settings.home, "")
	}
	for _, name := range []string{".env", "operator.token", "aex.db"} {
		path := c.settings.home + "/" + name
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			c.add("warning", "permissions", fmt.Sprintf("%s can be read by others (%s)", path, info.Mode().Perm()), "chmod 600 "+path)
		}
	}
}

func (c *checkup) ledger(ctx context.Context) {
	if err := c.settings.elsewhere(); err != nil {
		c.add("note", "ledger", err.Error(), "")
		return
	}
	l, err := ledger.Open(ctx, c.settings.ledgerOptions())
	if err != nil {
		c.add("broken", "ledger", err.Error(), "see: aex audit")
		return
	}
	defer l.Close() // what Open recovered is committed; the rest reads
	c.database(ctx, l)
	if n := len(l.Recovered()); n > 0 {
		c.add("note", "ledger", fmt.Sprintf("%d calls of an aex that died were settled in full", n), "")
	}
	result, err := l.Verify(ctx, nil)
	if err != nil {
		c.add("broken", "ledger", err.Error(), "see: aex audit")
		return
	}
	for _, check := range result.Checks {
		if !check.OK {
			c.add("broken", "ledger", check.Name+": "+check.Detail, "see: aex audit")
		}
	}
	if result.OK() {
		c.add("ok", "ledger", fmt.Sprintf("%s, %d events, every invariant holds", l.Place(), result.Events), "")
	}
}

func (c *checkup) config() {
	r, err := c.settings.registry(nil, "")
	if err != nil {
		c.add("broken", "models.yaml", err.Error(), "correct it; docs/models.md tells what it may say")
		return
	}
	c.registry = r
	if _, err := os.Stat(c.settings.modelsFile); err != nil {
		c.add("note", "models.yaml", "there is none; the built-in providers are used", "")
	} else {
		c.add("ok", "models.yaml", c.settings.modelsFile, "")
	}
	for _, w := range r.Warnings {
		c.add("warning", "models.yaml", w, "")
	}
	file, err := c.app.policyFile("")
	switch {
	case err != nil:
		c.add("broken", policy.FileName, err.Error(), "check it with: aex policy check")
	case file != nil:
		c.add("ok", policy.FileName, file.Path, "")
	}
}

// keys tells where each key is from, never what it is.
func (c *checkup) keys() {
	if c.registry == nil {
		return
	}
	found := false
	for _, p := range c.registry.Providers() {
		_, name, from := c.settings.lookup(environ.KeyNames(p)...)
		switch {
		case name != "":
			found = true
			c.add("ok", "key", fmt.Sprintf("%s: %s from %s", p.Name, name, from), "")
		case p.Local || p.Keyless:
			found = true
			c.add("ok", "key", p.Name+": needs none", "")
		}
	}
	if !found {
		c.add("warning", "key", "no provider key is set: every call will be refused", "set OPENAI_API_KEY or another, or put it into "+c.settings.home+"/.env")
	}
	for _, names := range environ.Bases() {
		if value, name, from := c.settings.lookup(names...); name != "" {
			c.add("note", "base URL", fmt.Sprintf("%s=%s from %s", name, withoutUser(value), from), "")
		}
	}
}

// withoutUser leaves out what may be a password in a URL.
func withoutUser(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = "…@" + host[at+1:]
	}
	path, _, _ = strings.Cut(path, "?")
	return strings.TrimSuffix(scheme+"://"+host+"/"+path, "/")
}
