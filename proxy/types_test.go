package proxy

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// typed are the fields that a decision reads, by wire: a request with %s where
// the value stands, and the JSON types that it may have beside null.
var typed = map[string][]struct{ request, may string }{
	policy.Chat: {
		{`{"model":%s,"messages":[]}`, "text"},
		{`{"model":"m","messages":[],"stream":%s}`, "flag"},
		{`{"model":"m","messages":[],"service_tier":%s}`, "text"},
		{`{"model":"m","messages":[],"max_tokens":%s}`, "number"},
		{`{"model":"m","messages":[],"n":%s}`, "number"},
		{`{"model":"m","messages":[],"tools":%s}`, "list"},
		{`{"model":"m","messages":[],"tools":[%s]}`, "object"},
		{`{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":%s}}]}`, "text"},
		{`{"model":"m","messages":[],"modalities":%s}`, "list"},
		{`{"model":"m","messages":[],"modalities":[%s]}`, "text"},
		{`{"model":"m","messages":%s}`, "list"},
		{`{"model":"m","messages":[%s]}`, "object"},
		{`{"model":"m","messages":[{"content":%s}]}`, "text list"},
		{`{"model":"m","messages":[{"content":[%s]}]}`, ""},
		{`{"model":"m","messages":[{"content":[{"type":%s,"image_url":{"url":"x"}}]}]}`, "text!"},
		{`{"model":"m","messages":[{"content":[{"type":"image_url","image_url":%s}]}]}`, "object"},
		{`{"model":"m","messages":[{"role":%s,"content":"x"}]}`, "text"},
		{`{"model":"m","messages":[{"content":[{"type":"text","text":%s}]}]}`, "text"},
		{`{"model":"m","messages":[{"content":[{"type":"thinking","thinking":[{"type":"text","text":%s}]}]}]}`, "text"},
		{`{"model":"m","messages":[],"search_parameters":%s}`, "object"},
	},
	policy.Responses: {
		{`{"model":%s,"input":"x"}`, "text"},
		{`{"model":"m","input":"x","stream":%s}`, "flag"},
		{`{"model":"m","input":"x","background":%s}`, "flag"},
		{`{"model":"m","input":%s}`, "text list"},
		{`{"model":"m","input":[%s]}`, "object"},
		{`{"model":"m","input":[{"role":"user","content":%s}]}`, "text list"},
		{`{"model":"m","input":[{"role":"user","content":[{"type":%s,"image_url":"x"}]}]}`, "text!"},
		{`{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":%s}]}]}`, "text"},
		{`{"model":"m","input":[{"type":"function_call_output","output":[{"type":"input_text","text":%s}]}]}`, "text"},
		{`{"model":"m","input":[{"type":"reasoning","summary":[{"type":"summary_text","text":%s}]}]}`, "text"},
		{`{"model":"m","input":"x","max_output_tokens":%s}`, "number"},
		{`{"model":"m","input":"x","tools":%s}`, "list"},
		{`{"model":"m","input":"x","tools":[{"type":%s}]}`, "text"},
	},
	policy.Completions: {
		{`{"model":%s,"prompt":"x"}`, "text"},
		{`{"model":"m","prompt":"x","stream":%s}`, "flag"},
		{`{"model":"m","prompt":"x","max_tokens":%s}`, "number"},
	},
	policy.Embeddings: {
		{`{"model":%s,"input":"x"}`, "text"},
	},
	policy.Messages: {
		{`{"model":%s,"max_tokens":9,"messages":[]}`, "text"},
		{`{"model":"m","max_tokens":%s,"messages":[]}`, "number"},
		{`{"model":"m","max_tokens":9,"messages":[],"stream":%s}`, "flag"},
		{`{"model":"m","max_tokens":9,"messages":[],"speed":%s}`, "text"},
		{`{"model":"m","max_tokens":9,"messages":[],"thinking":%s}`, "object"},
		{`{"model":"m","max_tokens":9,"messages":[],"tools":%s}`, "list"},
		{`{"model":"m","max_tokens":9,"messages":[],"tools":[{"name":%s}]}`, "text"},
		{`{"model":"m","max_tokens":9,"messages":[],"tools":[{"name":"x","type":%s}]}`, "text"},
		{`{"model":"m","max_tokens":9,"messages":[],"cache_control":%s}`, "object"},
		{`{"model":"m","max_tokens":9,"messages":%s}`, "list"},
		{`{"model":"m","max_tokens":9,"messages":[{"content":[%s]}]}`, ""},
		{`{"model":"m","max_tokens":9,"messages":[{"content":[{"type":%s,"source":{"type":"url"}}]}]}`, "text!"},
		{`{"model":"m","max_tokens":9,"messages":[],"system":[{"type":%s,"text":"x"}]}`, "text!"},
		{`{"model":"m","max_tokens":9,"messages":[],"system":[{"type":"text","text":%s}]}`, "text"},
		{`{"model":"m","max_tokens":9,"messages":[{"content":[{"type":"tool_result","content":[{"type":"text","text":%s}]}]}]}`, "text"},
	},
	policy.Gemini: {
		{`{"contents":%s}`, "list object"},
		{`{"contents":[%s]}`, "object"},
		{`{"contents":[{"parts":%s}]}`, "list object"},
		{`{"contents":[{"parts":[{"inlineData":{"mimeType":%s,"data":"aGk="}}]}]}`, "text!"},
		{`{"contents":[{"parts":[{"text":%s}]}]}`, "text"},
		{`{"contents":[{"parts":[{"inlineData":%s}]}]}`, ""}, // and an object without its type is none
		{`{"contents":[],"generationConfig":%s}`, "object"},
		{`{"contents":[],"generationConfig":{"responseModalities":%s}}`, "list"},
		{`{"contents":[],"generationConfig":{"responseModalities":[%s]}}`, "text"},
		{`{"contents":[],"generation_config":{"response_modalities":%s}}`, "list"},
		{`{"contents":[],"generationConfig":{"thinkingConfig":%s}}`, "object"},
		{`{"contents":[],"tools":%s}`, "list object"},
		{`{"contents":[],"tools":[{"functionDeclarations":%s}]}`, "list"},
		{`{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":%s}}}`, "text"},
	},
}

