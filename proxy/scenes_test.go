package proxy

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// scene is one way that an exchange can go.
type scene struct {
	name  string
	how   fakeprovider.Behaviour
	extra map[string]string // members of the request, by wire; a wire without its feature is left out
	only  string            // wires, where extra does not tell; "": all
	form  string            // "whole" or "stream" where it is only that
	path  string            // in place of /v1beta/
	model string            // the one model; "": seen and unseen

	want    func(*exchange) ledger.How
	leaves  string // the client hangs up when the provider falls silent: "", "for good", "and the answer comes"
	hasty   bool   // the gateway does not wait for what nobody listens to
	breaks  bool   // the client sees a broken answer
	garbled bool   // the gateway cannot read the answer
	ahead   bool   // the provider had made much more than it sent
}

// models are the names that the scene is played with.
func (s scene) models() []string {
	switch {
	case s.model != "":
		return []string{s.model}
	case s.how.ReasoningTokens > 0:
		return []string{"unseen"}
	}
	return []string{"seen", "unseen"}
}

// lacks tells that the wire has no such thing.
func (s scene) lacks(d dialect, stream bool) bool {
	_, has := s.extra[d.wire]
	return s.extra != nil && !has ||
		s.only != "" && !strings.Contains(s.only, d.wire) ||
		stream && (s.form == "whole" || d.wire == policy.Embeddings) ||
		!stream && s.form == "stream"
}

func always(how ledger.How) func(*exchange) ledger.How {
	return func(*exchange) ledger.How { return how }
}

// streamed is for faults that a stream and a whole answer take differently.
func streamed(stream, whole ledger.How) func(*exchange) ledger.How {
	return func(x *exchange) ledger.How {
		if x.stream {
			return stream
		}
		return whole
	}
}

var (
	settled   = always(ledger.Settled)
	estimated = always(ledger.Estimated)
	cancelled = always(ledger.Cancelled)
)

// midway breaks an answer of 12 tokens after 4 events with content.
func midway(fault fakeprovider.Fault) fakeprovider.Behaviour {
	return fakeprovider.Behaviour{Fault: fault, After: 4, OutputTokens: 12}
}

const function = `{"name":"weather","description":"tells it","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}`

// picture is as large as pictures are that cost the most tokens, white, and so
// small in bytes: a bound that went by them would be too low.
var picture = func() string {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 1092, 1092))); err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}()

var toolRequests = map[string]string{
	policy.Chat:      `"tools":[{"type":"function","function":` + function + `}]`,
	policy.Responses: `"tools":[{"type":"function",` + function[1:] + `]`,
	policy.Messages:  `"tools":[` + strings.Replace(function, "parameters", "input_schema", 1) + `]`,
	policy.Gemini:    `"tools":[{"functionDeclarations":[` + function + `]}]`,
}

var imageRequests = map[string]string{
	policy.Chat:      `"messages":[{"role":"user","content":[{"type":"text","text":"what is it"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + picture + `"}}]}]`,
	policy.Responses: `"input":[{"role":"user","content":[{"type":"input_text","text":"what is it"},{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,` + picture + `"}]}]`,
	policy.Messages:  `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + picture + `"}}]}]`,
	policy.Gemini:    `"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"` + picture + `"}}]}]`,
}

var linkRequests = map[string]string{
	policy.Chat:      `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"high"}}]}]`,
	policy.Responses: `"input":[{"role":"user","content":[{"type":"input_image","detail":"auto","image_url":"https://example.com/a.png"}]}]`,
	policy.Messages:  `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]`,
	policy.Gemini:    `"contents":[{"role":"user","parts":[{"text":"what is it"},{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}]}]`,
}

// twoRequests ask for two outputs: responses and messages have no such field.
var twoRequests = map[string]string{
	policy.Chat:        `"n":2`,
	policy.Completions: `"n":2`,
	policy.Gemini:      `"generationConfig":{"maxOutputTokens":60,"candidateCount":2}`,
}

func cacheRequest(ttl string) map[string]string {
	return map[string]string{policy.Messages: `"cache_control":{"type":"ephemeral"` + ttl + `}`}
}

