package policy

import (
	"testing"

	"pgregory.net/rapid"
)

// TestPaidBoundsAnyPrompt: whatever pieces two prompts have in common, the later
// one never has more tokens than the earlier one's report bounds it by; each
// piece has some tokens, at most one a byte.
func TestPaidBoundsAnyPrompt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := map[uint64]int64{}
		draw := func(label string) (pieces []Piece, sum int64) {
			for _, hash := range rapid.SliceOfN(rapid.Uint64Range(1, 12), 0, 30).Draw(t, label) {
				p := Piece{Hash: hash, Bytes: int64(hash) * 40}
				if _, known := tokens[hash]; !known {
					tokens[hash] = rapid.Int64Range(1, p.Bytes).Draw(t, "tokens")
				}
				pieces, sum = append(pieces, p), sum+tokens[hash]
			}
			return pieces, sum
		}
		before, counted := draw("before")
		after, real := draw("after")
		bound, ok := Paid{Tokens: counted, Pieces: before}.Bound(after, 0)
		if !ok || bound < real {
			t.Fatalf("%d tokens are bounded by %d", real, bound)
		}
	})
}

// TestPaidOfMedia: a new picture counts as what pictures can be, a known one as
// nothing, and one that can be anything leaves no bound.
func TestPaidOfMedia(t *testing.T) {
	was := Paid{Tokens: 1000, Pieces: []Piece{{Hash: 1, Bytes: 10}, {Hash: 2, Bytes: 500, Media: true}}}
	same, more := was.Pieces, append(was.Pieces[:2:2], Piece{Hash: 3, Bytes: 500, Media: true})
	if n, ok := was.Bound(same, -1); !ok || n != 1000 {
		t.Errorf("the same prompt: %d, %t", n, ok)
	}
	if n, ok := was.Bound(more, 4912); !ok || n != 1000+500+64+4912 {
		t.Errorf("one more picture: %d, %t", n, ok)
	}
	if _, ok := was.Bound(more, -1); ok {
		t.Error("a picture that can be anything has a bound")
	}
	loose := Paid{Tokens: 1000, Pieces: []Piece{{Hash: 1, Bytes: 10}, {Hash: 2, Bytes: 300, Loose: true}, {Hash: 3, Bytes: 10}}}
	if n, _ := loose.Bound(loose.Pieces[:2], 0); n != 1000+64+300 {
		t.Errorf("a thought of a conversation that was cut back: %d", n)
	}
}

// TestThinking falls by halving, early and seldom, leaves room for an answer, and
// does not rise.
func TestThinking(t *testing.T) {
	claude := Call{Wire: Messages, ThinkingCap: 31_999}
	for _, c := range []struct {
		call                Call
		output, before, got int64
	}{
		{claude, 64_000, 0, 31_999},
		{claude, 32_000, 0, 7_999},
		{claude, 16_600, 0, 3_999},
		{claude, 2_048, 0, 1_024},
		{claude, 64_000, 7_999, 7_999},
		{claude, 10_000, 7_999, 1_024}, // early
		{claude, 20_000, 7_999, 7_999},
		{Call{Wire: Messages, ThinkingCap: 600}, 700, 0, 600},
		{Call{Wire: Gemini, ThinkingOpen: true}, 20_000, 0, 6_144},
		{Call{Wire: Gemini, ThinkingOpen: true}, 1_600, 0, 512},
		{Call{Wire: Messages}, 100, 0, 0},
	} {
		if got := Thinking(c.call, Model{}, c.output, c.before); got != c.got {
			t.Errorf("%+v with %d tokens out, before %d: %d, want %d", c.call, c.output, c.before, got, c.got)
		}
	}
}

// TestHostedInput: a use reads the prompt again and what was found before.
func TestHostedInput(t *testing.T) {
	search := func(uses int64) []HostedTool { return []HostedTool{{Type: "web_search", MaxUses: uses, Tool: true}} }
	for _, c := range []struct {
		name string
		call Call
		want int64
	}{
		{"one use", Call{Wire: Responses, Hosted: search(1)}, 2*1000 + 30_000},
		{"three uses", Call{Wire: Responses, Hosted: search(3)}, 4*1000 + 180_000},
		{"eight where none are said", Call{Wire: Responses, Hosted: search(0)}, 9*1000 + 36*30_000},
		{"more was seen", Call{Wire: Responses, Hosted: search(1), Found: 50_000}, 2*1000 + 50_000},
		{"each for itself", Call{Wire: Messages, Hosted: append(search(1), HostedTool{Type: "web_fetch", MaxUses: 1, Tool: true})}, 3*1000 + 90_000},
		{"nothing bounds it", Call{Wire: Messages, Hosted: []HostedTool{{Type: "mcp"}}}, 1000 + 400_000},
		{"never more than the window each time", Call{Wire: Responses, Hosted: search(1), Found: 10_000_000}, 2 * 400_000},
	} {
		price := Price{Rates: Rates{Input: pico(1), Output: pico(1), PerSearch: pico(1)}}
		got, _, err := hostedInput(c.call, Model{Context: 400_000, Price: price}, 1000)
		if err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", c.name, got, err, c.want)
		}
	}
	caps := func(rules ...string) (all []Capabilities) {
		for _, r := range rules {
			all = append(all, Capabilities{HostedTools: r})
		}
		return all
	}
	for want, all := range map[string][]Capabilities{
		HostedAuto: caps("", ""), HostedRefuse: caps("allow", "refuse", "auto"), HostedAllow: {{ReserveHostedTools: true}, {}},
	} {
		if got := HostedRule(all); got != want {
			t.Errorf("%v: %s, want %s", all, got, want)
		}
	}
}
