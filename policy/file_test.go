package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const wholeFile = `version: 1
agent: reviewer
budget: 0.50
models:
  allow: [gpt-4o*, claude-*]
  deny: "*opus*"
tools:
  allow: [read_file]
limits:
  max_input_tokens: 1000
  max_output_tokens: 2000
  max_tokens_per_request: 3000
  requests_per_minute: 30
  tokens_per_minute: 40000
  concurrency: 2
capabilities: {streaming: true, vision: false, strict: true}
locked: true
on_exhausted: refuse
timeout: 30m
idle_timeout: 90s
max_calls: 100
ci:
  allow_unknown_agents: false
`

func TestFile(t *testing.T) {
	f, err := ParseFile("aex.yaml", []byte(wholeFile), false, Checks{})
	if err != nil {
		t.Fatal(err)
	}
	c := f.Capabilities
	if f.Agent != "reviewer" || *f.Budget != 500_000 || len(c.AllowedModels) != 2 || c.DeniedModels[0] != "*opus*" || c.AllowedTools[0] != "read_file" ||
		c.MaxInputTokens != 1000 || c.MaxOutputTokens != 2000 || c.MaxTokensPerReq != 3000 || f.RequestsPerMinute != 30 || f.TokensPerMinute != 40000 || f.Concurrency != 2 ||
		!c.Streaming || c.Vision || !c.Strict || !c.Tools || !f.Locked || f.OnExhausted != "refuse" || f.Timeout != 30*time.Minute || f.IdleTimeout != 90*time.Second ||
		f.MaxCalls != 100 || f.CIUnknownAgents == nil || *f.CIUnknownAgents {
		t.Errorf("got %+v", f)
	}
	if f, err := ParseFile("aex.yaml", []byte("version: 1\n"), false, Checks{}); err != nil || !f.Capabilities.Vision || f.Budget != nil {
		t.Errorf("a file that says nothing: %+v, %v", f, err)
	}
}

func TestBustedFiles(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "aex.yaml:1:1: the file is empty"},
		{"no version", "agent: x", "aex.yaml:1:1: there is no version"},
		{"unknown key", "version: 1\nbudgets: 1", `aex.yaml:2:1: unknown key "budgets"`},
		{"unknown limit", "version: 1\nlimits: {rpm: 1}", `aex.yaml:2:10: unknown key "rpm" in limits`},
		{"a key twice", "version: 1\nbudget: 1\nbudget: 2", `aex.yaml:3:1: "budget" stands twice`},
		{"a negative budget", "version: 1\nbudget: -1", "aex.yaml:2:9: budget: not a plain decimal number"},
		{"too fine a budget", "version: 1\nbudget: 0.0000001", "more than 6 decimal places"},
		{"an exponent", "version: 1\nbudget: 1e2", "not a plain decimal number"},
		{"an empty list", "version: 1\nmodels: {allow: []}", "aex.yaml:2:17: an empty list"},
		{"an empty name", "version: 1\nmodels: {allow: [' ']}", "empty name"},
		{"a zero limit", "version: 1\nlimits: {concurrency: 0}", "0 is not a whole number from 1 to"},
		{"a word", "version: 1\non_exhausted: panic", "this must be one of kill, refuse, ask"},
		{"a time", "version: 1\ntimeout: 30", "write it like 90s or 30m"},
		{"environment", "version: 1\nenv: {OPENAI_BASE_URL: 'http://evil'}", "aex.yaml:2:6: env may not be set by a file that was only found"},
		{"an environment file", "version: 1\nenv_file: x", "env_file may not be set"},
		{"a models file", "version: 1\nmodels_file: x", "models_file may not be set"},
		{"providers", "version: 1\nproviders: {}", "providers may not be set"},
		{"routes", "version: 1\nroutes: {}", "routes may not be set"},
		{"keys", "version: 1\nkeys: {}", "keys may not be set"},
		{"anchors", "version: 1\nmodels: &m {allow: x}", "anchors are not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ParseFile("aex.yaml", []byte(c.text), false, Checks{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestNamedFile(t *testing.T) {
	const text = "version: 1\nenv: {A: b, N: 5}\nenv_file: .env.ci\nmodels_file: models.yaml\n"
	f, err := ParseFile("ci.yaml", []byte(text), true, Checks{})
	if err != nil || f.Env["A"] != "b" || f.Env["N"] != "5" || f.EnvFile != ".env.ci" || f.ModelsFile != "models.yaml" {
		t.Errorf("got %+v, %v", f, err)
	}
	if _, err := ParseFile("ci.yaml", []byte("version: 1\nproviders: {}"), true, Checks{}); err == nil || !strings.Contains(err.Error(), "models_file") {
		t.Errorf("got %v", err)
	}
}

// TestFindFile: the nearest one, up to the root of the repository and no
// farther.
func TestFindFile(t *testing.T) {
	top := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{top}, parts...)...) }
	for _, dir := range []string{at("repo", ".git"), at("repo", "a", "b"), at("repo", "c"), at("plain", "d")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write := func(path string) {
		if err := os.WriteFile(path, []byte("version: 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	find := func(dir, want string) {
		t.Helper()
		if got, err := FindFile(dir); err != nil || got != want {
			t.Errorf("from %s: got %q, %v; want %q", dir, got, err, want)
		}
	}
	write(at(FileName)) // above the repository: never
	write(at("plain", FileName))
	find(at("repo", "a", "b"), "")
	find(at("plain", "d"), "") // outside of a repository only where one stands
	find(at("plain"), at("plain", FileName))
	write(at("repo", FileName))
	find(at("repo", "a", "b"), at("repo", FileName))
	write(at("repo", "a", FileName))
	find(at("repo", "a", "b"), at("repo", "a", FileName))
	find(at("repo", "c"), at("repo", FileName))
}

func TestLocked(t *testing.T) {
	f := &File{Path: "aex.yaml", Locked: true}
	for _, c := range []struct {
		asked, set int64
		ok         bool
	}{{5, 0, true}, {5, 5, true}, {4, 5, true}, {6, 5, false}, {0, 5, false}} {
		if err := f.Allow("--budget", c.asked, c.set); (err == nil) != c.ok {
			t.Errorf("asked %d of %d: %v", c.asked, c.set, err)
		}
		if err := (&File{}).Allow("--budget", c.asked, c.set); err != nil {
			t.Errorf("not locked: %v", err)
		}
	}
	for _, c := range [][3]int64{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {3, 5, 3}, {5, 3, 3}} {
		if got := Strictest(c[0], c[1]); got != c[2] {
			t.Errorf("the strictest of %d and %d is %d", c[0], c[1], got)
		}
	}
}
