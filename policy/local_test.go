package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestPlaceholderKey(t *testing.T) {
	for _, key := range []string{"ollama", "lm-studio", "EMPTY", "none", "sk-no-key-required", " None ", "no-key", "sk-xxx", "xxx", "not-needed", "dummy", "-", "N/A"} {
		if !PlaceholderKey(key) {
			t.Errorf("%q is taken for a key", key)
		}
	}
	for _, key := range []string{"", "sk-1234", "sk-proj-abc", "gsk_none", "a-key-for-tests", "ollama-cloud-9f3a", "key"} {
		if PlaceholderKey(key) {
			t.Errorf("%q is taken for none", key)
		}
	}
}

// TestLocalPrices: a server on this machine that needs no key costs nothing,
// but for what only hosted vendors have.
func TestLocalPrices(t *testing.T) {
	for _, c := range []struct {
		mode  string
		wire  string
		model string
		input Pico // -1: refused
	}{
		{"", Chat, "llama3.2", 0},
		{"", Chat, "gpt-oss:20b", 0},
		{"", Chat, "openai/gpt-oss-20b", 0},
		{"", Chat, "qwen3:8b", 0},
		{"", Chat, "my-gpt-4o", 0},
		{"auto", Chat, "gpt-4o", 2_500_000},
		{"auto", Chat, "openai/gpt-4o-2024-08-06", 2_500_000},
		{"auto", Messages, "claude-opus-4-5", 5_000_000},
		{"auto", Chat, "anthropic/claude-opus-4-5", 5_000_000},
		{"auto", Chat, "bedrock/us.anthropic.claude-opus-4-5-20251101-v1:0", 5_000_000},
		{"auto", Chat, "vertex_ai/gemini-2.5-pro", 1_250_000},
		{"auto", Gemini, "gemini-2.5-pro", 1_250_000},
		{"auto", Embeddings, "text-embedding-3-small", 20_000},
		{"auto", Chat, "gpt-99-unheard-of", -1},
		{"off", Chat, "gpt-4o", 0},
		{"on", Chat, "llama3.2", -1},
		{"on", Chat, "gpt-4o", 2_500_000},
	} {
		bases := map[string]string{"openai": "http://127.0.0.1:4000", "anthropic": "http://127.0.0.1:4000", "google": "http://127.0.0.1:4000"}
		m, err := registry(t, Sources{BaseURLs: bases, LocalPrices: c.mode}).Resolve(dialect(c.wire), c.model, false)
		switch {
		case c.input < 0:
			if !errors.Is(err, ErrUnpriced) {
				t.Errorf("%q %s: %v, %v", c.mode, c.model, m.Price, err)
			}
			if c.mode == "auto" && !strings.Contains(err.Error(), "--local-prices=off") {
				t.Error(err)
			}
		case err != nil || *m.Price.Input != c.input || m.Provider.Local != (c.input == 0) || !m.Provider.Keyless:
			t.Errorf("%q %s: %v, local %t, keyless %t, %v", c.mode, c.model, m.Price, m.Provider.Local, m.Provider.Keyless, err)
		}
	}
	if _, err := NewRegistry(Sources{LocalPrices: "maybe"}); err == nil || !strings.Contains(err.Error(), "--local-prices") {
		t.Error(err)
	}
}

// TestLocalAlias: what a router on this machine says that a vendor served costs
// what the vendor asks.
func TestLocalAlias(t *testing.T) {
	for mode, want := range map[string]Pico{"auto": 2_500_000, "off": 0} {
		r := registry(t, Sources{BaseURLs: map[string]string{"openai": "http://127.0.0.1:4000"}, LocalPrices: mode})
		m, err := r.Resolve(dialect(Chat), "fast", false)
		if err != nil || !m.Provider.Local {
			t.Fatal(m, err)
		}
		if got := r.Served(m, "gpt-4o-2024-08-06"); *got.Input != want {
			t.Errorf("%s: %s", mode, got)
		}
		if got := r.Served(m, "llama3.2"); *got.Input != 0 {
			t.Errorf("%s: %s", mode, got)
		}
	}
}
