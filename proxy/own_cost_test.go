package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// told is a call at a known host, its answer, and what is booked for it.
type told struct {
	name, base, kind, model string // model: provider_model of "m"
	path, body              string // body: without the model
	answer                  string // JSON, or events
	how                     ledger.How
	want                    ledger.Micros // exactly; for estimates at least, with the hold
}

const (
	atRouter     = "http://openrouter.ai/api/v1"
	atRouterToo  = "http://openrouter.ai/api"
	aChat        = `"max_tokens":200,"messages":[{"role":"user","content":"hi"}]`
	aChatStream  = `"stream":true,` + aChat
	aResponse    = `"max_output_tokens":200,"input":"hi"`
	chatPath     = "/v1/chat/completions"
	chatTokens   = `"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100`
	message      = `"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]`
	messageDelta = `"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":"stop"}]`
)

func chatAnswer(usage string) string {
	return `{"id":"x","object":"chat.completion",` + message + `,"usage":{` + usage + `}}`
}

func chatEvents(usage string) string {
	return "data: " + `{"id":"x",` + messageDelta + `}` + "\n\ndata: " + `{"id":"x","choices":[],"usage":{` + usage + `}}` + "\n\ndata: [DONE]\n\n"
}

func geminiAnswer(usage string) string {
	return `{"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]},"finishReason":"STOP"}],"usageMetadata":{` + usage + `}}`
}

