package wire

import (
	"net/http/httptest"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

// TestToolsThatTheProviderDescribes: a tool that a request only names costs more than its
// bytes, for its provider describes it to the model: in a call's first bound, and in one
// by an earlier call that did not have it.
func TestToolsThatTheProviderDescribes(t *testing.T) {
	start := map[string]string{policy.Chat: `"messages":[]`, policy.Responses: `"input":"x"`, policy.Messages: `"max_tokens":9,"messages":[]`, policy.Gemini: `"contents":[]`}
	for _, c := range []struct {
		wire  *Wire
		tools string
		want  int
	}{
		{Messages, `[{"name":"f","input_schema":{}},{"type":"custom","name":"g","input_schema":{}}]`, 0},
		{Messages, `[{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"e"},{"name":"f"}]`, 2},
		{Messages, `[{"type":"web_search_20250305","name":"web_search"}]`, 1},
		{Responses, `[{"type":"function","name":"f"},{"type":"apply_patch"},{"type":"web_search"}]`, 2},
		{Responses, `[{"type":"namespace","tools":[{"type":"function","name":"f"}]}]`, 0},
		{Chat, `[{"type":"function","function":{"name":"f"}},{"function":{"name":"g"}},{"name":"h","input_schema":{}}]`, 0},
		{Chat, `[{"type":"web_search"},{"googleSearch":{}}]`, 2},
		{Gemini, `[{"functionDeclarations":[{"name":"f"}]},{"codeExecution":{}},{"googleSearch":null}]`, 1},
		{Gemini, `[{"functionDeclarations":[{"name":"f"}],"codeExecution":{},"google_search":{}}]`, 2},
		{Gemini, `{"computerUse":{}}`, 1},
	} {
		doc, err := Parse([]byte(`{` + start[c.wire.Name] + `,"tools":` + c.tools + `}`))
		if err != nil {
			t.Fatal(err)
		}
		body := doc.Object(new(error))
		call, err := c.wire.Read(httptest.NewRequest("POST", "/", nil), body, "models/m:generateContent")
		if err != nil || call.Defined != c.want {
			t.Errorf("%s %s: %d (%v), want %d", c.wire.Name, c.tools, call.Defined, err, c.want)
		}
		large := 0
		for _, p := range SplitPrompt(body).Pieces {
			large += int(p.Bytes / policy.DefinedPrompt)
		}
		if large != c.want {
			t.Errorf("%s %s: %d have the provider's part, want %d", c.wire.Name, c.tools, large, c.want)
		}
	}
}
