// Package adapter leads known agent programs to the gateway. Most programs are
// led by the environment alone; these ignore it, or let a file of the project
// or of their own override it. Adding an adapter is adding a file with its
// functions, and a line to the table below.
//
// An agent is reached in two ways. What lead puts into the environment and the
// run's folder reaches it however it is started. What start adds, arguments
// before all, reaches it where aex starts it: as the run's program, or through
// the launcher that stands for it at the beginning of the run's PATH.
package adapter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// An Adapter is what is known of one agent program.
type Adapter struct {
	Name     string
	packages []string                          // names it has with npx and the like
	needs    string                            // the provider whose key it cannot do without; "": any
	lead     func(*Place) error                // nil: the environment leads it
	start    func(*Start) error                // nil: nothing besides
	stored   func(*Place) map[string]string    // keys of its own login: variable to value
	client   func(environ.Gateway) [][2]string // variables that lead it to aex serve; nil: those of every program
	serve    func(environ.Gateway) []Snippet   // what leads it to aex serve beyond the variables
	unled    string                            // why it cannot be led, for those that cannot
}

// None in place of an adapter's name leaves every program as it is.
const None = "none"

// Errors of adapters.
var (
	ErrUnknown = errors.New("no such adapter")
	ErrNoKey   = errors.New("no provider key")
)

// adapters is the table. docs/compatibility.md tells what was tried with which
// version.
var adapters = []Adapter{
	{Name: "claude", packages: []string{"@anthropic-ai/claude-code"}, needs: "anthropic", lead: leadClaude, start: startClaude, stored: storedByClaude, client: clientOfClaude},
	{Name: "codex", packages: []string{"@openai/codex"}, needs: "openai", lead: leadCodex, start: startCodex, stored: storedByCodex, serve: serveCodex},
	{Name: "opencode", packages: []string{"opencode-ai"}, lead: leadOpencode, stored: storedByOpencode, serve: serveOpencode},
	{Name: "gemini", packages: []string{"@google/gemini-cli"}, needs: "google", lead: leadGemini, start: startGemini, stored: storedByGemini, serve: serveGemini},
	{Name: "qwen", packages: []string{"@qwen-code/qwen-code"}, lead: leadQwen, start: startQwen, stored: storedByQwen, serve: serveQwen},
	{Name: "pi", packages: []string{"@mariozechner/pi-coding-agent", "@earendil-works/pi-coding-agent"}, lead: leadPi, stored: storedByPi, serve: servePi},
	{Name: "aider", packages: []string{"aider-chat"}, lead: leadAider, start: startAider, stored: storedByAider},
	{Name: "copilot", packages: []string{"@github/copilot"}, lead: leadCopilot, start: startCopilot, client: clientOfCopilot},
	{Name: "crush", packages: []string{"@charmland/crush"}, lead: leadCrush, stored: storedByCrush, serve: serveCrush},
	{Name: "cline", packages: []string{"cline"}, lead: leadCline, stored: storedByCline, serve: serveCline},
	{Name: "goose", packages: []string{"@block/goose"}},
	{Name: "amp", packages: []string{"@ampcode/cli", "@sourcegraph/amp"}, unled: "amp asks its own service for every answer"},
	{Name: "cursor-agent", unled: "cursor-agent asks its own service for every answer"},
}

// Names are the programs that have an adapter.
func Names() (names []string) {
	for _, a := range adapters {
		names = append(names, a.Name)
	}
	return names
}

// Named finds an adapter; nil: there is none.
func Named(name string) *Adapter {
	for i := range adapters {
		if adapters[i].Name == name {
			return &adapters[i]
		}
	}
	return nil
}

// Find goes by the name asked for, else by the command line. at is where the
// program's own arguments begin.
func Find(name string, argv []string) (a *Adapter, at int, err error) {
	found, at := recognise(argv)
	switch name {
	case "":
		return found, at, nil
	case None:
		return nil, 0, nil
	}
	if a := Named(name); a != nil {
		if found == nil {
			at = 1
		}
		return a, at, nil
	}
	return nil, 0, fmt.Errorf("%w: %q; there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Unled says why the agent cannot be led to the gateway; "" where it can.
func (a *Adapter) Unled() string { return a.unled }

// Serve is what leads the agent to a gateway that is no run's: variables, and
// files for what it reads none for.
func (a *Adapter) Serve(to environ.Gateway) (variables [][2]string, files []Snippet) {
	variables = to.Client()
	if a.client != nil {
		variables = a.client(to)
	}
	if a.serve != nil {
		files = a.serve(to)
	}
	return variables, files
}

// Keyed refuses a program that is logged in by a subscription: its calls would
// go past the gateway, or have no key there.
func (a *Adapter) Keyed(r *policy.Registry, key func(policy.Provider) string) error {
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
		return fmt.Errorf("%w for %s: a subscription's login cannot be metered; set %s", ErrNoKey, a.Name, p.KeyEnv)
	}
	return nil
}

// A Key is one that an agent's own login has stored.
type Key struct {
	Variable, Value string
	Agent           string
}

// Stored reads the keys that the logins of agents have stored for this user,
// of those agents that are installed, or that argv starts.
func Stored(caller []string, argv []string) (keys []Key) {
	p := newPlace(caller, environ.Gateway{}, "", "")
	own, _ := recognise(argv)
	for i := range adapters {
		a := &adapters[i]
		if a.stored == nil {
			continue
		}
		found := a.stored(p)
		maps.DeleteFunc(found, func(_, value string) bool { return value == "" })
		if len(found) == 0 || own != a && p.program(a.Name) == "" {
			continue // as a rule there is no key; to look for the program takes ten times as long
		}
		for _, name := range sortedNames(found) {
			if !slices.ContainsFunc(keys, func(k Key) bool { return k.Variable == name }) {
				keys = append(keys, Key{name, found[name], a.Name})
			}
		}
	}
	return keys
}
