package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// models writes a models.yaml below its first line.
func models(t *testing.T, text string) string {
	t.Helper()
	return given(t, "models.yaml", "version: 1\n"+text)
}

// TestLimitsOfAModel: what models.yaml leaves out comes from the catalogue, and
// what that does not know either is the most that any model has.
func TestLimitsOfAModel(t *testing.T) {
	r := registry(t, Sources{
		ModelsFile: models(t, "models:\n  short: {provider: openai, provider_model: nobody-lists-this, limits: {context: 1000}, pricing: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}\n"+
			"  said: {provider: openai, provider_model: gpt-4o, limits: {context: 5, max_tokens: 4}, min_output_tokens: 3}\n"),
		Prices: []string{"unlisted=1/2"},
	})
	row := r.catalogue().find(openAI, "gpt-4o")
	for name, want := range map[string][3]int64{
		"gpt-4o": {row.Context, row.MaxOutput, 1024}, "unlisted": {2_000_000, 128_000, 1024}, "short": {1000, 1000, 1024}, "said": {5, 4, 3},
	} {
		m, err := r.Resolve(dialect(Chat), name, false)
		if got := [3]int64{m.Context, m.MaxOutput, m.MinOutput}; err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
		if m.PerRequest != 128 || m.PerMessage != 8 || m.PerTool != 32 {
			t.Errorf("%s: what the provider adds is lost: %+v", name, m)
		}
		if m.Price.Version == "" || m.Price.Version != m.Price.version() {
			t.Errorf("%s: the version of its price is %q", name, m.Price.Version)
		}
	}
}

// TestFlagsByEitherName: --price names a model as it is asked for, or as it is
// sent, and the first counts.
func TestFlagsByEitherName(t *testing.T) {
	file := models(t, "models: {house: {provider: openai, provider_model: gpt-5}, garden: {provider: openai, provider_model: gpt-5}}\n")
	r := registry(t, Sources{ModelsFile: file, Prices: []string{"gpt-5=3/4", "house=1/2"}})
	for name, want := range map[string]string{"house": "$1/$2", "garden": "$3/$4", "gpt-5": "$3/$4"} {
		if m, err := r.Resolve(dialect(Chat), name, false); err != nil || m.Price.inOut() != want {
			t.Errorf("%s: %s, %v; want %s", name, m.Price.inOut(), err, want)
		}
	}
}

// TestWhereACallGoes: by the provider that its path names, by models.yaml, by
// the environment's base URLs, and by the only key that there is.
func TestWhereACallGoes(t *testing.T) {
	groqOnly := map[string]bool{"groq": true}
	file := models(t, "providers: {openai: {base_url: https://declared.example/v1}}\nmodels: {house: {provider: openai, provider_model: gpt-5}}\n")
	moved := map[string]string{"openai": "https://moved.example/v1", "nobody": "https://nobody.example", "groq": ""}
	for _, c := range []struct {
		name     string
		s        Sources
		wire     string
		model    string
		at       string
		provider string
		url      string
	}{
		{"models.yaml names the model", Sources{ModelsFile: file, BaseURLs: moved}, Chat, "house", "", "openai", "https://declared.example/v1"},
		{"also on Groq's path", Sources{ModelsFile: file}, Chat, "house", "groq", "openai", "https://declared.example/v1"},
		{"and where the path names its provider", Sources{ModelsFile: file}, Chat, "house", "openai", "openai", "https://declared.example/v1"},
		{"not where it names another", Sources{ModelsFile: file, Prices: []string{"house=1/2"}}, Chat, "house", "mistral", "mistral", "https://api.mistral.ai/v1"},
		{"the environment moves the rest", Sources{ModelsFile: file, BaseURLs: moved}, Chat, "gpt-5", "", "openai", "https://moved.example/v1"},
		{"an empty base URL moves nothing", Sources{BaseURLs: moved}, Chat, "llama-3.1-8b-instant", "groq", "groq", "https://api.groq.com/openai/v1"},
		{"only a key for Groq", Sources{HasKey: groqOnly}, Chat, "llama-3.1-8b-instant", "", "groq", "https://api.groq.com/openai/v1"},
		{"but OpenAI was moved", Sources{HasKey: groqOnly, BaseURLs: moved}, Chat, "gpt-5", "", "openai", "https://moved.example/v1"},
		{"Google speaks OpenAI's dialect", Sources{}, Chat, "gemini-2.5-pro", "google", "google", "https://generativelanguage.googleapis.com/v1beta/openai"},
		{"and its own", Sources{}, Gemini, "gemini-2.5-pro", "google", "google", "https://generativelanguage.googleapis.com"},
	} {
		m, err := registry(t, c.s).ResolveAt(dialect(c.wire), c.model, c.at)
		if err != nil || m.Provider.Name != c.provider || m.Provider.BaseURL != c.url {
			t.Errorf("%s: %s at %s, %v", c.name, m.Provider.Name, m.Provider.BaseURL, err)
		}
		if m.Provider.Type != dialect(c.wire).Type {
			t.Errorf("%s: it is of type %s", c.name, m.Provider.Type)
		}
	}
	corp := registry(t, Sources{BaseURLs: map[string]string{"google": "https://llm.corp.example"}})
	if p, err := corp.ProviderAt(dialect(Chat), "google"); err != nil || p.Host().Type != TypeOpenAI {
		t.Errorf("OpenAI's dialect at a host that nobody knows: %+v, %v", p.Host(), err)
	}
	for at, want := range map[string]string{"nowhere": `there is no provider "nowhere"`, "anthropic": "does not speak chat"} {
		if _, err := registry(t, Sources{}).ResolveAt(dialect(Chat), "m", at); !errors.Is(err, ErrUnknownModel) || !strings.Contains(err.Error(), want) {
			t.Errorf("at %s: %v", at, err)
		}
	}
	if _, err := registry(t, Sources{}).Resolve(dialect(Chat), "unlisted", false); err == nil || !strings.Contains(err.Error(), `"unlisted" at api.openai.com (openai)`) {
		t.Errorf("the host is not told: %v", err)
	}
}

