package wire

import (
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

// TestToolsThatRan: of an answer in which the provider used a tool of its own, what was
// read is not what the request shows; a call of the client's tools changes nothing.
func TestToolsThatRan(t *testing.T) {
	gemini := func(part string) string {
		return `{"candidates":[{"content":{"parts":[` + part + `]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":11}}`
	}
	responses := func(item string) string {
		return `{"status":"completed","output":[` + item + `],"usage":{"input_tokens":9,"output_tokens":2,"total_tokens":11}}`
	}
	messages := func(block string) string {
		return `{"type":"message","content":[` + block + `],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2}}`
	}
	for _, c := range []struct {
		wire   *Wire
		answer string
		want   bool
	}{
		{Gemini, gemini(`{"text":"hi"}`), false}, {Gemini, gemini(`{"functionCall":{"name":"f"}}`), false},
		{Gemini, gemini(`{"executableCode":{"language":"PYTHON","code":"1"}}`), true}, {Gemini, gemini(`{"code_execution_result":{"output":"1"}}`), true},
		{Gemini, gemini(`{"toolCall":{"toolType":"GOOGLE_SEARCH_WEB"}}`), true},
		{Responses, responses(`{"type":"message","content":[]}`), false}, {Responses, responses(`{"type":"function_call","name":"f","arguments":"{}"}`), false},
		{Responses, responses(`{"type":"web_search_call","status":"completed"}`), true}, {Responses, responses(`{"type":"mcp_call","name":"f"}`), true}, {Responses, responses(`{"type":"compaction"}`), true},
		{Messages, messages(`{"type":"tool_use","name":"f","input":{}}`), false}, {Messages, messages(`{"type":"server_tool_use","name":"web_search","input":{}}`), true},
		{Messages, messages(`{"type":"mcp_tool_use","name":"f","input":{}}`), true}, {Messages, messages(`{"type":"compaction","content":"x"}`), true},
	} {
		var r Reading
		c.wire.Meter(Edit{Call: &policy.Call{Wire: c.wire.Name, Outputs: 1}}).Whole(200, []byte(c.answer), &r)
		if r.Beyond != c.want || !r.Known {
			t.Errorf("%s: beyond %v, known %v, want %v", c.answer, r.Beyond, r.Known, c.want)
		}
	}
}
