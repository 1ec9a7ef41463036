package fakeprovider

import (
	"fmt"
	"strings"
	"testing"
)

var anthropicVersion = []string{"Anthropic-Version", "2023-06-01"}

// both runs a test for every dialect, whole and streamed.
func both(t *testing.T, f func(t *testing.T, d dialect, stream bool)) {
	t.Helper()
	for _, d := range dialects {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stream=%t", d.name, stream), func(t *testing.T) { f(t, d, stream) })
		}
	}
}

// ask sends one request and returns what a client makes of the answer, and the
// bill's entry.
func ask(t *testing.T, p *Provider, url string, d dialect, stream bool, body string) (got, Entry) {
	t.Helper()
	status, answer, err := post(t, url+d.path(stream), body, anthropicVersion...)
	if status != 200 || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, answer)
	}
	return d.read(t, stream, answer), settled(t, p)
}

// settled is the bill's last entry, when its answer has ended.
func settled(t *testing.T, p *Provider) Entry {
	t.Helper()
	n := len(p.Bill())
	if err := p.Wait(soon(t), n); err != nil {
		t.Fatal(err)
	}
	return p.Bill()[n-1]
}

func TestReportedUsageIsTheBill(t *testing.T) {
	all := Behaviour{OutputTokens: 9, ReasoningTokens: 5, CachedTokens: 3, CacheWrite5m: 2, ChunkTokens: 2, Searches: 2}
	sound := Behaviour{AudioInTokens: 11, AudioOutTokens: 13, CachedTokens: 2, CacheWrite1h: 1}
	cases := map[string]struct {
		b     Behaviour
		limit int
		tools bool
		said  string
	}{
		"plain":       {b: Behaviour{}},
		"long":        {b: Behaviour{OutputTokens: 700, ChunkTokens: 7}},
		"cap":         {b: Behaviour{OutputTokens: 700}, limit: 20},
		"cap ignored": {b: Behaviour{OutputTokens: 70, IgnoreCap: true}, limit: 20},
		"reasoning":   {b: Behaviour{ReasoningTokens: 50}, limit: 20},
		"classes":     {b: all},
		"audio":       {b: sound},
		"tool use":    {b: Behaviour{ToolUseTokens: 31, ReasoningTokens: 7}},
		"tool":        {b: Behaviour{}, tools: true, said: `please [[tool add {"a":1}]]`},
		"image":       {b: Behaviour{ImageTokens: 400}},
		"zero":        {b: Behaviour{ZeroUsage: true}},
		"no output":   {b: Behaviour{OutputTokens: -1}},
	}
	both(t, func(t *testing.T, d dialect, stream bool) {
		p, url := start(t, Options{})
		for name, c := range cases {
			if c.tools && d.name == wireCompletions {
				continue
			}
			p.Set(c.b)
			g, e := ask(t, p, url, d, stream, d.body(c.said+" what is it?", stream, c.limit, c.tools))
			if !e.Charged || !g.said || g.usage != e.Usage {
				t.Errorf("%s: reported %+v, billed %+v (charged %t)", name, g.usage, e.Usage, e.Charged)
			}
			want := c.b.OutputTokens
			if want == 0 {
				want = defaultOutput
			}
			want = max(0, want) + c.b.ReasoningTokens
			if c.limit > 0 && !c.b.IgnoreCap {
				want = min(want, int64(c.limit))
			}
			if !c.tools && c.b.AudioOutTokens == 0 && e.Generated != want {
				t.Errorf("%s: generated %d, want %d", name, e.Generated, want)
			}
			capped := c.limit > 0 && !c.b.IgnoreCap
			if is := strings.Contains(strings.ToLower(g.end), "length") || strings.Contains(strings.ToLower(g.end), "max_"); is != capped {
				t.Errorf("%s: ended with %q, capped %t", name, g.end, capped)
			}
			if c.tools && (len(g.tools) != 1 || g.tools[0] != `add {"a":1}`) {
				t.Errorf("%s: called %q", name, g.tools)
			}
		}
	})
}

