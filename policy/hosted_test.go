package policy

import (
	"errors"
	"slices"
	"testing"
)

// TestUsesOfHostedTools: which tools a request can bound, how often they may be used, and what a lower bound changes.
func TestUsesOfHostedTools(t *testing.T) {
	search := HostedTool{Type: "web_search_20250305", MaxUses: 3, Tool: true}
	fetch := HostedTool{Type: "web_fetch", Tool: true}
	code := HostedTool{Type: "code_execution", MaxUses: 50}
	for _, c := range []struct {
		name string
		call Call
		uses int64
	}{
		{"one", Call{Wire: Messages, Hosted: []HostedTool{search}}, 3},
		{"eight where it is left open", Call{Wire: Messages, Hosted: []HostedTool{search, fetch}}, 8},
		{"what cannot be bounded does not count", Call{Wire: Messages, Hosted: []HostedTool{search, code}}, 3},
		{"a tool of Responses", Call{Wire: Responses, Hosted: []HostedTool{{Type: "web_search", Tool: true, MaxUses: 2}}}, 2},
		{"no tool of its list", Call{Wire: Responses, Hosted: []HostedTool{{Type: "web_search", MaxUses: 2}}}, 0},
		{"MCP", Call{Wire: Responses, Hosted: []HostedTool{{Type: "mcp", Tool: true, MaxUses: 2}}}, 0},
		{"a search that is no tool", Call{Wire: Messages, Hosted: []HostedTool{{Type: "web_search", MaxUses: 2}}}, 0},
		{"chat bounds none", Call{Wire: Chat, Hosted: []HostedTool{search}}, 0},
		{"none", Call{Wire: Messages}, 0},
	} {
		if got := c.call.Uses(); got != c.uses {
			t.Errorf("%s: %d uses, want %d", c.name, got, c.uses)
		}
	}
	call := Call{Wire: Messages, Hosted: []HostedTool{search, fetch, code}}
	for most, want := range map[int64][]int64{1: {1, 1, 50}, 5: {3, 5, 50}, 20: {3, 8, 50}} {
		var got []int64
		for _, h := range call.WithUses(most).Hosted {
			got = append(got, h.MaxUses)
		}
		if !slices.Equal(got, want) {
			t.Errorf("at most %d: %v, want %v", most, got, want)
		}
	}
	if call.Hosted[0].MaxUses != 3 || call.Hosted[1].MaxUses != 0 {
		t.Errorf("the call itself was changed: %+v", call.Hosted)
	}
}

