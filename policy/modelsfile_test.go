package policy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSeedModelsFile(t *testing.T) {
	r := registry(t, Sources{ModelsFile: "testdata/models/working_seed.yaml", HasKey: map[string]bool{"groq": true}})
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "working_seed.yaml:11:3:") ||
		!strings.Contains(r.Warnings[0], "$50/$100") || !strings.Contains(r.Warnings[0], "$0.05/$0.08") {
		t.Errorf("warnings: %q", r.Warnings)
	}
	for _, asked := range []string{"", "gpt-oss-20b"} {
		m, err := r.Resolve(dialect(Chat), asked, false)
		if err != nil {
			t.Fatal(err)
		}
		if m.Name != "gpt-oss-20b" || m.Sent != "llama-3.1-8b-instant" || !m.Aliased || m.MaxOutput != 8192 || *m.Vision || !*m.Tools || m.Provider.Name != "groq" {
			t.Errorf("got %+v", m)
		}
		if cost, err := Cost(m.Price, Usage{Input: 10, Output: 10}, ""); cost != 1_500 || err != nil {
			t.Errorf("10 tokens in and out cost %d, %v", cost, err)
		}
	}
	if m, err := r.Resolve(dialect(Chat), "llama-3.3-70b-versatile", false); err != nil || m.Provider.Name != "groq" {
		t.Errorf("a model that nobody named: %+v, %v", m, err)
	}
	if _, err := r.Resolve(dialect(Messages), "gpt-oss-20b", false); !errors.Is(err, ErrUnknownModel) {
		t.Errorf("on another provider's wire: %v", err)
	}
}

func TestModelsFile(t *testing.T) {
	r := registry(t, Sources{ModelsFile: "testdata/models/working_all.yaml"})
	if len(r.Warnings) != 0 {
		t.Errorf("warnings: %q", r.Warnings)
	}
	house, err := r.Resolve(dialect(Chat), "house", false)
	if p := house.Provider; err != nil || p.BaseURL != "https://llm.corp.example/gateway" || p.KeyEnv != "CORP_KEY" || p.Headers["X-Cost-Center"] != "42" ||
		p.Proxy == "" || p.CAFile == "" || !p.NoStreamUsage || house.Price.Assumed || *house.Price.Output != 10_000_000 || house.Context != 400_000 {
		t.Errorf("house: %+v, %v", house, err)
	}
	dear, err := r.Resolve(dialect(Chat), "dear", false)
	if err != nil || *dear.Price.CacheWrite5m != 187_500 || *dear.Price.Output != 600_000 || *dear.Price.PerRequest != 1_000_000_000 ||
		dear.MinOutput != 256 || dear.Context != 32_768 || dear.MaxOutput != 4_096 || dear.Aliased {
		t.Errorf("dear: %+v, %v", dear, err)
	}
	if m, err := r.Resolve(dialect(Chat), "llama", false); err != nil || !m.Provider.Local || m.Provider.BaseURL != "http://localhost:11434/v1" {
		t.Errorf("llama: %+v, %v", m, err)
	}
	if m, err := r.Resolve(dialect(Messages), "opus", false); err != nil || m.Provider.BaseURL != "https://api.anthropic.com" || *m.Price.Input != 5_000_000 {
		t.Errorf("opus: %+v, %v", m, err)
	}
	if m, err := r.Resolve(dialect(Gemini), "models/flash", false); err != nil || m.Sent != "gemini-2.5-flash" {
		t.Errorf("flash: %+v, %v", m, err)
	}
	for path, want := range map[string]int64{"POST /v1/files": 0, "GET /v1/files/f-1/content": 0, "POST /v1/images/generations": 40_000, "GET /v1/files": -1, "GET /v1/files/": -1, "POST /v1/files/x": -1, "DELETE /v1/files": -1} {
		method, path, _ := strings.Cut(path, " ")
		route, open := r.Route(method, path)
		if open != (want >= 0) || open && route.Micros != want || want > 0 && route.Provider.Name != "corp" {
			t.Errorf("%s %s: got %+v, %v", method, path, route, open)
		}
	}
}

func TestBustedModelsFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/models/busted_*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		want, ok := strings.CutPrefix(first, "# want: ")
		if !ok {
			t.Fatalf("%s does not say what it wants", path)
		}
		_, err = NewRegistry(Sources{ModelsFile: path})
		if err == nil || !strings.HasPrefix(err.Error(), path+":") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestServed(t *testing.T) {
	r := registry(t, Sources{Prices: []string{"deployment=1/2"}})
	mini, err := r.Resolve(dialect(Chat), "gpt-5-mini", false)
	if err != nil {
		t.Fatal(err)
	}
	for served, want := range map[string]string{
		"": "$0.25/$2", "gpt-5-mini": "$0.25/$2", "gpt-5-mini-2025-08-07": "$0.25/$2",
		"gpt-5": "$1.25/$10", "gpt-5-2025-08-07": "$1.25/$10", // dearer
		"gpt-5-nano": "$0.25/$2", "nobody-knows": "$0.25/$2", // cheaper, unknown
	} {
		if got := r.Served(mini, served).inOut(); got != want {
			t.Errorf("served %q: got %s, want %s", served, got, want)
		}
	}
	cheap := registry(t, Sources{Prices: []string{"gpt-5=0.50/5"}})
	deal, err := cheap.Resolve(dialect(Chat), "gpt-5", false)
	if err != nil {
		t.Fatal(err)
	}
	if got := cheap.Served(deal, "gpt-5-2025-08-07").inOut(); got != "$0.5/$5" {
		t.Errorf("a price of one's own is lost to the date in the answer: %s", got)
	}
	own, err := r.Resolve(dialect(Chat), "deployment", false)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Served(own, "gpt-5").inOut(); got != "$1/$2" {
		t.Errorf("a deployment that answers with its model's name costs %s", got)
	}
}

func TestLists(t *testing.T) {
	r := registry(t, Sources{ModelsFile: "testdata/models/working_all.yaml", HasKey: map[string]bool{"ANTHROPIC_API_KEY": true, "GOOGLE_API_KEY": true}})
	var names []string
	for _, m := range r.Models() {
		names = append(names, m.Name)
	}
	for _, want := range []string{"house", "llama", "claude-opus-4-5"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not listed", want)
		}
	}
	if slices.Contains(names, "gpt-5") || !slices.IsSorted(names) {
		t.Errorf("unkeyed or unsorted: %v", names)
	}
	for _, p := range r.Providers() {
		if p.Name == "google" && p.KeyEnv != "GOOGLE_API_KEY" {
			t.Errorf("google's key is looked for in %s", p.KeyEnv)
		}
	}
}

// TestDocumentedFile loads the models file of docs/models.md.
func TestDocumentedFile(t *testing.T) {
	page, err := os.ReadFile("../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```yaml\n")
	text, _, ends := strings.Cut(rest, "```")
	if !found || !ends {
		t.Fatal("docs/models.md has no models file")
	}
	path := filepath.Join(t.TempDir(), "models.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := registry(t, Sources{ModelsFile: path})
	for _, name := range []string{"", "small", "house"} {
		if _, err := r.Resolve(dialect(Chat), name, false); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if len(r.routes) != 2 || len(r.Warnings) != 0 {
		t.Errorf("routes %v, warnings %q", r.routes, r.Warnings)
	}
}

func TestKeyVariable(t *testing.T) {
	for name, want := range map[string]string{"my-host": "MY_HOST_API_KEY", "a_z09": "A_Z09_API_KEY", "A.Z/9:0[": "AZ90_API_KEY", "`@{": "_API_KEY"} {
		if got := keyVariable(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for base, want := range map[string]bool{
		"http://localhost:1": true, "http://a.localhost": true, "http://127.0.0.2/v1": true, "http://[::1]:8": true,
		"http://10.0.0.1": false, "https://example.com": false, "https://notlocalhost": false, "::": false,
	} {
		if got := loopback(base); got != want {
			t.Errorf("%s: %t", base, got)
		}
	}
}

func TestPortsOfAFile(t *testing.T) {
	for value, want := range map[string]int{`5432`: 1, `"5432"`: 1, `[1, "65535"]`: 2, `[]`: -1, `[0]`: -1, `[65536]`: -1, `[a]`: -1, `{a: 1}`: -1, `[[1]]`: -1} {
		f, err := ParseFile("aex.yaml", []byte("version: 1\nallow_local: "+value+"\n"), true, Checks{})
		switch {
		case want < 0 && err == nil:
			t.Errorf("%s: accepted as %v", value, f.Sandbox.AllowLocal)
		case want >= 0 && (err != nil || len(f.Sandbox.AllowLocal) != want):
			t.Errorf("%s: %+v, %v", value, f, err)
		}
	}
}

func TestNamesOfTools(t *testing.T) {
	var c Call
	c.AddTool("a")
	if c.UnnamedTool || len(c.ToolNames) != 1 || c.ToolNames[0] != "a" {
		t.Errorf("%+v", c)
	}
	c.AddTool("")
	if !c.UnnamedTool || len(c.ToolNames) != 1 {
		t.Errorf("%+v", c)
	}
}
