package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

const (
	moonshotBase   = "http://api.moonshot.ai/v1"
	googleChatBase = "http://generativelanguage.googleapis.com/v1beta/openai"
	routedError    = `"error":{"code":502,"message":"Upstream error"},"finish_reason":"error"`
	filtered       = `{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400}}`
	googleListed   = `[{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}]`
	anAdvisor      = `,"iterations":[{"type":"message","input_tokens":1000,"output_tokens":100},{"type":"advisor_message","model":"claude-opus-4-6","input_tokens":50000,"output_tokens":5000}]`
)

func messageAnswer(usage string) string {
	return `{"type":"message","id":"g","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{` + usage + `}}`
}

// TestWhereUsageStands: figures that stand elsewhere, or go by other names, than
// OpenAI's and Anthropic's own are read all the same.
func TestWhereUsageStands(t *testing.T) {
	for _, c := range []told{
		{"Moonshot's, in the choice", moonshotBase, "", "kimi-k2", chatPath, aChatStream,
			"data: " + `{"id":"x",` + messageDelta[:len(messageDelta)-2] + `,"usage":{` + chatTokens + `}}]}` + "\n\ndata: [DONE]\n\n", ledger.Settled, 570 + 230},
		{"in the choice of a whole answer", "http://llm.example/v1", "", "gpt-4o", chatPath, aChat,
			`{"id":"x",` + message[:len(message)-2] + `,"usage":{` + chatTokens + `}}]}`, ledger.Settled, 3_500},
		{"in each of two choices", "http://llm.example/v1", "", "gpt-4o", chatPath, `"n":2,` + aChat,
			`{"id":"x","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop","usage":{` + chatTokens + `}},{"index":1,"message":{"content":"b"},"finish_reason":"stop","usage":{` + chatTokens + `}}]}`, ledger.Estimated, 0},
		{"Moonshot's messages, each figure twice", "http://api.moonshot.ai/anthropic", "anthropic", "kimi-k2", "/v1/messages", aChat,
			messageAnswer(`"input_tokens":1000,"output_tokens":100,"cached_tokens":0,` + chatTokens), ledger.Settled, 570 + 230},
		{"the second is greater", "http://api.moonshot.ai/anthropic", "anthropic", "kimi-k2", "/v1/messages", aChat,
			messageAnswer(`"input_tokens":0,"output_tokens":0,` + chatTokens), ledger.Settled, 570 + 230},
		{"a chat's names in a response", "http://llm.example/v1", "", "gpt-4o", "/v1/responses", aResponse,
			`{"id":"r","object":"response","status":"completed","output":[],"usage":{` + chatTokens + `}}`, ledger.Settled, 3_500},
		{"a response's names in a chat", "http://llm.example/v1", "", "gpt-4o", chatPath, aChat,
			chatAnswer(`"input_tokens":1000,"output_tokens":100,"total_tokens":1100`), ledger.Settled, 3_500},
		{"Anthropic's names in a chat", "http://llm.example/v1", "", "gpt-4o", chatPath, aChat,
			chatAnswer(`"input_tokens":1000,"output_tokens":100,"cache_read_input_tokens":900`), ledger.Estimated, 0},
		{"vLLM's parts by turn", "http://llm.example/v1", "", "gpt-4o", "/v1/responses", aResponse,
			`{"id":"r","object":"response","status":"completed","output":[],"usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":0,"input_tokens_per_turn":[1000],"cached_tokens_per_turn":[0]},` +
				`"output_tokens":100,"output_tokens_details":{"reasoning_tokens":10,"tool_output_tokens":40,"output_tokens_per_turn":[100],"tool_output_tokens_per_turn":[40]}}}`, ledger.Settled, 3_500},
		{"embeddings that tell their total alone", "http://llm.example/v1", "", "text-embedding-3-small", "/v1/embeddings", `"input":"hi"`,
			`{"object":"list","data":[],"usage":{"total_tokens":1000}}`, ledger.Settled, 20},
		{"searches among the tools have no fee", "http://api.anthropic.com", "anthropic", "claude-sonnet-4-5", "/v1/messages", aChat,
			messageAnswer(`"input_tokens":1000,"output_tokens":100,"server_tool_use":{"tool_search_requests":2,"web_search_requests":0}`), ledger.Settled, 3_000 + 1_500},
		{"another model within the answer", "http://api.anthropic.com", "anthropic", "claude-sonnet-4-5", "/v1/messages", aChat,
			messageAnswer(`"input_tokens":1000,"output_tokens":100` + anAdvisor), ledger.Estimated, 4_500 + 250_000 + 125_000},
	} {
		t.Run(c.name, func(t *testing.T) { bookTold(t, c, http.StatusOK) })
	}
}

