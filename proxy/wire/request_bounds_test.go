package wire

import (
	"fmt"
	"math"
	"net/http/httptest"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

// readCall reads a request of a wire.
func readCall(t *testing.T, w *Wire, body string) policy.Call {
	t.Helper()
	doc, err := Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	call, err := w.Read(httptest.NewRequest("POST", "/", nil), doc.Object(new(error)), "models/m:generateContent")
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return call
}

// TestMaxToolCallsBoundsTools: max_tool_calls is for the tools in the list. What a field
// of another host turns on it does not bound.
func TestMaxToolCallsBoundsTools(t *testing.T) {
	call := readCall(t, Responses, `{"input":"x","max_tool_calls":2,"tools":[{"type":"web_search"}],"data_sources":[{"type":"azure_search"}]}`)
	uses := map[string]int64{}
	for _, h := range call.Hosted {
		uses[h.Type] = h.MaxUses
	}
	if len(uses) != 2 || uses["web_search"] != 2 || uses["data_sources"] != 0 || !call.Endless() {
		t.Errorf("%+v", call.Hosted)
	}
}

// TestThinkingWithoutLimit: some clients send the largest integer for thinking without a
// limit. What is worked out from it does not overflow.
func TestThinkingWithoutLimit(t *testing.T) {
	for w, body := range map[*Wire]string{
		Chat:     `{"messages":[],"thinking_token_budget":%d}`,
		Messages: `{"max_tokens":9,"messages":[],"thinking":{"type":"enabled","budget_tokens":%d}}`,
		Gemini:   `{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingBudget":%d}}}`,
	} {
		call := readCall(t, w, fmt.Sprintf(body, int64(math.MaxInt64)))
		if budget := policy.Thinking(call, policy.Model{}, 16_000, 0); budget > 16_000 || budget < 1024 {
			t.Errorf("%s: a budget of %d in a cap of 16,000", w.Name, budget)
		}
		broken := policy.Broken{Call: call, Hidden: true, Shown: 1000}
		if n := broken.Output(); n < math.MaxInt32 {
			t.Errorf("%s: a broken stream is taken to have made %d tokens", w.Name, n)
		}
	}
}

// TestTemplateVariables: what a chat template is given is the server's business, and its
// thinking_budget is one only where it is a number of tokens.
func TestTemplateVariables(t *testing.T) {
	for value, want := range map[string]int64{`2048`: 2048, `"high"`: 0, `null`: 0, `0.5`: 0, `-2`: 0, `true`: 0} {
		call := readCall(t, Chat, `{"messages":[],"chat_template_kwargs":{"enable_thinking":true,"thinking_budget":`+value+`}}`)
		if call.ThinkingCap != want || !call.Reason {
			t.Errorf("%s: a budget of %d, reasons %t", value, call.ThinkingCap, call.Reason)
		}
	}
}
