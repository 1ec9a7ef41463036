package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// Some programs ignore the environment that leads to the gateway, or let a
// file of the project or of their own override it. An adapter gives such a
// program what it needs besides. docs/clients.md tells what was measured with
// which version.
type adapter struct {
	name     string
	packages []string // names it has with npx and the like
	needs    string   // the provider whose key it cannot do without; "": any
	adapt    func(*adaptation) error
}

// NoAdapter as Spec.Adapter leaves the program as it is.
const NoAdapter = "none"

// Errors of adapters.
var (
	ErrNoAdapter     = errors.New("no such adapter")
	ErrNoProviderKey = errors.New("no provider key")
)

var adapters = []adapter{
	{"claude", []string{"@anthropic-ai/claude-code"}, "anthropic", adaptClaude},
	{"codex", []string{"@openai/codex"}, "openai", adaptCodex},
	{"opencode", []string{"opencode-ai"}, "", adaptOpencode},
	{"gemini", []string{"@google/gemini-cli"}, "google", adaptGemini},
	{"aider", []string{"aider-chat"}, "", adaptAider},
	{"pi", []string{"@mariozechner/pi-coding-agent"}, "", adaptPi},
}

// Adapters are the names of the programs that have one.
func Adapters() []string {
	var names []string
	for _, a := range adapters {
		names = append(names, a.name)
	}
	return names
}

// adaptation is a program on its way to be adapted.
type adaptation struct {
	argv  []string
	at    int // where arguments for the program go
	env   []string
	url   string
	token string
	home  string                 // the user's
	made  func() (string, error) // the run's own directory, made on first use, removed at the run's end
	told  []string               // what was done, for -v
}

// findAdapter goes by the name asked for, else by the command line. at is
// where the program's own arguments begin.
func findAdapter(name string, argv []string) (a *adapter, at int, err error) {
	found, at := recognise(argv)
	switch name {
	case "":
		return found, at, nil
	case NoAdapter:
		return nil, 0, nil
	}
	for i := range adapters {
		if adapters[i].name == name {
			if found == nil {
				at = 1
			}
			return &adapters[i], at, nil
		}
	}
	return nil, 0, fmt.Errorf("%w: %q; there are %s", ErrNoAdapter, name, strings.Join(Adapters(), ", "))
}

// recognise finds a known program, also behind a program that fetches it.
func recognise(argv []string) (*adapter, int) {
	name := filepath.Base(argv[0])
	for i := range adapters {
		if adapters[i].name == name {
			return &adapters[i], 1
		}
	}
	at := fetched(name, argv)
	if at == 0 || at >= len(argv) {
		return nil, 0
	}
	for i := range adapters {
		if argv[at] == adapters[i].name || slices.Contains(adapters[i].packages, withoutVersion(argv[at])) {
			return &adapters[i], at + 1
		}
	}
	return nil, 0
}

// fetched is where the program that npx and the like run stands; 0: nowhere.
func fetched(runner string, argv []string) int {
	at := 1
	switch runner {
	case "npx", "bunx", "pnpx", "uvx":
	case "pnpm", "yarn", "bun", "uv", "pipx", "npm":
		if len(argv) < 2 || !slices.Contains([]string{"dlx", "x", "exec", "run"}, argv[1]) {
			return 0
		}
		at = 2
	case "python", "python3":
		if len(argv) < 3 || argv[1] != "-m" {
			return 0
		}
		return 2
	default:
		return 0
	}
	for at < len(argv) && strings.HasPrefix(argv[at], "-") {
		switch argv[at] {
		case "-p", "--package", "--from", "--with", "--python":
			at++ // its value
		}
		at++
	}
	return at
}

// withoutVersion is a package's name: @scope/name@1.2 -> @scope/name.
func withoutVersion(spec string) string {
	if i := strings.LastIndexByte(spec, '@'); i > 0 {
		return spec[:i]
	}
	return spec
}

// keyed refuses a program that is logged in by a subscription: its calls would
// go past the gateway, or have no key there.
func (a *adapter) keyed(r *policy.Registry, key func(policy.Provider) string) error {
	if a.needs == "" {
		return nil
	}
	for _, p := range r.Providers() {
		if p.Name != a.needs {
			continue
		}
		if p.Local || p.Keyless || key(p) != "" {
			return nil
		}
		return fmt.Errorf("%w for %s: a subscription's login cannot be metered; set %s", ErrNoProviderKey, a.name, p.KeyEnv)
	}
	return nil
}

// adaptProgram changes command line and environment for a known program. What
// it made is removed by undo.
func (r *session) adaptProgram(env []string) ([]string, error) {
	a, at, err := findAdapter(r.Adapter, r.Argv)
	if err != nil || a == nil {
		return env, err
	}
	if err := a.keyed(r.Registry, r.Key); err != nil {
		return nil, err
	}
	d := &adaptation{argv: slices.Clone(r.Argv), at: at, env: env, url: r.url, token: r.token}
	d.home, _ = d.get("HOME")
	d.made = func() (string, error) {
		if r.adapted == "" {
			dir, err := os.MkdirTemp("", "aex-"+short(r.row.ID)+"-")
			if err != nil {
				return "", fmt.Errorf("making a directory for %s's settings: %w", a.name, err)
			}
			r.adapted = dir
		}
		return r.adapted, nil
	}
	if err := a.adapt(d); err != nil {
		return nil, fmt.Errorf("adapting %s: %w", a.name, err)
	}
	r.Argv = d.argv
	r.report.Adapter = a.name
	if r.Verbose {
		for _, line := range d.told {
			r.say("%s: %s", a.name, line)
		}
	}
	return d.env, nil
}

// unadapt removes what an adapter made.
func (r *session) unadapt() error {
	if r.adapted == "" {
		return nil
	}
	return os.RemoveAll(r.adapted)
}

func (d *adaptation) tell(format string, args ...any) {
	d.told = append(d.told, fmt.Sprintf(format, args...))
}

func (d *adaptation) get(name string) (value string, found bool) {
	for _, entry := range d.env {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value, found = v, true
		}
	}
	return value, found
}

func (d *adaptation) set(name, value string) {
	d.unset(name)
	d.env = append(d.env, name+"="+value)
	d.tell("%s is set", name)
}

func (d *adaptation) unset(name string) {
	d.env = slices.DeleteFunc(d.env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

// args puts arguments before the program's own. None of them holds the token:
// other users can read them.
func (d *adaptation) args(list ...string) {
	d.argv = slices.Insert(d.argv, d.at, list...)
	d.tell("is given %s", strings.Join(list, " "))
}

// given tells whether the user already passes one of these flags.
func (d *adaptation) given(flags ...string) bool {
	for _, arg := range d.argv[d.at:] {
		if arg == "--" {
			return false
		}
		name, _, _ := strings.Cut(arg, "=")
		if slices.Contains(flags, name) {
			return true
		}
	}
	return false
}

// file writes JSON that only this user can read.
func (d *adaptation) file(name string, content any) (string, error) {
	dir, err := d.made()
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, append(b, '\n'), 0o600)
}
