package proxy

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// billCase is a way in which a provider tells its bill.
type billCase struct {
	name  string
	how   fakeprovider.Behaviour
	only  string // wires, all when empty
	extra string // members of the request
}

func billCases() []billCase {
	cached := fakeprovider.Behaviour{}
	cached.CachedTokens = 3
	written := fakeprovider.Behaviour{}
	written.CacheWrite5m, written.CacheWrite1h = 4, 2
	thought := fakeprovider.Behaviour{ReasoningTokens: 9}
	return []billCase{
		{name: "plain"},
		{name: "utf8", how: fakeprovider.Behaviour{UTF8: true, SplitUTF8: true}},
		{name: "crlf", how: fakeprovider.Behaviour{CRLF: true, Comments: true, BOM: true}},
		{name: "cr", how: fakeprovider.Behaviour{CR: true, MultiData: true}},
		{name: "no last blank", how: fakeprovider.Behaviour{NoLastBlank: true}},
		{name: "cached", how: cached},
		{name: "written", how: written, only: "messages", extra: `,"cache_control":{"type":"ephemeral"}`},
		{name: "written, delta without", how: with(written, func(b *fakeprovider.Behaviour) { b.DeltaUsage = "none" }), only: "messages", extra: `,"cache_control":{"type":"ephemeral","ttl":"1h"}`},
		{name: "delta zero", how: with(cached, func(b *fakeprovider.Behaviour) { b.DeltaUsage = "zero" }), only: "messages"},
		{name: "delta null", how: with(cached, func(b *fakeprovider.Behaviour) { b.DeltaUsage = "null" }), only: "messages"},
		{name: "delta grown", how: with(cached, func(b *fakeprovider.Behaviour) { b.DeltaUsage = "grown" }), only: "messages"},
		{name: "reasoning", how: thought, only: "chat responses messages gemini"},
		{name: "zero", how: fakeprovider.Behaviour{ZeroUsage: true}},
		{name: "usage with every chunk", how: fakeprovider.Behaviour{UsageEveryChunk: true}, only: "chat completions"},
		{name: "usage with the last choice", how: fakeprovider.Behaviour{UsageOnFinish: true}, only: "chat completions"},
		{name: "two outputs", only: "chat completions", extra: `,"n":2`},
		{name: "terminator twice", how: fakeprovider.Behaviour{DuplicateDone: true}},
		{name: "empty first", how: fakeprovider.Behaviour{EmptyFirst: true}, only: "chat"},
		{name: "large event", how: fakeprovider.Behaviour{HugeEvent: 200_000}},
		{name: "null details", how: fakeprovider.Behaviour{NullDetails: true}},
		{name: "unknown fields", how: fakeprovider.Behaviour{ExtraFields: true}},
	}
}

// TestMetersReadTheBill: what each wire reads in an answer is what a provider
// that was written apart from it has on its bill, streamed or not, and what is
// sent there is what the edits say.
func TestMetersReadTheBill(t *testing.T) {
	const text = `"tell me a story about money that is exact"`
	requests := map[string]string{
		policy.Chat:        `{"model":"gpt-4o","max_tokens":40,"messages":[{"role":"user","content":` + text + `}]%s}`,
		policy.Responses:   `{"model":"gpt-4o","max_output_tokens":40,"input":` + text + `%s}`,
		policy.Completions: `{"model":"gpt-4o","max_tokens":40,"prompt":` + text + `%s}`,
		policy.Embeddings:  `{"model":"gpt-4o","input":[` + text + `,"x"]%s}`,
		policy.Messages:    `{"model":"claude-sonnet-4-5","max_tokens":40,"messages":[{"role":"user","content":` + text + `}]%s}`,
		policy.Gemini:      `{"contents":[{"role":"user","parts":[{"text":` + text + `}]}],"generationConfig":{"maxOutputTokens":40}%s}`,
	}
	for _, c := range billCases() {
		for name, request := range requests {
			if c.only != "" && !strings.Contains(c.only, name) {
				continue
			}
			for _, stream := range []bool{false, true} {
				if stream && name == policy.Embeddings {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/stream=%t", c.name, name, stream), func(t *testing.T) {
					extra := c.extra
					if stream && name != policy.Gemini {
						extra += `,"stream":true`
					}
					billed(t, wire.Named(name), fmt.Sprintf(request, extra), stream, c.how)
				})
			}
		}
	}
}

// with is a changed copy.
func with(b fakeprovider.Behaviour, change func(*fakeprovider.Behaviour)) fakeprovider.Behaviour {
	change(&b)
	return b
}

// billed makes one call of a provider and compares what the wire reads in the
// answer with the provider's bill.
func billed(t *testing.T, w *wire.Wire, request string, stream bool, how fakeprovider.Behaviour) {
	provider := fakeprovider.New(fakeprovider.Options{Behaviour: how})
	rest, query := "models/gemini-2.5-flash:generateContent", ""
	switch {
	case w != wire.Gemini:
		rest = ""
	case stream:
		rest, query = "models/gemini-2.5-flash:streamGenerateContent", "?alt=sse"
	}
	doc, err := wire.Parse([]byte(request))
	must(t, err)
	body := doc.Object(new(error))
	asked, err := w.Read(nil, body, rest)
	must(t, err)
	if asked.Stream != stream {
		t.Fatalf("a stream: %t", asked.Stream)
	}
	e := wire.Edit{Call: &asked, Usage: stream && (w.Name == policy.Chat || w.Name == policy.Completions)}
	path := w.Path(policy.Model{Sent: cmp.Or(asked.Model, "gemini-2.5-flash")}, rest)
	if !strings.HasPrefix(path, "/v1") {
		path = "/v1" + path
	}
	req := httptest.NewRequest("POST", path+query, bytes.NewReader(wire.Apply(doc.Doc, w.Edit(body, e))))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	answer := httptest.NewRecorder()
	provider.ServeHTTP(answer, req)
	if answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	var got wire.Reading
	if stream {
		rl, _ := relayed(e, w, answer.Body.Bytes(), func() int { return 4096 })
		got = rl.reading
	} else {
		w.Meter(e).Whole(200, answer.Body.Bytes(), &got)
	}
	entry := provider.Bill()[0]
	if want := policy.Usage(entry.Usage); got.Usage != want || !got.Known || !got.Finished {
		t.Errorf("read\n%swanted %+v of\n%.2000s", facts(got), want, answer.Body)
	}
	if got.Model != entry.Model {
		t.Errorf("served by %q, want %q", got.Model, entry.Model)
	}
}