// TestAzure: its models are OpenAI's, at OpenAI's prices, and the paths of the
// SDKs lead there only where nobody has a key for Groq.
func TestAzure(t *testing.T) {
	const base = "https://corp.openai.azure.com/openai/v1"
	c := builtinCatalogue()
	rows, _ := c.of(openAI)
	at := slices.IndexFunc(rows, func(r *row) bool { return c.find(azure, r.ID) == nil && r.Kind == "" && r.price.Output != nil })
	if at < 0 {
		need.Missing(t, "the list of Azure has every model of OpenAI's; another pair of lists must do")
	}
	moved := registry(t, Sources{BaseURLs: map[string]string{"openai": base}})
	if m, err := moved.Resolve(dialect(Chat), rows[at].ID, false); err != nil || !m.Price.Assumed || *m.Price.Input != *rows[at].price.Input {
		t.Errorf("%s at Azure: %s, %v", rows[at].ID, m.Price, err)
	}
	sold := slices.IndexFunc(rows, func(r *row) bool { return c.find(azure, r.ID) != nil })
	if m, err := moved.Resolve(dialect(Chat), rows[sold].ID, false); err != nil || m.Price.Assumed {
		t.Errorf("%s, which Azure's own list has: assumed %v, %v", rows[sold].ID, m.Price.Assumed, err)
	}
	if _, err := registry(t, Sources{}).ResolveAt(dialect(Chat), "gpt-5-pro", "mistral"); !errors.Is(err, ErrUnpriced) {
		t.Errorf("another host sells OpenAI's models at its prices: %v", err)
	}
	declared := Sources{ModelsFile: models(t, "providers: {corp: {base_url: '"+base+"'}}\n")}
	keyed := declared
	keyed.HasKey = map[string]bool{"groq": true}
	for name, c := range map[string]struct {
		r              *Registry
		azure, forPath string
	}{
		"nowhere": {registry(t, Sources{}), "", "groq"}, "moved": {moved, "openai", "openai"},
		"declared": {registry(t, declared), "corp", "corp"}, "with a key for Groq": {registry(t, keyed), "corp", "groq"},
	} {
		if got := c.r.AzureName(); got != c.azure {
			t.Errorf("%s: Azure is %q", name, got)
		}
		if got := c.r.OpenAIPath(); got != c.forPath {
			t.Errorf("%s: /openai/v1 leads to %q", name, got)
		}
	}
}