// TestErrorsThatCostNothing: an error of the host's own, in whichever shape and
// place it has them, has no cost.
func TestErrorsThatCostNothing(t *testing.T) {
	for _, c := range []struct {
		status int
		told
	}{
		{200, told{"in a choice", atRouter, "", "openai/gpt-4o", chatPath, aChat,
			`{"id":"gen-1","choices":[{"index":0,"message":{"role":"assistant","content":""},` + routedError + `}]}`, ledger.Cancelled, 0}},
		{200, told{"in a choice of a stream", atRouter, "", "openai/gpt-4o", chatPath, aChatStream,
			"data: " + `{"id":"gen-1","choices":[{"index":0,"delta":{"content":""},` + routedError + `}]}` + "\n\ndata: [DONE]\n\n", ledger.Cancelled, 0}},
		{502, told{"a router's 502", atRouter, "", "openai/gpt-4o", chatPath, aChat, `{"error":{"code":502,"message":"Provider returned error"}}`, ledger.Cancelled, 0}},
		{408, told{"a router's 408", atRouter, "", "openai/gpt-4o", chatPath, aChat, `{"error":{"code":408,"message":"timed out"}}`, ledger.Estimated, 0}},
		{400, told{"Azure's filter", "http://x.openai.azure.com/openai/v1", "", "gpt-4o", chatPath, aChat, filtered, ledger.Estimated, 0}},
		{400, told{"the same at OpenAI", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat, filtered, ledger.Cancelled, 0}},
		{400, told{"another of Azure's", "http://x.openai.azure.com/openai/v1", "", "gpt-4o", chatPath, aChat,
			`{"error":{"message":"x","type":"invalid_request_error","code":null}}`, ledger.Cancelled, 0}},
		{504, told{"Anthropic's timeout", "http://api.anthropic.com", "anthropic", "claude-sonnet-4-5", "/v1/messages", aChat,
			`{"type":"error","error":{"type":"timeout_error","message":"Request timed out"}}`, ledger.Cancelled, 0}},
		{504, told{"a 504 of something between", "http://api.anthropic.com", "anthropic", "claude-sonnet-4-5", "/v1/messages", aChat, `{"message":"timeout"}`, ledger.Estimated, 0}},
		{502, told{"a 502 of a router of the user's", "http://127.0.0.1:4000/v1", "", "gpt-4o", chatPath, aChat, `{"error":{"message":"litellm.Timeout"}}`, ledger.Estimated, 0}},
		{503, told{"Google's list", googleChatBase, "", "gemini-2.5-flash", chatPath, aChat, googleListed, ledger.Cancelled, 0}},
		{200, told{"Google's list in a 200", googleChatBase, "", "gemini-2.5-flash", chatPath, aChat, googleListed, ledger.Cancelled, 0}},
		{200, told{"Google's list as an event", googleChatBase, "", "gemini-2.5-flash", chatPath, aChatStream, "data: " + googleListed + "\n\n", ledger.Cancelled, 0}},
		{500, told{"Cerebras's, without a name", "http://api.cerebras.ai/v1", "", "gpt-oss-120b", chatPath, aChat,
			`{"message":"Encountered a server error","type":"server_error","param":"","code":"internal"}`, ledger.Cancelled, 0}},
		{503, told{"DeepSeek's on Anthropic's wire", "http://api.deepseek.com/anthropic", "anthropic", "deepseek-chat", "/v1/messages", aChat,
			`{"error":{"message":"busy","type":"service_unavailable_error"}}`, ledger.Cancelled, 0}},
		{500, told{"the same at Anthropic", "http://api.anthropic.com", "anthropic", "claude-sonnet-4-5", "/v1/messages", aChat,
			`{"error":{"message":"busy","type":"service_unavailable_error"}}`, ledger.Estimated, 0}},
		{200, told{"of Google's embeddings", "http://generativelanguage.googleapis.com", "gemini", "gemini-embedding-001", "/v1beta/models/m:embedContent",
			`"content":{"parts":[{"text":"hi"}]}`, `{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`, ledger.Cancelled, 0}},
		{500, told{"that at another host", "http://api.openai.com/v1", "", "gpt-4o", chatPath, aChat,
			`{"message":"Encountered a server error","type":"server_error","param":"","code":"internal"}`, ledger.Estimated, 0}},
		{429, told{"of a model with a fee a call", "http://api.openai.com/v1", "", "gpt-5-search-api", chatPath, aChat, `{"error":{"message":"slow down","type":"requests"}}`, ledger.Cancelled, 0}},
		{500, told{"of Perplexity", "http://api.perplexity.ai", "", "sonar", chatPath, aChat, `{"error":{"message":"x","type":"internal_error","code":500}}`, ledger.Cancelled, 0}},
		{200, told{"of Perplexity, as an event", "http://api.perplexity.ai", "", "sonar", chatPath, aChatStream, "data: " + `{"error":{"message":"x","type":"internal_error"}}` + "\n\n", ledger.Cancelled, 0}},
	} {
		t.Run(c.name, func(t *testing.T) { bookTold(t, c.told, c.status) })
	}
}