// scenes are the rows of the table. What a stream that broke cost is
// estimated; a whole answer that cannot be read costs its hold.
var scenes = []scene{
	{name: "plain", want: settled},
	{name: "the client asks for usage", extra: map[string]string{
		policy.Chat: `"stream_options":{"include_usage":true}`, policy.Completions: `"stream_options":{"include_usage":true}`}, form: "stream", want: settled},
	{name: "the stable version", only: policy.Gemini, want: settled, path: "/v1/"},
	{name: "another name", model: "house", want: settled},
	{name: "tools", extra: toolRequests, want: settled,
		how: fakeprovider.Behaviour{ToolCalls: []fakeprovider.ToolCall{{Args: `{"city":"Oslo, the capital of Norway"}`}, {Name: "weather"}}}},
	{name: "n=2", extra: twoRequests, want: settled},
	{name: "cached", want: settled, how: fakeprovider.Behaviour{CachedTokens: 5}},
	{name: "cache write", want: settled, only: "chat responses", how: fakeprovider.Behaviour{CacheWrite5m: 4}},
	{name: "cache write of 5 minutes", extra: cacheRequest(``), want: settled, how: fakeprovider.Behaviour{CacheWrite5m: 6, CachedTokens: 2}},
	{name: "cache write of an hour", extra: cacheRequest(`,"ttl":"1h"`), want: settled, how: fakeprovider.Behaviour{CacheWrite5m: 3, CacheWrite1h: 4}},
	{name: "cache write told at the end", extra: cacheRequest(``), want: settled, how: fakeprovider.Behaviour{CacheWrite5m: 6, DeltaUsage: "grown"}},
	{name: "cache told at the start alone", extra: cacheRequest(``), want: settled, how: fakeprovider.Behaviour{CacheWrite5m: 6, CachedTokens: 3, DeltaUsage: "zero"}},
	{name: "cache null at the end", extra: cacheRequest(``), want: settled, how: fakeprovider.Behaviour{CacheWrite5m: 6, CachedTokens: 3, DeltaUsage: "null"}},
	{name: "reasoning", only: "chat responses messages gemini", want: settled, how: fakeprovider.Behaviour{ReasoningTokens: 21}},
	{name: "image", extra: imageRequests, want: settled},
	{name: "image by link", extra: linkRequests, want: settled},
	{name: "no usage", want: estimated, how: fakeprovider.Behaviour{NoUsage: true}},
	{name: "usage null", want: estimated, how: fakeprovider.Behaviour{NullUsage: true}, form: "whole"},
	{name: "zero usage", want: settled, how: fakeprovider.Behaviour{ZeroUsage: true}},
	{name: "gzip", want: settled, how: fakeprovider.Behaviour{Gzip: true}},
	{name: "a byte at a time", want: settled, how: fakeprovider.Behaviour{SlowDrip: true}, model: "seen"},

	{name: "cut", want: estimated, breaks: true, how: midway(fakeprovider.FaultCut)},
	{name: "cut before the first token", want: estimated, breaks: true, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultCut}},
	{name: "cut, two outputs", extra: twoRequests, want: estimated, breaks: true, how: midway(fakeprovider.FaultCut)},
	{name: "cut, another name", model: "house", want: estimated, breaks: true, how: midway(fakeprovider.FaultCut)},
	{name: "cut within an event", want: estimated, breaks: true, form: "stream",
		how: with(midway(fakeprovider.FaultCut), func(b *fakeprovider.Behaviour) { b.Torn = true })},
	{name: "clean end within an event", want: estimated, form: "stream",
		how: with(midway(fakeprovider.FaultCleanEnd), func(b *fakeprovider.Behaviour) { b.Torn = true })},
	{name: "reset", want: estimated, breaks: true, how: midway(fakeprovider.FaultReset)},
	// What a provider made ahead of what it sent is not to be seen. A lag of 256
	// tokens is allowed for; what goes beyond is the one cost that a broken
	// stream can hide, up to the hold. docs/ceilings.md tells of it.
	{name: "cut, a little ahead", want: estimated, breaks: true,
		how: with(midway(fakeprovider.FaultCut), func(b *fakeprovider.Behaviour) { b.GenerateAhead, b.OutputTokens = 50, 60 })},
	{name: "cut, far ahead", want: estimated, breaks: true, ahead: true, form: "stream",
		extra: map[string]string{
			policy.Chat: `"max_tokens":4000`, policy.Completions: `"max_tokens":4000`, policy.Responses: `"max_output_tokens":4000`,
			policy.Messages: `"max_tokens":4000`, policy.Gemini: `"generationConfig":{"maxOutputTokens":4000}`},
		how: with(midway(fakeprovider.FaultCut), func(b *fakeprovider.Behaviour) { b.GenerateAhead, b.OutputTokens = 3000, 3500 })},
	{name: "clean early end", want: estimated, how: midway(fakeprovider.FaultCleanEnd)},
	{name: "malformed event", want: streamed(ledger.Settled, ledger.Estimated), how: midway(fakeprovider.FaultMalformed)},
	{name: "error event", want: streamed(ledger.Estimated, ledger.Cancelled), how: midway(fakeprovider.FaultErrorEvent)},
	{name: "generation fails", only: "responses", form: "stream", want: estimated,
		how: with(midway(fakeprovider.FaultFailed), func(b *fakeprovider.Behaviour) { b.NoUsage = true })},

	{name: "client hangs up", leaves: "and the answer comes", form: "whole", want: settled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders}},
	{name: "client hangs up in the midst", leaves: "and the answer comes", form: "whole", want: settled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultHang}},
	{name: "client hangs up", leaves: "and the answer comes", form: "stream", model: "unseen", want: settled, how: midway(fakeprovider.FaultHang)},
	{name: "client hangs up", leaves: "for good", form: "stream", model: "seen", want: estimated, how: midway(fakeprovider.FaultHang)},
	{name: "hang", leaves: "for good", hasty: true, want: estimated, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders}},
	{name: "hang in the midst", leaves: "for good", hasty: true, want: estimated, how: midway(fakeprovider.FaultHang)},

	{name: "4xx", want: cancelled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultBadRequest}},
	{name: "429 with Retry-After", want: cancelled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultRateLimit, RetryAfter: "17"}},
	{name: "overloaded", want: cancelled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultOverloaded}},
	{name: "500 in the provider's shape", want: cancelled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultServerError}},
	{name: "500 with usage", want: settled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultErrorUsage}, only: "chat responses completions embeddings messages"},
	{name: "foreign 502", want: estimated, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultForeign502}},
	{name: "foreign 504", want: estimated, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultStatus, Status: http.StatusGatewayTimeout, Body: "upstream request timeout",
		Header: http.Header{"Content-Type": {"text/plain"}}}},
	{name: "foreign 200", want: estimated, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultUpgradeHTML}},
	{name: "empty 200", want: estimated, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultNoBody}},
	{name: "error in a 200", want: cancelled, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultLateStart}},
	{name: "connection dropped", want: estimated, how: fakeprovider.Behaviour{Fault: fakeprovider.FaultDropHeaders}},
}
