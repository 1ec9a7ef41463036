package policy

import (
	"errors"
	"testing"
	"time"
)

// TestWhatAHoldCovers: the flat fee of a request, the prompt that turns tools on,
// and every one of the many prompts of a completion.
func TestWhatAHoldCovers(t *testing.T) {
	p := Price{Rates: Rates{Input: usd(t, "1"), Output: usd(t, "1"), PerRequest: pico(700_000_000)}}
	got, err := Bound(Call{Wire: Chat, BodyBytes: 1_000, OutputCap: number(10)}, Model{Price: p}, true)
	if err != nil || got.MostMicros() != 1_000+10+700 {
		t.Errorf("with a fee: %d, %v", got.MostMicros(), err)
	}
	many, err := Bound(Call{Wire: Completions, BodyBytes: 300_000, OutputCap: number(10)}, Model{Price: p, Context: 8_192}, true)
	if err != nil || many.InputTk != 300_000 {
		t.Errorf("many prompts: %d tokens, %v", many.InputTk, err)
	}
	many, err = Bound(Call{Wire: Embeddings, BodyBytes: 300_000, HostedRule: HostedAuto}, Model{Price: p, Context: 8_192}, true)
	if err != nil || many.InputTk != 300_000 {
		t.Errorf("many inputs under a rule for hosted tools: %d tokens, %v", many.InputTk, err)
	}
	open, err := Bound(Call{Wire: Chat, OutputCap: number(0)}, Model{Price: p, MaxOutput: 900}, true)
	if err != nil || open.Asked != 900 {
		t.Errorf("a cap of 0 is none to some servers: %d, %v", open.Asked, err)
	}
	m := Model{PerRequest: 100, PerMessage: 10, PerTool: 1}
	for name, c := range map[string]struct {
		call Call
		want int64
	}{
		"text": {Call{Messages: 2}, 120}, "tools": {Call{Messages: 2, Tools: 3}, 123 + toolsPrompt}, "the provider's own": {Call{Hosted: []HostedTool{{Type: "web_search"}}}, 100 + toolsPrompt},
	} {
		if got := hidden(c.call, m); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	picture := Call{Wire: Messages, BodyBytes: 40, Messages: 2, Images: []Image{{Width: 750, Height: 100}}}
	if got := Tokenized(picture, m, 1_000); got != 1_100+120+228 {
		t.Errorf("counted text with a picture: %d", got)
	}
}

// TestFeesOfHostedTools: on this machine there are none, an agent may take the
// risk of those that nobody counts, and only Google's code costs its tokens alone.
// TestBoundOfDescribedTools: what Anthropic publishes of its own tools (a computer 735
// and 499 beside, an editor 700, a shell 245, 346 for all) is within the bound of a
// request that has nothing else.
func TestBoundOfDescribedTools(t *testing.T) {
	m := Model{PerTool: 32, Context: 200_000}
	got, err := inputTokens(Call{Wire: Messages, BodyBytes: 250, Tools: 3, Defined: 3}, m)
	if err != nil || got < 735+499+700+245+346 {
		t.Errorf("%d tokens, %v", got, err)
	}
	if own, err := inputTokens(Call{Wire: Messages, BodyBytes: 250, Tools: 3}, m); err != nil || own != 250+3*32+toolsPrompt {
		t.Errorf("%d tokens for the client's own, %v", own, err)
	}
}

func TestFeesOfHostedTools(t *testing.T) {
	code, local := HostedTool{Type: "code_interpreter", Tool: true}, Model{Provider: Provider{Local: true}}
	for name, c := range map[string]struct {
		tool HostedTool
		call Call
		m    Model
		ok   bool
	}{
		"on this machine":        {code, Call{Wire: Chat}, local, true},
		"allowed":                {code, Call{Wire: Chat, HostedRule: HostedAllow}, Model{}, true},
		"not allowed":            {code, Call{Wire: Chat, HostedRule: HostedAuto}, Model{}, false},
		"allowed, but no tool":   {HostedTool{Type: "container"}, Call{Wire: Chat, HostedRule: HostedAllow}, Model{}, false},
		"Google's code":          {HostedTool{Type: "code_execution"}, Call{Wire: Gemini}, Model{}, true},
		"Google's computer":      {HostedTool{Type: "computer_use"}, Call{Wire: Gemini}, Model{}, false},
		"code elsewhere":         {HostedTool{Type: "code_execution"}, Call{Wire: Messages}, Model{}, false},
		"a search without price": {HostedTool{Type: "web_search", Tool: true}, Call{Wire: Chat, HostedRule: HostedAllow}, Model{}, false},
	} {
		if fees, err := hostedFees(c.tool, 2, c.call, c.m); (err == nil) != c.ok || fees != 0 || err != nil && !errors.Is(err, ErrNoRate) {
			t.Errorf("%s: %d, %v", name, fees, err)
		}
	}
}

// TestThinkingAtItsBounds: a budget that fits beside the answer stays, one that
// does not is halved until it does, and an exact one is not halved again.
func TestThinkingAtItsBounds(t *testing.T) {
	m := Model{MinOutput: 100}
	for _, c := range []struct {
		name         string
		call         Call
		output, want int64
	}{
		{"it just fits", Call{Wire: Messages, ThinkingCap: 3_000}, 3_100, 3_000},
		{"it does not", Call{Wire: Messages, ThinkingCap: 3_000}, 3_099, 1_024},
		{"twice halved, it is the share", Call{Wire: Messages, ThinkingCap: 7_600}, 4_000, 1_900},
		{"no budget", Call{Wire: Messages}, 50, 0},
		{"a budget that the model may go beyond", Call{Wire: Gemini, ThinkingCap: 5_000, ThinkingOpen: true}, 50_000, 5_000},
		{"one that it chooses", Call{Wire: Gemini, ThinkingOpen: true}, 50_000, dynamicThinking},
	} {
		if got := Thinking(c.call, m, c.output, 0); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestReasoningThatIsSaid: models.yaml states that a model does not reason, and
// never that it does; the rest is the catalogue's.
func TestReasoningThatIsSaid(t *testing.T) {
	always := &row{Reasoning: Always, Off: "a b"}
	for name, c := range map[string]struct {
		r    *row
		said *bool
		when string
	}{"nobody": {nil, nil, ""}, "the catalogue": {always, nil, Always}, "the user, too": {always, said(true), Always}, "the user, not": {always, said(false), Never}, "only the user": {nil, said(true), ""}} {
		if got := reasoningOf(c.r, c.said); got.When != c.when || (len(got.Off) == 2) != (c.when == Always) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestBrokenThinking: of several outputs each may have thought half as much again
// as the budget; without one only the cap bounds what a model hides.
func TestBrokenThinking(t *testing.T) {
	hides := Model{Thinks: Reasoning{When: Always}}
	b := Broken{Call: Call{Outputs: 3, Reason: true, ThinkingCap: 1_000}, Model: hides, Shown: 10, Took: time.Second}
	if got, want := b.Output(), 10+3*int64(lagTokens)+3*1_500; got != want {
		t.Errorf("three outputs: %d, want %d", got, want)
	}
	b.Call.Reason = false
	if got := b.Output(); got != -1 {
		t.Errorf("a budget without reasoning bounds %d", got)
	}
}

// TestEarlierPromptThatLostAPiece: of two equal pieces one that is gone is one
// seam, whichever it was.
func TestEarlierPromptThatLostAPiece(t *testing.T) {
	a, b := Piece{Hash: 1, Bytes: 10}, Piece{Hash: 2, Bytes: 10}
	p := Paid{Tokens: 100, Pieces: []Piece{a, b, a}}
	if got, ok := p.Bound([]Piece{a, b}, 0); got != 100+seamTokens || !ok {
		t.Errorf("%d, %v", got, ok)
	}
}

// TestKnownMedia: one part that can be anything makes all of them so, also when
// one follows that cannot.
func TestKnownMedia(t *testing.T) {
	for name, c := range map[string]Call{
		"a document, then a text": {Files: []Media{{Type: "application/pdf", Bytes: 9}, {Type: "text/plain"}}}, "a sound by address": {Audio: []Media{{Type: "wav", Remote: true}}},
		"a sound by address, then one that is here": {Audio: []Media{{Type: "wav", Remote: true}, {Type: "wav", Bytes: 9}}},
	} {
		if _, known := MediaTokens(c, Model{}); known {
			t.Errorf("%s is taken for known", name)
		}
	}
}