func TestUnmeteredTools(t *testing.T) {
	code, search := HostedTool{Type: "code_interpreter", Tool: true}, HostedTool{Type: "web_search", Tool: true}
	priced, local := Model{Price: Price{Rates: Rates{PerSearch: pico(1)}}}, Model{Provider: Provider{Local: true}}
	tells := Model{Provider: Provider{Type: TypeOpenAI, BaseURL: "https://openrouter.ai/api/v1"}}
	for _, c := range []struct {
		name string
		m    Model
		call Call
		want []string
	}{
		{"beside another tool", priced, Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{code}}, []string{"code_interpreter"}},
		{"alone", priced, Call{Wire: Responses, Tools: 1, Hosted: []HostedTool{code}}, nil},
		{"on this machine", local, Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{code}}, nil},
		{"counted in the answer", priced, Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{search}}, nil},
		{"counted, but without a price", Model{}, Call{Wire: Responses, Tools: 3, Hosted: []HostedTool{search, code}}, []string{"web_search", "code_interpreter"}},
		{"without a price, alone", Model{}, Call{Wire: Responses, Tools: 1, Hosted: []HostedTool{search}}, nil},
		{"billed in the answer", tells, Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{search}}, nil},
		{"no tool of the list", priced, Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{{Type: "code_interpreter"}}}, nil},
		{"free at Google", priced, Call{Wire: Gemini, Tools: 2, Hosted: []HostedTool{{Type: "code_execution", Tool: true}}}, nil},
		{"not free elsewhere", priced, Call{Wire: Messages, Tools: 2, Hosted: []HostedTool{{Type: "code_execution", Tool: true}}}, []string{"code_execution"}},
	} {
		if got := c.call.Unmetered(c.m); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestPicturesAsAnAnswer: pictures have prices of their own. They are only let through
// where what comes may be booked, and the answer has the host's own bill.
func TestPicturesAsAnAnswer(t *testing.T) {
	rate := Pico(1_000_000)
	priced := Price{Rates: Rates{Input: &rate, Output: &rate}}
	for _, c := range []struct {
		base, rule, kind string
		may              bool
	}{
		{"https://openrouter.ai/api/v1", HostedAllow, "image_output", true},
		{"https://openrouter.ai/api/v1", HostedAuto, "image_output", false},
		{"https://openrouter.ai/api/v1", "", "image_output", false},
		{"https://openrouter.ai/api/v1", HostedAllow, "plugins", false},
		{"https://api.openai.com/v1", HostedAllow, "image_output", false},
	} {
		m := Model{Price: priced, Provider: Provider{Type: TypeOpenAI, BaseURL: c.base}}
		_, err := Bound(Call{Wire: Chat, BodyBytes: 100, Hosted: []HostedTool{{Type: c.kind}}, HostedRule: c.rule}, m, true)
		if (err == nil) != c.may {
			t.Errorf("%s at %s under %q: %v", c.kind, c.base, c.rule, err)
		}
	}
}

// TestSearchingModels: what a model finds unasked is in its ceiling.
func TestSearchingModels(t *testing.T) {
	asked := Call{Wire: Chat, BodyBytes: 1000, HostedRule: HostedAuto}
	for name, want := range map[string]int64{
		"gpt-5": 1_000, "gpt-4o-search-preview": 1_000, "sonar-pro": 1_000, "gpt-5-search-api": 2*(1_000+toolsPrompt) + FoundTokens, "openai/gpt-5-search-api-2025-10-14": 2*(1_000+toolsPrompt) + FoundTokens,
		"gpt-5-search-apical": 1_000, "sonar-deep-research": 1_000 + toolsPrompt + 100_000, "perplexity/sonar-deep-research": 1_000 + toolsPrompt + 100_000, "openai/gpt-4o:online": 1_000 + toolsPrompt + 100_000, "groq/compound-mini": 1_000 + toolsPrompt + 100_000, "compound-beta": 1_000 + toolsPrompt + 100_000,
	} {
		m := Model{Sent: name, Context: 100_000, Price: Price{Rates: Rates{Input: pico(1), Output: pico(1), PerSearch: pico(1)}}}
		c, err := Bound(asked.searching(m).searching(m), m, true)
		if err != nil || c.InputTk != want {
			t.Errorf("%s: %d input tokens (%v), want %d", name, c.InputTk, err, want)
		}
		if _, err = Bound(Call{Wire: Embeddings}.searching(m), m, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a request says of the search is of the one search that there is.
	asked.Hosted = []HostedTool{{Type: "web_search"}}
	openai := Provider{Type: TypeOpenAI, BaseURL: "https://api.openai.com/v1"}
	for _, c := range []struct {
		name    string
		rates   Rates
		at      Provider
		uses    int64
		endless bool
	}{
		{"gpt-4o-search-preview", Rates{PerRequest: pico(1)}, openai, 0, false},
		{"gpt-5-search-api", Rates{PerRequest: pico(1)}, openai, 1, false},
		{"gpt-4o", Rates{}, openai, 0, true},
		{"gpt-4o-search-preview", Rates{PerRequest: pico(1)}, Provider{}, 0, true}, // nobody knows what its host does
		{"sonar-deep-research", Rates{}, Provider{Type: TypeOpenAI, BaseURL: "https://api.perplexity.ai"}, 0, true},
	} {
		got := asked.searching(Model{Sent: c.name, Provider: c.at, Price: Price{Rates: c.rates}}).Hosted
		if c.endless != slices.Contains(got, HostedTool{Type: "web_search"}) || c.uses > 0 != slices.Contains(got, HostedTool{Type: "web_search", MaxUses: 1}) {
			t.Errorf("%s at %q: %+v", c.name, c.at.BaseURL, got)
		}
	}
	if len(asked.Hosted) != 1 {
		t.Errorf("the call itself was changed: %+v", asked.Hosted)
	}
}

// TestUnpricedSearch: a search whose price is not known is held at what the
// dearest of the price list costs, where the answer will tell; no row has a dearer.
func TestUnpricedSearch(t *testing.T) {
	m := Model{Context: 100_000, Provider: Provider{Type: TypeOpenAI, BaseURL: "https://api.x.ai/v1"}, Price: Price{Rates: Rates{Input: pico(1), Output: pico(1)}}}
	c := Call{Wire: Responses, HostedRule: HostedAuto, Hosted: []HostedTool{{Type: "x_search", MaxUses: 3, Tool: true}}}
	with, err := Bound(c, m, true)
	if err != nil || with.Input-Pico(with.InputTk) != 3*unpricedSearch {
		t.Errorf("%d for %d tokens (%v)", with.Input, with.InputTk, err)
	}
	m.Provider.BaseURL = "https://api.example.com/v1"
	if _, err := Bound(c, m, true); !errors.Is(err, ErrNoRate) {
		t.Errorf("where no answer tells: %v", err)
	}
	r, err := NewRegistry(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for provider := range r.catalogue().shelves {
		rows, _ := r.catalogue().of(provider)
		for _, row := range rows {
			if fee := row.price.PerSearch; fee != nil && *fee > unpricedSearch {
				t.Errorf("%s: a search costs %d", row.ID, *fee)
			}
		}
	}
}

func TestStrictestHostedRule(t *testing.T) {
	said := func(rule string) Capabilities { return Capabilities{HostedTools: rule} }
	for _, c := range []struct {
		all  []Capabilities
		want string
	}{
		{nil, HostedAuto}, {[]Capabilities{{}}, HostedAuto}, {[]Capabilities{said(HostedAllow)}, HostedAllow},
		{[]Capabilities{{ReserveHostedTools: true}}, HostedAllow},
		{[]Capabilities{{ReserveHostedTools: true, HostedTools: HostedAuto}}, HostedAuto},
		{[]Capabilities{said(HostedAllow), said(HostedAuto)}, HostedAuto}, {[]Capabilities{said(HostedAllow), {}}, HostedAllow},
		{[]Capabilities{said(HostedRefuse), said(HostedAllow)}, HostedRefuse}, {[]Capabilities{said(HostedAuto), said(HostedRefuse)}, HostedRefuse},
		{[]Capabilities{said(HostedAuto), said(HostedAllow)}, HostedAuto},
	} {
		if got := HostedRule(c.all); got != c.want {
			t.Errorf("%+v: %s, want %s", c.all, got, c.want)
		}
	}
}

// TestInputOfHostedTools: a prompt of 1,000 tokens is read again after each use, with all that was found before.
func TestInputOfHostedTools(t *testing.T) {
	const prompt = 1_000
	search := func(n int64) HostedTool { return HostedTool{Type: "web_search", MaxUses: n, Tool: true} }
	m := Model{Sent: "gemini-2.5-flash", Context: 100_000, Price: Price{Rates: Rates{PerSearch: pico(1)}}}
	for _, c := range []struct {
		name        string
		call        Call
		input, fees int64
	}{
		{"none", Call{Wire: Messages}, prompt, 0},
		{"two", Call{Wire: Messages, Hosted: []HostedTool{search(2)}}, 3*prompt + 3*FoundTokens, 2},
		{"tools add up", Call{Wire: Messages, Hosted: []HostedTool{search(2), search(1)}}, 4*prompt + 6*FoundTokens, 3},
		{"one bound for all", Call{Wire: Responses, Hosted: []HostedTool{search(2), search(3)}}, 4*prompt + 6*FoundTokens, 5},
		{"compaction reads once more", Call{Wire: Messages, Hosted: []HostedTool{{Type: "compaction"}}}, 2 * prompt, 0},
		{"twice", Call{Wire: Messages, Hosted: []HostedTool{{Type: "compaction"}, {Type: "compaction"}, search(1)}}, 4*prompt + FoundTokens, 1},
		{"what nothing bounds", Call{Wire: Messages, Hosted: []HostedTool{{Type: "mcp"}}}, prompt + 100_000, 0},
		{"and what was seen beyond that", Call{Wire: Messages, Found: FoundTokens + 250_000, Hosted: []HostedTool{{Type: "mcp"}}}, prompt + 100_000 + 250_000, 0},
		{"Google's, unbounded: one fee up to Gemini 2.5", Call{Wire: Gemini, Hosted: []HostedTool{{Type: "google_search", Tool: true}}}, prompt + window(m), 1},
		{"more was seen", Call{Wire: Messages, Found: 50_000, Hosted: []HostedTool{search(1)}}, 2*prompt + 50_000, 1},
		{"no more than each turn's window", Call{Wire: Messages, Hosted: []HostedTool{search(8)}}, 9 * 100_000, 8},
		{"the same with what nothing bounds", Call{Wire: Messages, Hosted: []HostedTool{search(8), {Type: "mcp"}}}, 10 * 100_000, 8},
	} {
		input, fees, err := hostedInput(c.call, m, prompt)
		if err != nil || input != c.input || fees != c.fees {
			t.Errorf("%s: %d and %d fees (%v), want %d and %d", c.name, input, fees, err, c.input, c.fees)
		}
	}
	narrow := Model{Context: 1, Price: m.Price}
	if _, fees, err := hostedInput(Call{Wire: Messages, Hosted: []HostedTool{search(maxOutputs)}}, narrow, 1); err != nil || fees != maxOutputs {
		t.Errorf("the most uses: %d fees, %v", fees, err)
	}
	if _, _, err := hostedInput(Call{Wire: Messages, Hosted: []HostedTool{search(maxOutputs + 1)}}, narrow, 1); !errors.Is(err, ErrAmount) {
		t.Errorf("beyond the most uses: %v", err)
	}
}
