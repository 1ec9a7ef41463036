package policy

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestHostsStateTheirSources: no fact without the page that it is from, no
// source without a fact.
func TestHostsStateTheirSources(t *testing.T) {
	plain := map[string]bool{"Name": true, "Hosts": true, "Port": true, "Type": true, "Base": true, "Sources": true}
	names := map[string]bool{}
	for _, h := range hosts {
		if names[h.Name] || h.Name == "" || h.Type == "" || len(h.Keys) == 0 || len(h.Hosts) == 0 && h.Port == "" {
			t.Errorf("%q stands twice, or its row has no type, key or host", h.Name)
		}
		names[h.Name] = true
		left := maps.Clone(h.Sources)
		v := reflect.ValueOf(h)
		for i := range v.NumField() {
			field := v.Type().Field(i).Name
			source := h.Sources[field]
			if stated := !v.Field(i).IsZero() && !plain[field]; stated != (source != "") {
				t.Errorf("%s: %s is %v, its source is %q", h.Name, field, v.Field(i), source)
			}
			delete(left, field)
			if source != "" && !strings.HasPrefix(source, "https://") {
				t.Errorf("%s: the source of %s is no page: %q", h.Name, field, source)
			}
		}
		if h.GoesOn && (h.Stops || len(h.StopsFor) > 0) {
			t.Errorf("%s stops and goes on", h.Name)
		}
		for field := range left {
			t.Errorf("%s: a source for %s, which is no fact", h.Name, field)
		}
	}
	for _, want := range strings.Fields("openai anthropic google groq mistral deepseek xai openrouter together fireworks cerebras perplexity moonshot zai azure ollama vllm lmstudio litellm") {
		if !names[want] {
			t.Errorf("%s is not known", want)
		}
	}
}

// TestHostByBaseURL: a base URL that leads to a known host has its row,
// whatever the variable was called that it came from.
func TestHostByBaseURL(t *testing.T) {
	for _, c := range []struct{ variable, base, host, url, priced string }{
		{"openai", "https://api.mistral.ai", "mistral", "https://api.mistral.ai/v1", "mistral"},
		{"openai", "http://API.MISTRAL.AI/v1/", "mistral", "http://API.MISTRAL.AI/v1", "mistral"},
		{"openai", "https://openrouter.ai", "openrouter", "https://openrouter.ai/api/v1", "openrouter"},
		{"anthropic", "https://openrouter.ai/api", "openrouter", "https://openrouter.ai/api", "openrouter"},
		{"anthropic", "https://api.z.ai/api/anthropic", "zai", "https://api.z.ai/api/anthropic", "zai"},
		{"groq", "https://api.together.ai/v1", "together", "https://api.together.ai/v1", "together"},
		{"openai", "https://api.groq.com", "groq", "https://api.groq.com/openai/v1", "groq"},
		{"openai", "https://api.perplexity.ai", "perplexity", "https://api.perplexity.ai", "perplexity"},
		{"openai", "https://api.fireworks.ai", "fireworks", "https://api.fireworks.ai/inference/v1", "fireworks"},
		{"openai", "https://me.openai.azure.com", "azure", "https://me.openai.azure.com/openai/v1", "azure"},
		{"openai", "https://me.openai.azure.com/openai/deployments/mine", "azure", "https://me.openai.azure.com/openai/deployments/mine", "azure"},
		{"openai", "http://localhost:11434", "ollama", "http://localhost:11434/v1", ""},
		{"openai", "http://127.0.0.1:1234/v1", "lmstudio", "http://127.0.0.1:1234/v1", ""},
		{"openai", "http://[::1]:8000", "vllm", "http://[::1]:8000/v1", ""},
		{"openai", "http://localhost:4000", "litellm", "http://localhost:4000/v1", ""},
		{"openai", "http://example.com:11434", "", "http://example.com:11434/v1", ""},
		{"openai", "https://api.mistral.ai.example.com/v1", "", "https://api.mistral.ai.example.com/v1", ""},
		{"openai", "https://notopenrouter.ai/v1", "", "https://notopenrouter.ai/v1", ""},
	} {
		r := registry(t, Sources{BaseURLs: map[string]string{c.variable: c.base}})
		p := r.providers[c.variable]
		if p.Host().Name != c.host || p.BaseURL != c.url || p.PriceAs != c.priced {
			t.Errorf("%s: host %q, url %s, priced as %q", c.base, p.Host().Name, p.BaseURL, p.PriceAs)
		}
	}
}