// TestServedElsewhere: what an answer says of the model that served it counts
// where that is dearer, under whatever name a router gives it.
func TestServedElsewhere(t *testing.T) {
	served := func(s Sources, d Dialect, model, by string) Price {
		t.Helper()
		r := registry(t, s)
		m, err := r.Resolve(d, model, false)
		if err != nil {
			t.Fatal(err)
		}
		return r.Served(m, by)
	}
	router := map[string]string{"openai": "http://localhost:4000"}
	alias := Sources{ModelsFile: models(t, "models: {gpt-5: {provider: openai, provider_model: gpt-5-mini}}\n")}
	both := Sources{ModelsFile: models(t, "models: {house: {provider: openai, provider_model: gpt-5}}\n"), Prices: []string{"house=1/2", "gpt-5=3/4"}}
	for _, c := range []struct {
		name  string
		s     Sources
		wire  string
		model string
		by    string
		want  string
	}{
		{"a router on this machine", Sources{BaseURLs: router}, Chat, "llama3", "openai/gpt-5", "$1.25/$10"},
		{"under a cloud's name", Sources{BaseURLs: router}, Chat, "llama3", "bedrock/us.anthropic.claude-opus-4-5-v1:0", "$5/$25"},
		{"in capitals", Sources{BaseURLs: router}, Chat, "llama3", "GPT-5", "$1.25/$10"},
		{"that has no vendors behind it", Sources{BaseURLs: router, LocalPrices: LocalOff}, Chat, "llama3", "gpt-5", "$0/$0"},
		{"a model of this machine", Sources{BaseURLs: router}, Chat, "llama3", "llama-3.1-8b-instant", "$0/$0"},
		{"a price of one's own that is dearer", Sources{Prices: []string{"gpt-5=2/20"}}, Chat, "gpt-5-mini", "gpt-5", "$2/$20"},
		{"and one that is cheaper", Sources{Prices: []string{"gpt-5-nano=0.01/0.02"}}, Chat, "gpt-5-mini", "gpt-5-nano", "$0.25/$2"},
		{"with Google's prefix", Sources{Prices: []string{"gemini-2.5-pro=3/30"}}, Gemini, "gemini-2.5-flash", "models/gemini-2.5-pro", "$3/$30"},
		{"its own name, of another price", both, Chat, "house", "gpt-5", "$1/$2"},
		{"the alias", alias, Chat, "gpt-5", "gpt-5", "$0.25/$2"},
	} {
		if got := served(c.s, dialect(c.wire), c.model, c.by); got.inOut() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.inOut(), c.want)
		}
	}
	p := served(Sources{BaseURLs: map[string]string{"openai": "https://llm.corp.example"}}, dialect(Chat), "gpt-5-mini", "gpt-5")
	if p.inOut() != "$1.25/$10" || !p.Assumed || p.Version != p.version() {
		t.Errorf("at an unknown host: %s, assumed %v, version %q", p.inOut(), p.Assumed, p.Version)
	}
}

// TestModelsOfThisMachine: they cost nothing unless somebody priced them, and
// have the limits of the same model elsewhere.
func TestModelsOfThisMachine(t *testing.T) {
	local := "providers: {here: {base_url: 'http://localhost:11434', key_env: HERE_KEY%s}}\nmodels: {free: {provider: here, provider_model: llama-3.1-8b-instant}, " +
		"paid: {provider: here, provider_model: my-own, pricing: {input_usd_per_mtok: 90, output_usd_per_mtok: 90}}, " +
		"dear: {provider: here, provider_model: gpt-5, pricing: {input_usd_per_mtok: 90, output_usd_per_mtok: 90}}}\n"
	keyless, keyed := models(t, strings.Replace(local, "%s", ", keyless: true", 1)), models(t, strings.Replace(local, "%s", "", 1))
	r := registry(t, Sources{ModelsFile: keyless, HasKey: map[string]bool{"HERE_KEY": true}})
	free, err := r.Resolve(dialect(Chat), "free", false)
	row := r.catalogue().dearest("llama-3.1-8b-instant")
	if err != nil || !free.Provider.Local || free.Price.inOut() != "$0/$0" || free.Price.Version == "" || free.Context != row.Context {
		t.Errorf("free: %+v, %v", free, err)
	}
	if paid, err := r.Resolve(dialect(Chat), "paid", false); err != nil || paid.Provider.Local || !paid.Provider.Keyless || paid.Price.inOut() != "$90/$90" {
		t.Errorf("paid: %+v, %v", paid, err)
	}
	if len(r.Warnings) != 0 {
		t.Errorf("a price on this machine is held against the catalogue: %q", r.Warnings)
	}
	if _, err := registry(t, Sources{ModelsFile: keyed, HasKey: map[string]bool{"HERE_KEY": true}}).Resolve(dialect(Chat), "free", false); err != nil {
		t.Errorf("a server with a key: %v", err)
	}
	for _, p := range registry(t, Sources{ModelsFile: keyed, HasKey: map[string]bool{"HERE_KEY": true}}).Providers() {
		if p.Local {
			t.Errorf("%s needs a key and is taken for a model of this machine", p.Name)
		}
	}
	on := registry(t, Sources{BaseURLs: map[string]string{"openai": "http://localhost:4000"}, LocalPrices: LocalOn})
	for asked, want := range map[string]string{"openai/gpt-5": "$1.25/$10", "llama-3.1-8b-instant": row.price.inOut()} {
		if m, err := on.Resolve(dialect(Chat), asked, false); err != nil || m.Price.inOut() != want || m.Provider.Local {
			t.Errorf("%s: %s, %v", asked, m.Price.inOut(), err)
		}
	}
	for key, want := range map[string]bool{
		"ollama": true, "<ollama>": true, "{ollama}": true, " sk-no-key-required ": true, "EMPTY": true, "---": true, "": false, " ": false,
		"ollamaz": false, "ollama0": false, "ollama9": false, "sk-proj-abc": false,
	} {
		if got := PlaceholderKey(key); got != want {
			t.Errorf("%q is a placeholder: %v", key, got)
		}
	}
}

