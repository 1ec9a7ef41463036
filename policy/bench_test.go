package policy

import "testing"

// BenchmarkCatalogue is what the first call of a process pays.
func BenchmarkCatalogue(b *testing.B) {
	for b.Loop() {
		c, err := openCatalogue(pricesJSON)
		if err != nil || c.find(openAI, "gpt-5") == nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall is what policy adds to every call.
func BenchmarkCall(b *testing.B) {
	r, err := NewRegistry(Sources{})
	if err != nil {
		b.Fatal(err)
	}
	caps := Open()
	caps.AllowedModels = []string{"gpt-*"}
	for b.Loop() {
		m, err := r.Resolve(dialect(Chat), "gpt-5-2025-08-07", false)
		if err != nil {
			b.Fatal(err)
		}
		c := Call{Wire: Chat, Model: m.Name, BodyBytes: 2_000, Messages: 3}
		if _, denied := Decide(caps, c, m); denied != nil {
			b.Fatal(denied)
		}
		ceiling, err := Bound(c, m, true)
		if err != nil || ceiling.Share(500_000) == 0 {
			b.Fatal(err)
		}
		if _, err := Cost(r.Served(m, "gpt-5-2025-08-07"), Usage{Input: 600, Output: 300}, "default"); err != nil {
			b.Fatal(err)
		}
	}
}

// dialect is a wire's, as its provider's SDK speaks it.
func dialect(wire string) Dialect {
	d := Dialect{Name: wire, Type: TypeOpenAI, Provider: openAI, PerRequest: 128, PerMessage: 8, PerTool: 32}
	switch wire {
	case Messages:
		d.Type, d.Provider = TypeAnthropic, anthropic
	case Gemini:
		d.Type, d.Provider = TypeGemini, google
	}
	return d
}
