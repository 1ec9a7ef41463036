package policy

import (
	"errors"
	"slices"
	"testing"
)

// TestUsesOfHostedTools: which tools a request can bound, how often they may be used, and what a lower bound changes.
func TestUsesOfHostedTools(t *testing.T) {
	search := HostedTool{Type: "web_search_20250305", MaxUses: 3}
	fetch := HostedTool{Type: "web_fetch"}
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
	for _, c := range []struct {
		name string
		call Call
		want []string
	}{
		{"beside another tool", Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{code}}, []string{"code_interpreter"}},
		{"alone", Call{Wire: Responses, Tools: 1, Hosted: []HostedTool{code}}, nil},
		{"counted in the answer", Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{search}}, nil},
		{"no tool of the list", Call{Wire: Responses, Tools: 2, Hosted: []HostedTool{{Type: "code_interpreter"}}}, nil},
		{"free at Google", Call{Wire: Gemini, Tools: 2, Hosted: []HostedTool{{Type: "code_execution", Tool: true}}}, nil},
		{"not free elsewhere", Call{Wire: Messages, Tools: 2, Hosted: []HostedTool{{Type: "code_execution", Tool: true}}}, []string{"code_execution"}},
	} {
		if got := c.call.Unmetered(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
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
	m := Model{Context: 100_000, Price: Price{Rates: Rates{PerSearch: pico(1)}}}
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