// values are one of each JSON type.
var values = map[string][]string{
	"text": {`"true"`, `"IMAGE"`}, "flag": {`true`, `false`}, "number": {`1`, `2`}, "list": {`[]`}, "object": {`{}`},
}

// A field that a decision reads and that has a type it should not have is
// refused, on every wire: a lenient server could take it for what the policy
// has denied. One that has its type is not.
func TestFieldsHaveTheirTypes(t *testing.T) {
	for _, w := range wire.All() {
		for _, field := range typed[w.Name] {
			for kind, list := range values {
				for _, value := range list {
					may := strings.Contains(field.may, kind)
					request := fmt.Sprintf(field.request, value)
					err := readAs(t, w, request)
					if !may && err == nil {
						t.Errorf("%s takes %s", w.Name, request)
					}
					if may && err != nil && strings.Contains(err.Error(), " is not ") {
						t.Errorf("%s refuses %s: %v", w.Name, request, err)
					}
				}
			}
			if strings.Contains(field.may, "!") && readAs(t, w, fmt.Sprintf(field.request, "null")) == nil {
				t.Errorf("%s takes %s with null", w.Name, field.request)
			}
		}
	}
}

func readAs(t *testing.T, w *wire.Wire, request string) error {
	t.Helper()
	doc, err := wire.Parse([]byte(request))
	must(t, err)
	body := doc.Object(new(error))
	_, err = w.Read(httptest.NewRequest("POST", "/", nil), body, "models/m:generateContent")
	return err
}

// noPictures may do all but show pictures, sounds and files.
var noPictures = policy.Capabilities{Streaming: true, Tools: true, FunctionCalling: true}