func TestStreamSaysWhatTheWholeSays(t *testing.T) {
	for _, d := range dialects {
		p, url := start(t, Options{Seed: 40})
		for _, b := range []Behaviour{{}, {UTF8: true, ChunkTokens: 3}, {Text: "Said \"so\", <b> & ünïcödé 😀\n."}} {
			p.Set(b)
			whole, _ := ask(t, p, url, d, false, d.body("hi", false, 0, false))
			streamed, _ := ask(t, p, url, d, true, d.body("hi", true, 0, false))
			if strings.Join(whole.text, "|") != strings.Join(streamed.text, "|") || whole.end != streamed.end ||
				whole.usage != streamed.usage || whole.text[0] == "" {
				t.Errorf("%s: whole %+v, streamed %+v", d.name, whole, streamed)
			}
			if b.Text != "" && whole.text[0] != b.Text {
				t.Errorf("%s: said %q", d.name, whole.text[0])
			}
		}
	}
}

func TestFramingIsLegal(t *testing.T) {
	framings := map[string]Behaviour{
		"crlf": {CRLF: true}, "cr": {CR: true}, "bom": {BOM: true}, "comments": {Comments: true},
		"multi": {MultiData: true}, "drip": {SlowDrip: true, OutputTokens: 3}, "huge": {HugeEvent: 1 << 20},
		"extra": {ExtraFields: true}, "twice": {DuplicateDone: true}, "no done": {NoDone: true},
		"split": {SplitUTF8: true, UTF8: true}, "empty first": {EmptyFirst: true},
		"all": {CRLF: true, BOM: true, Comments: true, MultiData: true, ExtraFields: true, SplitUTF8: true, UTF8: true},
	}
	for _, d := range dialects[:5] {
		p, url := start(t, Options{})
		for name, b := range framings {
			p.Set(Behaviour{UTF8: b.UTF8, OutputTokens: b.OutputTokens})
			want, _ := ask(t, p, url, d, true, d.body("hi", true, 0, false))
			p.Set(b)
			g, e := ask(t, p, url, d, true, d.body("hi", true, 0, false))
			ended := g.end == want.end && g.said
			if d.name == wireResponses && b.NoDone {
				ended = true // its terminator carries the usage
			}
			if strings.Join(g.text, "|") != strings.Join(want.text, "|") || !ended {
				t.Errorf("%s %s: %+v", d.name, name, g)
			}
			if b.HugeEvent > 0 && len(e.Response) < b.HugeEvent {
				t.Errorf("%s %s: %d bytes", d.name, name, len(e.Response))
			}
		}
	}
}

func TestOddUsage(t *testing.T) {
	both(t, func(t *testing.T, d dialect, stream bool) {
		p, url := start(t, Options{})
		for _, b := range []Behaviour{{NoUsage: true}, {NullUsage: true}} {
			p.Set(b)
			g, e := ask(t, p, url, d, stream, d.body("hi", stream, 0, false))
			// message_start still says what the input is when usage is null later
			if g.said && !(b.NullUsage && d.name == wireMessages && stream) {
				t.Errorf("%+v: usage %+v", b, g.usage)
			}
			if !e.Charged || e.Usage.Output != defaultOutput {
				t.Errorf("%+v: billed %+v", b, e.Usage)
			}
		}
	})
	for _, delta := range []string{"none", "zero", "null", "grown"} {
		p, url := start(t, Options{Behaviour: Behaviour{DeltaUsage: delta, CachedTokens: 4, CacheWrite1h: 2}})
		g, e := ask(t, p, url, messagesDialect, true, messagesDialect.body("hello, hello, hello", true, 0, false))
		if g.usage != e.Usage {
			t.Errorf("%s: reported %+v, billed %+v", delta, g.usage, e.Usage)
		}
	}
}