// TestEveryHostByEveryVariable: all rows, by every variable of a provider that
// speaks the same wires.
func TestEveryHostByEveryVariable(t *testing.T) {
	for _, h := range hosts {
		var bases []string
		for _, name := range h.Hosts {
			bases = append(bases, "https://"+name, "https://me."+name+"/x/")
		}
		if h.Port != "" {
			bases = append(bases, "http://127.0.0.1:"+h.Port, "http://localhost:"+h.Port+"/v1/")
		}
		for _, variable := range builtins {
			for _, base := range bases {
				if variable.Type != h.Type {
					continue
				}
				p := registry(t, Sources{BaseURLs: map[string]string{variable.Name: base}}).providers[variable.Name]
				priced := h.Name
				if h.Port != "" {
					priced = ""
				}
				if p.Host().Name != h.Name || p.PriceAs != priced || !slices.Contains(p.KeyEnvs(), h.Keys[0]) {
					t.Errorf("%s of %s: %q, priced as %q, keys %q", base, variable.Name, p.Host().Name, p.PriceAs, p.KeyEnvs())
				}
			}
		}
	}
}

// TestKeyOfWhereItLeads: the variable of the host itself does where the one of
// the variable's own provider is not set, and nobody else's.
func TestKeyOfWhereItLeads(t *testing.T) {
	p := registry(t, Sources{BaseURLs: map[string]string{"openai": "https://openrouter.ai/api/v1"}}).providers["openai"]
	if got := fmt.Sprint(p.KeyEnvs()); got != "[OPENAI_API_KEY OPENROUTER_API_KEY]" {
		t.Error(got)
	}
	for _, b := range BuiltinProviders() {
		if got := b.KeyEnvs(); fmt.Sprint(got) != fmt.Sprint(b.Host().Keys) {
			t.Errorf("%s: %v", b.Name, got)
		}
	}
}

// TestCoverage: the facts that estimates and caps stand on are there for
// nearly every model of the great providers.
func TestCoverage(t *testing.T) {
	for provider, percent := range map[string]int{
		"openai": 95, "anthropic": 95, "google": 95, "groq": 95, "mistral": 95, "deepseek": 95, "xai": 95, "openrouter": 80,
	} {
		rows, _ := builtinCatalogue().of(provider)
		known := 0
		for _, r := range rows {
			if r.Reasoning != "" && r.Context > 0 && (r.MaxOutput > 0 || r.Kind == "embedding") {
				known++
			}
		}
		if known*100 < percent*len(rows) {
			t.Errorf("%s: %d of %d rows have reasoning, longest answer and window, want %d %%", provider, known, len(rows), percent)
		}
	}
}

// TestReasoning: what is hidden goes by the model and the request together.
func TestReasoning(t *testing.T) {
	r := registry(t, Sources{})
	for _, c := range []struct {
		wire, model string
		call        Call
		hides       bool
	}{
		{Chat, "gpt-4o", Call{}, false},
		{Chat, "gpt-4o", Call{Reason: true}, true},
		{Chat, "o3", Call{ReasonOff: OffEffort}, true},
		{Chat, "gpt-5", Call{ReasonOff: OffEffort}, true},
		{Chat, "gpt-5.1", Call{}, false},
		{Chat, "gpt-5.1", Call{Reason: true}, true},
		{Responses, "gpt-6-sol", Call{}, true},
		{Responses, "gpt-6-sol", Call{ReasonOff: OffEffort}, false},
		{Responses, "gpt-6-sol", Call{ReasonOff: OffEnabled}, true}, // no field of OpenAI's
		{Messages, "claude-opus-4-5", Call{}, false},
		{Messages, "claude-opus-4-5", Call{Reason: true, ThinkingCap: 4000}, true},
		{Messages, "claude-opus-5-5", Call{ReasonOff: OffThinking}, true},
		{Messages, "claude-opus-5", Call{}, true},
		{Messages, "claude-opus-5", Call{ReasonOff: OffThinking}, false},
		{Gemini, "gemini-2.5-flash", Call{}, true},
		{Gemini, "gemini-2.5-flash", Call{ReasonOff: OffBudget}, false},
		{Gemini, "gemini-2.5-pro", Call{ReasonOff: OffBudget}, true},
		{Gemini, "gemini-2.0-flash", Call{}, false},
		{Gemini, "gemini-exp-1206", Call{}, true}, // nobody states it
	} {
		m, err := r.Resolve(dialect(c.wire), c.model, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Thinks.Hides(c.call); got != c.hides {
			t.Errorf("%s, %+v: hides %t (%+v)", c.model, c.call, got, m.Thinks)
		}
	}
}

func TestNearest(t *testing.T) {
	r := registry(t, Sources{})
	for asked, want := range map[string]string{"gpt-5-2-mini": "gpt-5-mini", "gpt-4p": "gpt-4", "zzzzzzzzzz": ""} {
		_, err := r.Resolve(dialect(Chat), asked, false)
		if err == nil || !strings.Contains(err.Error(), "aex models update") || want != "" && !strings.Contains(err.Error(), "the nearest that is known is "+want+",") {
			t.Errorf("%s: %v", asked, err)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"kitten", "sitting", 3}, {"gpt-5", "gpt-5", 0}, {"abc", "xyz", 3}} {
		if got := Distance(c.a, c.b, 9); got != c.want {
			t.Errorf("%s to %s: %d", c.a, c.b, got)
		}
	}
}