// TestAListThatBreaksOff: of a stream of Google's that is a list, what came is
// read also where the connection is lost within it.
func TestAListThatBreaksOff(t *testing.T) {
	first := `{"candidates":[{"content":{"parts":[{"text":"hel"}]}}],"usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":5,"totalTokenCount":1005}}`
	last := `{"candidates":[{"content":{"parts":[{"text":"lo"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":100,"totalTokenCount":1100}}`
	more := `{"candidates":[{"content":{"parts":[{"text":"lo"}]}}],"usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":1000000,"totalTokenCount":1001000}}`
	for _, c := range []struct {
		came, length string
		how          ledger.How
		want         ledger.Micros
	}{
		{"[" + first + "," + last, "100000", ledger.Settled, 300 + 250},
		{"[" + first + "," + last[:len(last)-9], "100000", ledger.Estimated, 300 + 200*25/10}, // the host goes on: the whole cap
		{"[" + first[:40], "100000", ledger.Estimated, 0},
		{"[" + first + "," + more, "", ledger.Estimated, 300 + 2_500_000}, // without an end, and beyond the hold
		{"[" + first + "," + last, "9223372036854775807", ledger.Settled, 300 + 250},
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if c.length != "" {
				w.Header().Set("Content-Length", c.length)
			}
			_, _ = io.WriteString(w, c.came)
		}))
		models := fmt.Sprintf("version: 1\nproviders:\n  there: {base_url: %q, type: gemini, key_env: OPENAI_API_KEY, proxy: %q}\nmodels:\n  m: {provider: there, provider_model: gemini-2.5-flash}\n",
			"http://generativelanguage.googleapis.com", proxy.URL)
		w := newWorld(t, setup{models: models, prices: []string{}})
		_, _, _, _ = w.post("/v1beta/models/m:streamGenerateContent", "{"+geminiBody+"}")
		w.booked(1)
		calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
		must(t, err)
		proxy.Close()
		if want := c.want; calls[0].How != string(c.how) || want > 0 && calls[0].Cost != want || want == 0 && calls[0].Cost != calls[0].Amount {
			t.Errorf("%.60s: %s %s of %s, want %s", c.came, calls[0].How, calls[0].Cost, calls[0].Amount, want)
		}
	}
}