var tolds = []told{
	// OpenRouter: what it charges counts, on all three wires, and never less than the list.
	{"cost, chat", atRouter, "", "openai/gpt-4o", chatPath, aChat, chatAnswer(chatTokens + `,"cost":0.0123451,"is_byok":false`), ledger.Settled, 12_346},
	{"cost, chat stream", atRouter, "", "openai/gpt-4o", chatPath, aChatStream, chatEvents(chatTokens + `,"cost":"1.23451e-2"`), ledger.Settled, 12_346},
	{"cost below the list's", atRouter, "", "openai/gpt-4o", chatPath, aChat, chatAnswer(chatTokens + `,"cost":0.000001`), ledger.Settled, 3_500},
	{"cost, responses", atRouter, "", "openai/gpt-4o", "/v1/responses", aResponse,
		`{"id":"r","object":"response","status":"completed","output":[],"usage":{"input_tokens":1000,"output_tokens":100,"total_tokens":1100,"cost":0.0123451,"is_byok":false,"cost_details":{"upstream_inference_cost":null}}}`, ledger.Settled, 12_346},
	{"cost, messages", atRouterToo, "anthropic", "anthropic/claude-sonnet-4.5", "/v1/messages", aChat,
		`{"type":"message","id":"g","role":"assistant","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":10,"cost":0.0123451,"is_byok":false}}`, ledger.Settled, 12_346},
	{"cost, messages stream", atRouterToo, "anthropic", "anthropic/claude-sonnet-4.5", "/v1/messages", aChatStream,
		"event: message_start\ndata: " + `{"type":"message_start","message":{"id":"g","usage":{"input_tokens":10,"output_tokens":1}}}` +
			"\n\nevent: message_delta\ndata: " + `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":10,"cost":0.0123451,"is_byok":true,"cost_details":{"upstream_inference_cost":0.01}}}` +
			"\n\nevent: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n", ledger.Settled, 22_346},
	// What the user's own key paid at the vendor comes on top of the router's fee.
	{"own key", atRouter, "", "openai/gpt-4o", chatPath, aChat, chatAnswer(chatTokens + `,"cost":0.0005,"is_byok":true,"cost_details":{"upstream_inference_cost":0.01,"upstream_inference_prompt_cost":0.006}`), ledger.Settled, 10_500},
	{"own key, chat stream", atRouter, "", "openai/gpt-4o", chatPath, aChatStream, chatEvents(chatTokens + `,"cost":0.0005,"is_byok":true,"cost_details":{"upstream_inference_cost":0.01}`), ledger.Settled, 10_500},
	{"not his own key", atRouter, "", "openai/gpt-4o", chatPath, aChat, chatAnswer(chatTokens + `,"cost":0.02,"is_byok":false,"cost_details":{"upstream_inference_cost":0.01}`), ledger.Settled, 20_000},
	// A field that aex cannot price costs what the router says.
	{"a class without a price", atRouter, "", "openai/gpt-4o", chatPath, aChat, chatAnswer(chatTokens + `,"cost":0.02,"prompt_tokens_details":{"hologram_tokens":5}`), ledger.Settled, 20_000},
	// xAI: ticks, ten thousand million to the dollar.
	{"ticks", "http://api.x.ai/v1", "", "grok-4", chatPath, aChat, chatAnswer(`"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"num_sources_used":0,"cost_in_usd_ticks":50000001`), ledger.Settled, 5_001},
	{"ticks, stream", "http://api.x.ai/v1", "", "grok-4", chatPath, aChatStream, chatEvents(`"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"cost_in_usd_ticks":50000000`), ledger.Settled, 5_000},
	// Models that search book their fee, once, whatever else the answer counts.
	{"a search model", "http://api.openai.com/v1", "", "gpt-4o-search-preview", chatPath, aChat, chatAnswer(chatTokens), ledger.Settled, 3_500 + 25_000},
	{"a search model, stream", "http://api.openai.com/v1", "", "gpt-4o-search-preview", chatPath, aChatStream, chatEvents(chatTokens), ledger.Settled, 3_500 + 25_000},
	{"one that a list has for another's alias", "http://api.openai.com/v1", "", "gpt-4o-mini-search-preview-2025-03-11", chatPath, aChat, chatAnswer(chatTokens), ledger.Settled, 150 + 60 + 25_000},
	{"a search model by way of a router", atRouter, "", "openai/gpt-4o-mini-search-preview", chatPath, aChat, chatAnswer(chatTokens), ledger.Settled, 150 + 60 + 25_000},
	{"gpt-5-search-api", "http://api.openai.com/v1", "", "gpt-5-search-api", chatPath, aChat, chatAnswer(chatTokens), ledger.Settled, 1_250 + 1_000 + 10_000},
	{"Perplexity", "http://api.perplexity.ai", "", "sonar", chatPath, aChat, chatAnswer(chatTokens + `,"search_context_size":"high","num_search_queries":3`), ledger.Settled, 1_100 + 12_000},
	{"Perplexity's own bill", "http://api.perplexity.ai", "", "sonar", chatPath, aChat,
		chatAnswer(chatTokens + `,"search_context_size":"low","cost":{"input_tokens_cost":0.001,"output_tokens_cost":0.0001,"request_cost":0.005,"total_cost":0.0061}`), ledger.Settled, 6_100},
	// LiteLLM's own names for what was cached, beside OpenAI's.
	{"LiteLLM's cache", "http://127.0.0.1:4000/v1", "", "claude-sonnet-4-5", chatPath, aChat,
		chatAnswer(`"prompt_tokens":10000,"completion_tokens":100,"total_tokens":10100,"cache_read_input_tokens":8000,"cache_creation_input_tokens":1000,"prompt_tokens_details":{"cached_tokens":8000,"cache_creation_tokens":1000}`),
		ledger.Settled, 1000*3 + 8000*3/10 + 1000*375/100 + 100*15},
	{"LiteLLM's cache, counted as Anthropic does", "http://127.0.0.1:4000/v1", "", "claude-sonnet-4-5", chatPath, aChat,
		chatAnswer(`"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,"cache_read_input_tokens":8000`), ledger.Settled, 1000*3 + 8000*3/10 + 100*15},
	// A tier without a price is not the dearest that has one: it is unclear.
	{"a tier without a price", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat,
		`{"id":"x","service_tier":"ultrafast",` + message + `,"usage":{` + chatTokens + `}}`, ledger.Estimated, 0},
	{"a tier with one", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat,
		`{"id":"x","service_tier":"priority",` + message + `,"usage":{` + chatTokens + `}}`, ledger.Settled, 4_250 + 1_700},
	{"a tier that was asked for and is not told", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat + `,"service_tier":"priority"`, chatAnswer(chatTokens), ledger.Settled, 4_250 + 1_700},
	{"its other name", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat + `,"service_tier":"fast"`, chatAnswer(chatTokens), ledger.Settled, 4_250 + 1_700},
	{"in capitals", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat + `,"service_tier":"PRIORITY"`, chatAnswer(chatTokens), ledger.Settled, 4_250 + 1_700},
	// Gemini: thoughts beside the candidates, or among them; the total tells.
	{"thoughts beside", "http://generativelanguage.googleapis.com", "gemini", "gemini-2.5-flash", geminiPath, geminiBody,
		geminiAnswer(`"promptTokenCount":1000,"candidatesTokenCount":150,"thoughtsTokenCount":50,"totalTokenCount":1200`), ledger.Settled, 300 + 500},
	{"thoughts among", "http://generativelanguage.googleapis.com", "gemini", "gemini-2.5-flash", geminiPath, geminiBody,
		geminiAnswer(`"promptTokenCount":1000,"candidatesTokenCount":150,"thoughtsTokenCount":50,"totalTokenCount":1150`), ledger.Settled, 300 + 375},
	{"Gemini's total above its parts", "http://generativelanguage.googleapis.com", "gemini", "gemini-2.5-flash", geminiPath, geminiBody,
		geminiAnswer(`"promptTokenCount":1000,"candidatesTokenCount":150,"totalTokenCount":1250`), ledger.Settled, 300 + 625},
	{"a total above its parts", "http://api.x.ai/v1", "", "grok-4", chatPath, aChat, chatAnswer(`"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1300`), ledger.Settled, 3_000 + 4_500},
	{"a total below its parts", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, chatAnswer(`"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1000`), ledger.Estimated, 3_500},
	// {"object":"error"}, whole and as an event, before and after something was shown.
	{"an object that is an error", "http://api.mistral.ai/v1", "", "mistral-small-latest", chatPath, aChat, `{"object":"error","message":"Service tier capacity exceeded","type":"x","code":"3505"}`, ledger.Cancelled, 0},
	{"an event that is one", "http://api.mistral.ai/v1", "", "mistral-small-latest", chatPath, aChatStream, "data: " + `{"object":"error","message":"overloaded","code":"3505"}` + "\n\n", ledger.Cancelled, 0},
	{"at a host that nobody knows", "http://llm.example/v1", "", "gpt-4o", chatPath, aChatStream, "data: " + `{"object":"error","message":"no GPU","code":500}` + "\n\n", ledger.Cancelled, 0},
	{"a foreign error", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, `{"object":"error","message":"who am I?"}`, ledger.Estimated, 0},
	// What is no number of tokens is unclear: the larger of the hold and what is clear.
	{"a figure above 2^40", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, chatAnswer(`"prompt_tokens":1000,"completion_tokens":1099511627777`), ledger.Estimated, 2_500},
	// Audio of a model without an audio price is tokens all the same.
	{"audio without a price", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat,
		chatAnswer(`"prompt_tokens":1001000,"completion_tokens":100,"total_tokens":1001100,"prompt_tokens_details":{"audio_tokens":1000000}`), ledger.Estimated, 2_503_500},
	{"audio answers without a price", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat,
		chatAnswer(`"prompt_tokens":1000,"completion_tokens":1000100,"total_tokens":1001100,"completion_tokens_details":{"audio_tokens":1000000}`), ledger.Estimated, 10_003_500},
	// What was told before a stream broke is the least that it cost.
	{"input beyond the hold, and no end", "http://api.anthropic.com", "anthropic", "claude-haiku-4-5", "/v1/messages", aChatStream,
		"event: message_start\ndata: " + `{"type":"message_start","message":{"id":"g","usage":{"input_tokens":1000000,"output_tokens":1}}}` + "\n\n", ledger.Estimated, 1_000_005},
	{"another", "http://generativelanguage.googleapis.com", "gemini", "gemini-2.5-flash", geminiPath, geminiBody, geminiAnswer(`"promptTokenCount":9000000000000,"candidatesTokenCount":1`), ledger.Estimated, 0},
}

