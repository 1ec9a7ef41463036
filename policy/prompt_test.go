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

// TestPaidExactly: 1,000 tokens of five pieces; each new piece counts its bytes, and each place of change a seam.
func TestPaidExactly(t *testing.T) {
	of := func(hashes ...uint64) (pieces []Piece) {
		for _, h := range hashes {
			pieces = append(pieces, Piece{Hash: h, Bytes: 10})
		}
		return pieces
	}
	loose := of(1, 2, 3, 4, 5)
	loose[1].Loose, loose[1].Bytes = true, 70
	for _, c := range []struct {
		name        string
		had, pieces []Piece
		want        int64
	}{
		{"the same", of(1, 2, 3, 4, 5), of(1, 2, 3, 4, 5), 1000},
		{"two new ones together", of(1, 2, 3, 4, 5), of(1, 9, 8, 2, 3, 4, 5), 1000 + 20 + seamTokens},
		{"two apart", of(1, 2, 3, 4, 5), of(1, 9, 2, 8, 3, 4, 5), 1000 + 20 + 2*seamTokens},
		{"once more", of(1, 2, 3, 4, 5), of(1, 2, 3, 4, 5, 5), 1000 + 10 + seamTokens},
		{"one gone", of(1, 2, 3, 4, 5), of(1, 3, 4, 5), 1000 + seamTokens},
		{"two gone apart", of(1, 2, 3, 4, 5), of(1, 3, 5), 1000 + 2*seamTokens},
		{"two gone together", of(1, 2, 3, 4, 5), of(1, 2, 5), 1000 + seamTokens},
		{"one of two alike gone", of(1, 2, 2, 4, 5), of(1, 2, 4, 5), 1000 + seamTokens},
		{"a thought of the same", loose, loose, 1000},
		{"a thought of a shorter one", loose, append(loose[:4:4], of()...), 1000 + seamTokens + 70},
	} {
		if got, ok := (Paid{Tokens: 1000, Pieces: c.had}).Bound(c.pieces, 0); !ok || got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	picture := append(of(1, 2, 3, 4, 5), Piece{Hash: 6, Bytes: 10, Media: true}, Piece{Hash: 7, Bytes: 10})
	if got, ok := (Paid{Tokens: 1000, Pieces: of(1, 2, 3, 4, 5)}).Bound(picture, 0); !ok || got != 1000+20+seamTokens {
		t.Errorf("a picture of no tokens: %d, %t", got, ok)
	}
	if got, ok := (Paid{Tokens: 1000, Pieces: of(1, 2, 3, 4, 5)}).Bound(picture, 500); !ok || got != 1000+20+seamTokens+500 {
		t.Errorf("a picture: %d, %t", got, ok)
	}
}

func TestBelievableCounts(t *testing.T) {
	text := Call{BodyBytes: 10 * sparseBytes}
	if !Believable(text, 10) || Believable(text, 9) || Believable(Call{}, 0) || !Believable(Call{}, 1) {
		t.Error("a token stands for at most sparseBytes")
	}
	if Sparsest(text) != 10 || Sparsest(Call{BodyBytes: sparseBytes*3 - 1}) != 2 || Sparsest(Call{}) != 1 {
		t.Errorf("%d, %d", Sparsest(text), Sparsest(Call{}))
	}
	m := Model{PerRequest: 7}
	if got := Tokenized(Call{BodyBytes: 400}, m, 50); got != 110+7 {
		t.Errorf("no fewer than a token for four bytes: %d", got)
	}
	if got := Tokenized(Call{BodyBytes: 400}, m, 1000); got != 1100+7 {
		t.Errorf("a tenth more: %d", got)
	}
}

func TestTokensOfMedia(t *testing.T) {
	m := Model{Context: 5_000}
	picture, sound, note := Image{Width: 750, Height: 100}, Media{Type: "wav", Bytes: 1500, Millis: 1000}, Media{Type: "text/plain", Bytes: 40}
	for _, c := range []struct {
		name  string
		call  Call
		want  int64
		known bool
	}{
		{"none", Call{}, 0, true},
		{"two pictures", Call{Wire: Messages, Images: []Image{picture, picture}}, 2 * 228, true},
		{"a picture elsewhere", Call{Wire: Messages, Images: []Image{{Remote: true}}}, 4912, false},
		{"known after unknown", Call{Wire: Messages, Images: []Image{{Remote: true}, picture}}, 4912 + 228, false},
		{"a sound", Call{Audio: []Media{sound}}, 164, true},
		{"a text", Call{Files: []Media{note}}, 0, true},
		{"JSON", Call{Files: []Media{{Type: "application/json", Bytes: 40}}}, 0, true},
		{"a text elsewhere", Call{Files: []Media{{Type: "text/plain", Remote: true}}}, 5_000, false},
		{"a sound of no known length", Call{Audio: []Media{{Type: "flac", Bytes: 1500}}}, 5_000, false},
		{"a document", Call{Files: []Media{{Type: "application/pdf", Bytes: 40}}, Audio: []Media{sound}}, 5_164, false},
	} {
		got, known := MediaTokens(c.call, m)
		if got != c.want || known != c.known {
			t.Errorf("%s: %d, %t; want %d, %t", c.name, got, known, c.want, c.known)
		}
	}
	openai := Model{Provider: Provider{PriceAs: openAI}}
	for _, c := range []struct {
		name string
		i    Image
		m    Model
		want int64
	}{
		{"a patch", Image{Width: 32, Height: 32}, openai, 255},
		{"two tiles", Image{Width: 513, Height: 512}, openai, max(85+2*170, 17*16*246/100+1)},
		{"a size that is not known", Image{}, openai, 24_601}, {"in detail", Image{Detail: "high"}, openai, 6_151},
		{"in little detail", Image{Detail: "low"}, openai, 640}, {"of a host that nobody knows", Image{Detail: "low"}, Model{}, 16_384},
		{"of gpt-4o-mini", Image{Detail: "low"}, Model{Sent: "gpt-4o-mini", Provider: openai.Provider}, 2833},
		{"without a height", Image{Width: 32}, openai, 24_601}, {"too wide", Image{Width: 1<<16 + 1, Height: 32}, openai, 24_601},
	} {
		if got := imageTokens(c.i, Chat, c.m); got != c.want {
			t.Errorf("a picture %s: %d, want %d", c.name, got, c.want)
		}
	}
	if got := textBytes(Call{BodyBytes: 1000, Images: []Image{{Bytes: 300}}, Files: []Media{note, {Type: "application/pdf", Bytes: 30}}}); got != 560 {
		t.Errorf("%d bytes of text", got)
	}
}
