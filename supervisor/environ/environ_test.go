package environ

import (
	"slices"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

var here = Gateway{URL: "http://127.0.0.1:1", Token: "token", Run: "run"}

func value(t *testing.T, env []string, name string) string {
	t.Helper()
	found, times := "", 0
	for _, entry := range env {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			found, times = v, times+1
		}
	}
	if times > 1 {
		t.Errorf("%s is there %d times", name, times)
	}
	return found
}

// No variable that has a provider's key reaches the program, those that
// models.yaml names included.
func TestKeysOfAnyProviderAreTaken(t *testing.T) {
	child := here.Lead(Caller{
		Environ: []string{"CORP_SECRET=a", "OPENAI_API_KEY=b", "OTHER_API_KEY=c", "PLAIN=d"},
		Pass:    []string{"OTHER_API_KEY"}, Keys: []string{"CORP_SECRET", "OTHER_API_KEY"},
	})
	for name, want := range map[string]string{"CORP_SECRET": "token", "OPENAI_API_KEY": "token", "OTHER_API_KEY": "c", "PLAIN": "d"} {
		if got := value(t, child.Env, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if want := []string{"CORP_SECRET", "OPENAI_API_KEY"}; !slices.Equal(child.Removed, want) {
		t.Errorf("removed %v", child.Removed)
	}
	if !PassesKey([]string{"OTHER_API_KEY"}, []string{"OTHER_API_KEY"}) || PassesKey([]string{"PLAIN"}, []string{"OTHER_API_KEY"}) {
		t.Error("what makes a run unmetered")
	}
}

// A provider's own address under a name that no table has leads to the gateway,
// by the path that the gateway serves it at; also that of the run around this one.
func TestAddressesUnderOtherNamesLeadHere(t *testing.T) {
	for given, want := range map[string]string{
		"https://api.openai.com/v1":                        "http://127.0.0.1:1/v1",
		"https://api.openai.com/v1/":                       "http://127.0.0.1:1/v1/",
		"https://api.openai.com":                           "http://127.0.0.1:1",
		"https://API.openai.com/v1/chat/completions":       "http://127.0.0.1:1/v1/chat/completions",
		"https://eu.api.openai.com/v1":                     "http://127.0.0.1:1/v1",
		"https://api.anthropic.com":                        "http://127.0.0.1:1",
		"https://generativelanguage.googleapis.com/v1beta": "http://127.0.0.1:1/v1beta",
		"https://api.groq.com/openai/v1":                   "http://127.0.0.1:1/openai/v1",
		"https://api.mistral.ai/v1":                        "http://127.0.0.1:1/p/mistral/v1",
		"https://api.deepseek.com":                         "http://127.0.0.1:1/p/deepseek",
		"https://api.fireworks.ai/inference/v1":            "http://127.0.0.1:1/p/fireworks/inference/v1",
		"https://openrouter.ai/api/v1":                     "http://127.0.0.1:1/p/openrouter/api/v1",
		"http://127.0.0.1:9/v1":                            "http://127.0.0.1:1/v1",
		"http://127.0.0.1:9":                               "http://127.0.0.1:1",
		"http://127.0.0.1:99/v1":                           "http://127.0.0.1:99/v1",
		"https://example.com/v1":                           "https://example.com/v1",
		"https://platform.openai.com/docs":                 "https://platform.openai.com/docs",
		"https://user:secret@api.openai.com/v1":            "https://user:secret@api.openai.com/v1",
		"wss://api.openai.com/v1/realtime":                 "wss://api.openai.com/v1/realtime",
		"see https://api.openai.com/v1":                    "see https://api.openai.com/v1",
		"api.openai.com":                                   "api.openai.com",
	} {
		child := here.Lead(Caller{Environ: []string{"AEX_URL=http://127.0.0.1:9", "LLM_BASE_URL=" + given, "KEPT=" + given}, Pass: []string{"KEPT"}})
		if got := value(t, child.Env, "LLM_BASE_URL"); got != want {
			t.Errorf("%s became %s, want %s", given, got, want)
		}
		if got := value(t, child.Env, "KEPT"); got != given {
			t.Errorf("%s, which is passed on, became %s", given, got)
		}
		if told := slices.Contains(child.Removed, "LLM_BASE_URL"); told != (given != want) {
			t.Errorf("%s is told as not passed on: %v", given, told)
		}
	}
}

// A key that the caller gives to the program under a name of its own as well is
// replaced there, too: the gateway would refuse it.
func TestKeysUnderOtherNamesAreReplaced(t *testing.T) {
	const key = "sk-0123456789abcdef"
	child := here.Lead(Caller{
		Environ: []string{"MY_LLM_KEY=" + key, "OPENAI_API_KEY=" + key, "KEPT=" + key, "OTHER=sk-fedcba9876543210", "LOCAL=ollama", "GROQ_API_KEY=ollama", "CORP_SECRET=corp-0123456789ab", "TEAM=corp-0123456789ab",
			"GITHUB_TOKEN=ghp-0123456789ab", "GH_TOKEN=ghp-0123456789ab"},
		Pass: []string{"KEPT", "GITHUB_TOKEN"}, Keys: []string{"CORP_SECRET", "GITHUB_TOKEN"},
	})
	for name, want := range map[string]string{"MY_LLM_KEY": "token", "OPENAI_API_KEY": "token", "KEPT": key, "OTHER": "sk-fedcba9876543210", "LOCAL": "ollama", "TEAM": "token",
		"GITHUB_TOKEN": "ghp-0123456789ab", "GH_TOKEN": "ghp-0123456789ab"} {
		if got := value(t, child.Env, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if want := []string{"CORP_SECRET", "GROQ_API_KEY", "MY_LLM_KEY", "OPENAI_API_KEY", "TEAM"}; !slices.Equal(child.Removed, want) || len(child.Lost) > 0 {
		t.Errorf("removed %v, lost %v", child.Removed, child.Lost)
	}
	for _, entry := range Without(child.Env) {
		if strings.HasSuffix(entry, "=token") {
			t.Errorf("%s is left for a run inside", entry)
		}
	}
}

// The token stands under every key that the caller had, and under no other that
// a library would wonder about.
func TestEveryKeyOfTheCallerIsReplaced(t *testing.T) {
	var caller []string
	for _, p := range providers {
		for _, name := range names(p.keys) {
			caller = append(caller, name+"=sk-real")
		}
		for _, name := range names(p.bases) {
			caller = append(caller, name+"=https://real.example")
		}
	}
	child := here.Lead(Caller{Environ: caller})
	for _, p := range providers {
		for _, name := range names(p.keys) {
			if got := value(t, child.Env, name); got != "token" {
				t.Errorf("%s is %q", name, got)
			}
		}
		for _, name := range names(p.bases) {
			if got := value(t, child.Env, name); !strings.HasPrefix(got, here.URL+p.root) || got != here.Base(name) {
				t.Errorf("%s is %q", name, got)
			}
		}
	}
	if len(child.Lost) > 0 {
		t.Errorf("lost %v", child.Lost)
	}

	child = here.Lead(Caller{Environ: []string{"GOOGLE_API_KEY=real"}})
	if got := value(t, child.Env, "GEMINI_API_KEY"); got != "" || value(t, child.Env, "GOOGLE_API_KEY") != "token" {
		t.Errorf("with GOOGLE_API_KEY alone GEMINI_API_KEY is %q: google-genai warns of both", got)
	}
	if value(t, child.Env, "OPENAI_API_KEY") != "token" || value(t, child.Env, "MISTRAL_API_KEY") != "" {
		t.Error("the first key of a provider that nobody has")
	}
	child = here.Lead(Caller{Set: []string{"MISTRAL_API_KEY"}})
	if value(t, child.Env, "MISTRAL_API_KEY") != "token" || value(t, child.Env, "MISTRAL_API_BASE") != here.URL+"/p/mistral/v1" {
		t.Error("a key in aex's own file")
	}
}

func TestKeysWithoutAPlaceAreNamed(t *testing.T) {
	child := here.Lead(Caller{Environ: []string{"HF_TOKEN=a", "COHERE_API_KEY=b", "AZURE_OPENAI_API_KEY=c", "CLAUDE_CODE_USE_BEDROCK=1", "VOYAGE_API_KEY=", "AEX_AGENT_TOKEN=x"}})
	if want := []string{"AZURE_OPENAI_API_KEY", "COHERE_API_KEY", "HF_TOKEN"}; !slices.Equal(child.Lost, want) {
		t.Errorf("lost %v, want %v", child.Lost, want)
	}
	if value(t, child.Env, "CLAUDE_CODE_USE_BEDROCK") != "" {
		t.Error("a switch past the base URL was passed on")
	}
}

func TestTracesStayAtHome(t *testing.T) {
	if got := value(t, here.Lead(Caller{}).Env, "OPENAI_AGENTS_DISABLE_TRACING"); got != "1" {
		t.Errorf("it is %q", got)
	}
	if got := value(t, here.Lead(Caller{Environ: []string{"OPENAI_AGENTS_DISABLE_TRACING=0"}}).Env, "OPENAI_AGENTS_DISABLE_TRACING"); got != "0" {
		t.Errorf("the caller's own became %q", got)
	}
}

// What a run put into an environment goes again, and nothing else.
func TestARunLeavesNothingBehind(t *testing.T) {
	caller := []string{"PLAIN=d", "MISTRAL_API_KEY=real", "GOOGLE_API_KEY=real"}
	child := here.Lead(Caller{Environ: caller})
	for _, entry := range Without(child.Env) {
		if strings.Contains(entry, here.URL) || strings.HasSuffix(entry, "=token") || strings.HasPrefix(entry, "AEX_") {
			t.Errorf("%s is left", entry)
		}
	}
	if !slices.Contains(Without(child.Env), "PLAIN=d") {
		t.Error("PLAIN is gone")
	}
}

// The table is of policy's providers, each name once, each with its source.
func TestTheTable(t *testing.T) {
	known := map[string]policy.Provider{}
	for _, p := range policy.BuiltinProviders() {
		known[p.Name] = p
	}
	seen := map[string]bool{}
	for _, p := range providers {
		own, ok := known[p.name]
		if !ok {
			t.Errorf("policy has no provider %s", p.name)
		}
		for _, name := range own.KeyEnvs() {
			if !slices.Contains(names(p.keys), name) {
				t.Errorf("%s of %s is not in the table", name, p.name)
			}
		}
		for _, v := range slices.Concat(p.keys, p.bases) {
			if seen[v.name] || v.from == "" {
				t.Errorf("%s: twice, or from nowhere", v.name)
			}
			seen[v.name] = true
		}
	}
	own := policy.Provider{Name: "openai", KeyEnv: "CORP_SECRET"}
	if got := KeyNames(own); !slices.Equal(got, []string{"CORP_SECRET"}) {
		t.Errorf("a key of models.yaml's own is in %v", got)
	}
	if got := KeyNames(known["google"]); got[0] != "GEMINI_API_KEY" || !slices.Contains(got, "GOOGLE_GENERATIVE_AI_API_KEY") {
		t.Errorf("a Google key is in %v", got)
	}
}