const (
	geminiPath = "/v1beta/models/m:generateContent"
	geminiBody = `"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":200}`
)

// TestWhatProvidersTell: the bill that the provider itself tells, and the ways
// in which providers differ in what they count.
func TestWhatProvidersTell(t *testing.T) {
	for _, c := range tolds {
		t.Run(c.name, func(t *testing.T) {
			bookTold(t, c, http.StatusOK)
		})
	}
}

// bookTold makes the call, and looks at what is booked for it.
func bookTold(t *testing.T, c told, status int) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		kind := "application/json"
		if strings.HasPrefix(c.answer, "data:") || strings.HasPrefix(c.answer, "event:") {
			kind = "text/event-stream"
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, c.answer)
	}))
	t.Cleanup(proxy.Close)
	kind := c.kind
	if kind == "" {
		kind = "openai_compatible"
	}
	models := fmt.Sprintf("version: 1\nproviders:\n  there: {base_url: %q, type: %s, key_env: OPENAI_API_KEY, proxy: %q}\nmodels:\n  m: {provider: there, provider_model: %q}\n", c.base, kind, proxy.URL, c.model)
	w := newWorld(t, setup{models: models, prices: []string{}})
	_, _, _, _ = w.post(c.path, `{"model":"m",`+c.body+`}`, "Anthropic-Version", "2023-06-01")
	w.booked(1)
	calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
	must(t, err)
	b := calls[0]
	switch {
	case b.How != string(c.how):
		t.Errorf("booked %s %s (%s), want %s", b.How, b.Cost, b.Ending, c.how)
	case c.how == ledger.Estimated && b.Cost != max(c.want, b.Amount):
		t.Errorf("estimated %s, held %s, clear %s", b.Cost, b.Amount, c.want)
	case c.how != ledger.Estimated && b.Cost != c.want:
		t.Errorf("booked %s, the bill is %s", b.Cost, c.want)
	}
}

// TestARefusalThatTellsItsUsage: what a 400 says to have used is booked, and what of that is unclear at the hold at least.
func TestARefusalThatTellsItsUsage(t *testing.T) {
	for _, c := range []told{
		{"Gemini", "http://generativelanguage.googleapis.com", "gemini", "gemini-2.5-flash", geminiPath, geminiBody,
			geminiAnswer(`"promptTokenCount":1000,"candidatesTokenCount":150,"totalTokenCount":1150`), ledger.Settled, 300 + 375},
		{"chat", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, chatAnswer(chatTokens), ledger.Settled, 3_500},
		{"unclear", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, chatAnswer(`"prompt_tokens":"1000","completion_tokens":100`), ledger.Estimated, 0},
		{"the prompt alone", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, chatAnswer(`"prompt_tokens":1000`), ledger.Estimated, 2_500},
		{"the bill alone", atRouter, "", "openai/gpt-4o", chatPath, aChat, chatAnswer(`"cost":0.02,"is_byok":false`), ledger.Estimated, 20_000},
		{"nothing told", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, `{"error":{"message":"no"}}`, ledger.Cancelled, 0},
	} {
		t.Run(c.name, func(t *testing.T) { bookTold(t, c, http.StatusBadRequest) })
	}
}
