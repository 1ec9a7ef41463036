package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/policy"
)

// A token that a job is given lives as long as its rule says, or an hour.
func TestServeFileSaysHowLongATokenLives(t *testing.T) {
	const rules = `oidc: [{issuer: "https://ci.example.com", audience: "https://gate.example.com", agents: [{agent: x, claims: {a: b}%s}]}]`
	for text, want := range map[string]time.Duration{"": time.Hour, ", ttl: 90m": 90 * time.Minute, ", ttl: 24h": 24 * time.Hour, ", ttl: 2": 2 * time.Hour} {
		file, err := policy.ParseServeFile("serve.yaml", fmt.Appendf(nil, rules, text), policy.Checks{TTL: jobLife})
		noError(t, err)
		if got := believed(file)[0].Rules[0].TTL; got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// What cannot be meant in serve.yaml is told before anything is served.
func TestServeFile(t *testing.T) {
	entry := func(rest string) string {
		return "oidc:\n  - issuer: https://ci.example.com\n    audience: https://gate.example.com\n    agents: [" + rest + "]\n"
	}
	for _, tt := range []struct{ name, text, says string }{
		{"none", "", ""},
		{"whole", entry(`{agent: x, claims: {repository: [a/b, c/d], protected: true}, max_run: "2.00", ttl: 90m}`), ""},
		{"comments alone", "# nothing yet\n", ""},
		{"nobody any more", "oidc: []\n", ""},
		{"an unknown key", "oidcs: []", `serve.yaml:1:1: unknown key "oidcs" in the file; did you mean oidc? known are oidc, version`},
		{"an unknown key of a rule", entry(`{agent: x, claims: {a: b}, max-run: 2}`), `serve.yaml:4:41: unknown key "max-run" in agents entry; did you mean max_run?`},
		{"no YAML", "oidc: [", "serve.yaml:1:1: not YAML"},
		{"text for a list", "oidc: https://ci.example.com", "serve.yaml:1:7: oidc is text; write a list: oidc: [{issuer:"},
		{"text for a rule", entry("x"), "agents entry is text; write"},
		{"a list for claims", entry(`{agent: x, claims: [a]}`), "claims is a list; write claims: {project_path: acme/find}"},
		{"an empty claim", entry(`{agent: x, claims: {a: }}`), "this is empty; write the value of the claim"},
		{"a name that no agent has", entry(`{agent: a b, claims: {a: b}}`), "agent: an agent's name is printable text without spaces"},
		{"no issuer", "oidc: [{audience: x}]", "needs an issuer"},
		{"a budget by the month", entry(`{agent: x, claims: {a: b}, max_run: 2/month}`), "max_run: it is for one run"},
		{"plain text", strings.Replace(entry(`{agent: x, claims: {a: b}}`), "https://ci", "http://ci", 1), "begins with https://"},
		{"no audience", strings.Replace(entry(`{agent: x, claims: {a: b}}`), "    audience: https://gate.example.com\n", "", 1), "needs an audience"},
		{"no rules", entry(""), "agents"},
		{"no claims", entry(`{agent: x}`), "whoever has a job at that issuer"},
		{"no agent", entry(`{claims: {a: b}}`), "needs an agent"},
		{"no money", entry(`{agent: x, claims: {a: b}, max_run: "0"}`), "max_run"},
		{"a long life", entry(`{agent: x, claims: {a: b}, ttl: 2d}`), "ttl"},
		{"no end", entry(`{agent: x, claims: {a: b}, ttl: none}`), "ttl"},
		{"large", strings.Repeat("#", maxServeFile+1), "larger than"},
	} {
		dir := t.TempDir()
		noError(t, os.WriteFile(filepath.Join(dir, "serve.yaml"), []byte(tt.text), 0o600))
		all, err := (&settings{modelsFile: filepath.Join(dir, "models.yaml")}).issuers("", time.Now)
		switch {
		case tt.says == "" && (err != nil || (all != nil) != strings.Contains(tt.text, "issuer")):
			t.Errorf("%s: %v %v", tt.name, all, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
