package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func registry(t testing.TB, s Sources) *Registry {
	t.Helper()
	r, err := NewRegistry(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCatalogue(t *testing.T) {
	c, err := parseCatalogue(pricesJSON)
	if err != nil {
		t.Fatal(err)
	}
	all := 0
	for _, h := range hosts {
		rows, _ := c.of(h.Name)
		if len(rows) == 0 && h.Port == "" {
			t.Errorf("no model of %s", h.Name)
		}
		for _, row := range rows {
			if row.Date == "" || !strings.HasPrefix(row.Source, "https://") || row.Provider != h.Name {
				t.Errorf("%s at %s has no date or no source", row.ID, row.Provider)
			}
			if (row.Reasoning == "") != (row.Stated == "") && row.Kind == "" {
				t.Errorf("%s at %s: reasoning %q is stated by %q", row.ID, row.Provider, row.Reasoning, row.Stated)
			}
		}
		all += len(rows)
	}
	if all < 1700 {
		t.Errorf("%d models of %d providers", all, len(c.shelves))
	}
	if date, n, err := CheckCatalogue(pricesJSON); date != c.date || n != all || err != nil {
		t.Errorf("got %q, %d, %v", date, n, err)
	}
}

func TestCatalogueRefuses(t *testing.T) {
	model := func(s string) string {
		return `{"version":1,"date":"2026-01-01","models":[` + "\n" + strings.ReplaceAll(s, "},{\"p\"", "},\n{\"p\"") + "\n]}\n"
	}
	if _, n, err := CheckCatalogue([]byte(model(`{"p":"openai","id":"a","rates":{"input":"1"}},{"p":"openai","id":"b","rates":{"input":"2"}}`))); n != 2 || err != nil {
		t.Fatalf("what the others are made from: %d, %v", n, err)
	}
	for name, text := range map[string]string{
		"nothing":         ``,
		"another version": `{"version":2,"date":"2026-01-01","models":[]}`,
		"no models":       model(``),
		"cut off":         `{"version":1,"date":"2026-01-01","models":[` + "\n" + `{"p":"openai","id":"m","rates":{"input":"1"}},` + "\n]}",
		"provider later":  model(`{"id":"m","p":"openai","rates":{"input":"1"}}`),
		"a float":         model(`{"p":"openai","id":"m","rates":{"input":0.15}}`),
		"no input price":  model(`{"p":"openai","id":"m","rates":{"output":"1"}}`),
		"unknown class":   model(`{"p":"openai","id":"m","rates":{"input":"1","inptu":"1"}}`),
		"negative price":  model(`{"p":"openai","id":"m","rates":{"input":"-1"}}`),
		"absurd price":    model(`{"p":"openai","id":"m","rates":{"input":"10001"}}`),
		"no name":         model(`{"p":"openai","rates":{"input":"1"}}`),
		"a name twice":    model(`{"p":"openai","id":"a","rates":{"input":"1"}},{"p":"openai","id":"b","alias":["A"],"rates":{"input":"2"}}`),
		"falling bands":   model(`{"p":"openai","id":"m","rates":{"input":"1"},"bands":[{"above":5,"rates":{"input":"1"}},{"above":5,"rates":{"input":"1"}}]}`),
	} {
		if _, _, err := CheckCatalogue([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestNames are the rules of matching: exactly, or with a date or -latest
// behind it. A prefix is another model.
func TestNames(t *testing.T) {
	r := registry(t, Sources{})
	for _, c := range []struct{ wire, asked, row string }{
		{Chat, "gpt-5", "gpt-5"},
		{Chat, "GPT-5", "gpt-5"},
		{Chat, "gpt-5-2025-08-07", "gpt-5"},
		{Chat, "gpt-5-pro", "gpt-5-pro"},
		{Chat, "gpt-5-pro-2025-10-06", "gpt-5-pro"},
		{Chat, "gpt-4o", "gpt-4o"},
		{Chat, "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"},
		{Chat, "gpt-4o-mini-2024-07-18", "gpt-4o-mini"},
		{Chat, "gpt-5-nonsense", ""},
		{Chat, "gpt-4o-pro", ""},
		{Chat, "gpt-5x", ""},
		{Chat, "gpt-", ""},
		{Chat, "gpt-5-2025", ""},
		{Chat, "gpt-5-2025-08-07-preview", ""},
		{Chat, "my-gpt-5", ""},
		{Chat, "ft:gpt-4o-2024-08-06:org::id", ""},
		{Messages, "claude-opus-4-5-20251101", "claude-opus-4-5"},
		{Messages, "claude-opus-4-5@20251101", "claude-opus-4-5"},
		{Messages, "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest"},
		{Messages, "claude-3-7-sonnet-latest", "claude-3-7-sonnet-latest"},
		{Messages, "claude-sonnet-4-20250514", "claude-sonnet-4-0"},
		{Messages, "claude-opus-4-9", ""},
		{Messages, "claude", ""},
		{Gemini, "models/gemini-2.5-pro", "gemini-2.5-pro"},
		{Gemini, "gemini-2.5-flash", "gemini-2.5-flash"},
		{Gemini, "gemini-2.0-flash-001", "gemini-2.0-flash"},
		{Gemini, "gemini-2.5-pro-preview-tts-9", ""},
	} {
		m, err := r.Resolve(dialect(c.wire), c.asked, false)
		if c.row == "" {
			if !errors.Is(err, ErrUnpriced) {
				t.Errorf("%s: got %s, %v; want no price", c.asked, m.Price, err)
			}
			continue
		}
		want := r.catalogue().find(m.Provider.PriceAs, c.row)
		if err != nil || want == nil || want.ID != c.row || *m.Price.Input != *want.price.Input || *m.Price.Output != *want.price.Output {
			t.Errorf("%s: got %s, %v; want that of %s", c.asked, m.Price, err, c.row)
		}
	}
}

func TestResolveByWire(t *testing.T) {
	for _, c := range []struct {
		name          string
		sources       Sources
		wire          string
		groq          bool
		model         string
		provider, url string
		local         bool
		assumed       bool
	}{
		{"chat", Sources{}, Chat, false, "gpt-5", "openai", "https://api.openai.com/v1", false, false},
		{"responses", Sources{}, Responses, false, "gpt-5", "openai", "https://api.openai.com/v1", false, false},
		{"messages", Sources{}, Messages, false, "claude-opus-4-5", "anthropic", "https://api.anthropic.com", false, false},
		{"gemini", Sources{}, Gemini, false, "gemini-2.5-pro", "google", "https://generativelanguage.googleapis.com", false, false},
		{"groq's routes", Sources{}, Chat, true, "llama-3.1-8b-instant", "groq", "https://api.groq.com/openai/v1", false, false},
		{"only a key for groq", Sources{HasKey: map[string]bool{"groq": true}}, Chat, false, "llama-3.1-8b-instant", "groq", "https://api.groq.com/openai/v1", false, false},
		{"keys for both", Sources{HasKey: map[string]bool{"groq": true, "OPENAI_API_KEY": true}}, Chat, false, "gpt-5", "openai", "https://api.openai.com/v1", false, false},
		{"another host's base URL", Sources{BaseURLs: map[string]string{"openai": "https://openrouter.ai/api/v1/"}}, Chat, false, "openai/gpt-5", "openai", "https://openrouter.ai/api/v1", false, false},
		{"a host nobody knows", Sources{BaseURLs: map[string]string{"openai": "https://llm.corp.example"}}, Chat, false, "gpt-5", "openai", "https://llm.corp.example/v1", false, true},
		{"a host nobody knows, a model of others", Sources{BaseURLs: map[string]string{"openai": "https://llm.corp.example"}}, Chat, false, "mistral-large-4", "openai", "https://llm.corp.example/v1", false, true},
		{"loopback without a key", Sources{BaseURLs: map[string]string{"openai": "http://127.0.0.1:11434"}}, Chat, false, "whatever", "openai", "http://127.0.0.1:11434/v1", true, false},
		{"loopback with a key", Sources{BaseURLs: map[string]string{"openai": "http://127.0.0.1:9000/v1"}, HasKey: map[string]bool{"openai": true}}, Chat, false, "gpt-5", "openai", "http://127.0.0.1:9000/v1", false, true},
		{"loopback with a price", Sources{BaseURLs: map[string]string{"openai": "http://[::1]:9000/v1"}, Prices: []string{"m=1/2"}}, Chat, false, "m", "openai", "http://[::1]:9000/v1", false, false},
		{"base URL with /v1 for messages", Sources{BaseURLs: map[string]string{"anthropic": "http://localhost:1/v1/"}}, Messages, false, "x", "anthropic", "http://localhost:1", true, false},
		{"base URL with /v1beta for gemini", Sources{BaseURLs: map[string]string{"google": "http://localhost:1/v1beta"}}, Gemini, false, "x", "google", "http://localhost:1", true, false},
		{"groq's base URL", Sources{BaseURLs: map[string]string{"groq": "https://api.groq.com"}}, Chat, true, "llama-3.1-8b-instant", "groq", "https://api.groq.com/openai/v1", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := registry(t, c.sources).Resolve(dialect(c.wire), c.model, c.groq)
			if err != nil {
				t.Fatal(err)
			}
			if m.Provider.Name != c.provider || m.Provider.BaseURL != c.url || m.Provider.Local != c.local || m.Price.Assumed != c.assumed {
				t.Fatalf("got %+v, price %s, assumed %v", m.Provider, m.Price, m.Price.Assumed)
			}
			if c.local && !m.Provider.Keyless {
				t.Error("a local provider needs a key")
			}
			if cost, err := Cost(m.Price, Usage{Input: 1e6, CacheRead: 1e6, CacheWrite1h: 1e6, Output: 1e6, AudioIn: 1e6}, "priority"); c.local && (cost != 0 || err != nil) {
				t.Errorf("a local model costs %d, %v", cost, err)
			}
		})
	}
}

func TestUnpricedSaysWhatToAdd(t *testing.T) {
	_, err := registry(t, Sources{}).Resolve(dialect(Chat), "my-model", false)
	const want = "add --price my-model=IN/OUT (dollars per million tokens), for example --price my-model=0.60/2.40"
	if !errors.Is(err, ErrUnpriced) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if _, err = registry(t, Sources{}).Resolve(dialect(Chat), "", false); !errors.Is(err, ErrUnknownModel) {
		t.Errorf("no model: got %v", err)
	}
	if _, err = NewRegistry(Sources{BaseURLs: map[string]string{"openai": "localhost:80"}}); err == nil {
		t.Error("a base URL without a scheme is accepted")
	}
}

func TestPriceFlag(t *testing.T) {
	for _, c := range []struct {
		flag, model string
		in, out     Pico
	}{
		{"m=0.60/2.40", "m", 600_000, 2_400_000},
		{"m=$1/$2", "m", 1_000_000, 2_000_000},
		{"a=b=0/0.000001", "a=b", 0, 1},
		{"meta-llama/Llama-4=1/2", "meta-llama/Llama-4", 1_000_000, 2_000_000},
	} {
		model, p, err := parsePriceFlag(c.flag)
		if err != nil || model != c.model || *p.Input != c.in || *p.Output != c.out {
			t.Errorf("%s: got %q, %s, %v", c.flag, model, p, err)
		}
	}
	for _, flag := range []string{"", "m", "m=", "m=1", "m=/", "m=1/", "m=/1", "=1/2", "m=-1/2", "m=1/2/3", "m=1e3/2", "m=1/inf", "m=10001/1", "m=0.0000001/1", "m=a/b"} {
		if model, p, err := parsePriceFlag(flag); err == nil {
			t.Errorf("%q: got %q, %s", flag, model, p)
		} else if !strings.Contains(err.Error(), "MODEL=IN/OUT") {
			t.Errorf("%q: %v does not say how", flag, err)
		}
	}
	if _, err := NewRegistry(Sources{Prices: []string{"m=1/2", "m=1/3"}}); err == nil {
		t.Error("two prices for a model are accepted")
	}
	r := registry(t, Sources{Prices: []string{"gpt-5=100/100"}})
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "$100/$100") || !strings.Contains(r.Warnings[0], "$1.25/$10") {
		t.Errorf("warnings: %q", r.Warnings)
	}
}

// TestPricesInAnotherUnit: per thousand tokens or per token instead of per
// million, and the other way round. $0 is a price, and so is five times less.
func TestPricesInAnotherUnit(t *testing.T) {
	for price, ok := range map[string]bool{
		"1.25/10": true, "0/0": true, "0.1/1": true, "100/100": true, "1250/10000": true,
		"0.00125/0.01": false, "0.000001/0.00001": false, "1.25/0.01": false, "0.00125/10": false, "0/0.01": false,
	} {
		_, err := NewRegistry(Sources{Prices: []string{"gpt-5=" + price}})
		if ok != (err == nil) || !ok && !strings.Contains(err.Error(), "$1.25/$10") {
			t.Errorf("--price gpt-5=%s: %v", price, err)
		}
		input, output, _ := strings.Cut(price, "/")
		path := filepath.Join(t.TempDir(), "models.yaml")
		text := fmt.Sprintf("version: 1\nmodels:\n  mine: {provider: openai, provider_model: gpt-5, pricing: {input_usd_per_mtok: %q, output_usd_per_mtok: %q}}\n", input, output)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = NewRegistry(Sources{ModelsFile: path})
		if ok != (err == nil) || !ok && !strings.Contains(err.Error(), "models.yaml:3:3: ") {
			t.Errorf("models.yaml: %s: %v", price, err)
		}
	}
	if _, err := NewRegistry(Sources{Prices: []string{"nobody-lists-this=0.000001/0.000001"}}); err != nil {
		t.Error(err)
	}
}