// TestWarnings: prices that are far from the list's, and ways without encryption.
func TestWarnings(t *testing.T) {
	for text, want := range map[string]string{
		"providers: {corp: {base_url: 'http://llm.corp.example'}}\n": ":2:30: provider corp is reached without encryption",
		"providers: {corp: {base_url: 'https://llm.corp.example'}}\nmodels: {house: {provider: corp, provider_model: gpt-5, pricing: {input_usd_per_mtok: 100, output_usd_per_mtok: 100}}}\n": ":3:10: model \"house\" is priced $100/$100",
		"providers: {corp: {base_url: 'https://llm.corp.example'}}\nmodels: {house: {provider: corp, provider_model: gpt-5, pricing: {input_usd_per_mtok: 2, output_usd_per_mtok: 9}}}\n":     "",
		"providers: {here: {base_url: 'http://localhost:1'}}\n": "",
	} {
		r := registry(t, Sources{ModelsFile: models(t, text)})
		if want == "" && len(r.Warnings) > 0 || want != "" && (len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], want)) {
			t.Errorf("%s: %q", text, r.Warnings)
		}
	}
	if r := registry(t, Sources{Prices: []string{"gpt-5=1.5/9"}}); len(r.Warnings) != 0 {
		t.Errorf("a price near the list's: %q", r.Warnings)
	}
}

// TestBuiltInsInTheFile: a built-in provider keeps its type when the file moves
// it, and not its prices.
func TestBuiltInsInTheFile(t *testing.T) {
	r := registry(t, Sources{ModelsFile: models(t, "providers: {anthropic: {base_url: 'https://claude.corp.example'}, openai: {headers: {X-Team: a}}}\n")})
	m, err := r.Resolve(dialect(Messages), "claude-opus-4-5", false)
	if err != nil || m.Provider.Type != TypeAnthropic || m.Provider.BaseURL != "https://claude.corp.example" || !m.Price.Assumed || m.Provider.KeyEnv != "ANTHROPIC_API_KEY" {
		t.Errorf("moved: %+v, %v", m, err)
	}
	if m, err := r.Resolve(dialect(Chat), "gpt-5", false); err != nil || m.Provider.BaseURL != "https://api.openai.com/v1" || m.Provider.Headers["X-Team"] != "a" || m.Price.Assumed {
		t.Errorf("with a header: %+v, %v", m, err)
	}
}

// TestAnswersAreKept: the same question is answered once, and whatever many
// names come from outside, few answers are kept.
func TestAnswersAreKept(t *testing.T) {
	var k resolved
	for i := range resolvedMax {
		k.keep(asked{name: strings.Repeat("m", i)}, Model{Context: int64(i)})
	}
	if m, found := k.find(asked{name: "mmm"}); !found || m.Context != 3 {
		t.Errorf("kept: %+v, %v", m, found)
	}
	k.keep(asked{name: "one more"}, Model{})
	if len(k.models) != 1 {
		t.Errorf("%d answers are kept after one too many", len(k.models))
	}
	long := strings.Repeat("m", resolvedNameMax)
	k.keep(asked{name: long}, Model{})
	k.keep(asked{name: long + "m"}, Model{})
	if _, found := k.find(asked{name: long}); !found || len(k.models) != 2 {
		t.Errorf("%d answers are kept; a long name %v", len(k.models), found)
	}
	r := registry(t, Sources{})
	if _, err := r.Resolve(dialect(Chat), "gpt-5", false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(dialect(Chat), "nobody-knows", false); err == nil {
		t.Fatal("a model without a price")
	}
	if _, found := r.resolved.find(asked{Chat, "gpt-5", ""}); !found || len(r.resolved.models) != 1 {
		t.Errorf("%d answers of two are kept, of which one is an error", len(r.resolved.models))
	}
}