// What the policy denies is refused however it is written.
func TestLooseTypesPassNoPolicy(t *testing.T) {
	for _, tt := range []struct {
		caps policy.Capabilities
		path string
		body string
	}{
		{policy.Capabilities{Tools: true, Vision: true}, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[],"stream":1}`},
		{policy.Capabilities{Tools: true, Vision: true}, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[],"stream":"true"}`},
		{policy.Capabilities{Streaming: true}, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":[{"image_url":{"url":"https://x/y.png"}}]}]}`},
		{policy.Capabilities{Streaming: true}, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":{"type":"image_url","image_url":{"url":"https://x/y.png"}}}]}`},
		{policy.Capabilities{Streaming: true}, "/v1/responses", `{"model":"gpt-4o-mini","input":[{"role":"user","content":[{"type":null,"image_url":"https://x/y.png"}]}]}`},
		{policy.Capabilities{Tools: true, Vision: true}, "/v1beta/models/gemini-2.5-flash:generateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"x"}]}]}`},
		{policy.Capabilities{Tools: true, Vision: true}, "/v1beta/models/gemini-2.5-flash:generateContent?alt=json&alt=sse", `{"contents":[{"role":"user","parts":[{"text":"x"}]}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":[{"type":"text","text":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":[{"type":"text","text":"x","image_url":{"url":"https://x/y.png"}}]}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":[{"type":"text","text":"x","imageUrl":"https://x/y.png"}]}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x","images":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x","images":["aGk="]}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x","image_url":"https://x/y.png"}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}]}`},
		{noPictures, "/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"images":["aGk="]}`},
		{noPictures, "/v1/completions", `{"model":"gpt-4o-mini","prompt":{"prompt_string":"x","multimodal_data":["aGk="]}}`},
		{noPictures, "/v1/responses", `{"model":"gpt-4o-mini","input":[{"role":"user","content":[{"type":"input_text","text":"x","image_url":"https://x/y.png"}]}]}`},
		{noPictures, "/v1/responses", `{"model":"gpt-4o-mini","input":[{"role":"user","content":[{"type":"input_text","text":["x"]}]}]}`},
		{noPictures, "/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"x","source":{"type":"url","url":"https://x/y.png"}}]}]}`},
		{noPictures, "/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":[{"type":"image"}]}]}]}`},
		{noPictures, "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"InlineData":{"mimeType":"image/png","data":"aGk="}}]}]}`},
		{noPictures, "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"inlinedata":{"mimeType":"image/png","data":"aGk="}}]}]}`},
		{noPictures, "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"INLINE_DATA":{"mime_type":"image/png","data":"aGk="}}]}]}`},
		{noPictures, "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"FileData":{"fileUri":"https://x/y.png"}}]}]}`},
		{noPictures, "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"text":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}]}]}`},
		{noPictures, "/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"FunctionResponse":{"name":"f","parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}}]}]}`},
		{noPictures, "/v1beta/models/gemini-2.5-flash:embedContent", `{"content":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]}]}`},
		{policy.Capabilities{Streaming: true, Tools: true}, "/v1/responses", `{"model":"gpt-4o-mini","prompt":{"id":"p","variables":{"pic":{"type":"input_image","image_url":"https://x/y.png"}}}}`},
		{policy.Capabilities{Streaming: true, Tools: true}, "/v1/responses", `{"model":"gpt-4o-mini","input":[{"type":"input_image","image_url":"https://x/y.png"}]}`},
		{policy.Capabilities{Streaming: true, Tools: true}, "/v1/responses", `{"model":"gpt-4o-mini","input":"x","instructions":[{"type":"input_image","image_url":"https://x/y.png"}]}`},
		{policy.Capabilities{Streaming: true, Tools: true}, "/v1/responses", `{"model":"gpt-4o-mini","input":"x","instructions":[{"role":"user","content":[{"type":"input_file","file_data":"eA=="}]}]}`},
	} {
		w := newWorld(t, setup{caps: &tt.caps, prices: []string{"gpt-4o-mini=1/1", "gemini-2.5-flash=1/1", "claude-sonnet-4-5=1/1"}})
		status, _, answer, err := w.post(tt.path, tt.body)
		must(t, err)
		if status != 400 && status != 403 || len(w.provider.Bill()) != 0 {
			t.Errorf("%s: %d %s", tt.body, status, answer)
		}
	}
}
