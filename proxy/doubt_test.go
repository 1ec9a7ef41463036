package proxy

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// The calls of a denied tool that a client may read in an answer.
const (
	calledChat     = `{"id":"c","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","tool_calls":[{"id":"t","type":"function","function":{"name":"delete_all","arguments":"{\"path\":1}"}}]}}],"usage":{"prompt_tokens":3,"completion_tokens":5}}`
	calledChunk    = `{"id":"c","object":"chat.completion.chunk","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"delete_all","arguments":"path"}}]}}]}`
	calledResponse = `{"id":"r","object":"response","status":"completed","model":"gpt-4o-mini","output":[{"type":"function_call","name":"delete_all","arguments":"path"}],"usage":{"input_tokens":3,"output_tokens":5}}`
	calledMessage  = `{"id":"m","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"tool_use","id":"t","name":"delete_all","input":{"path":1}}],"usage":{"input_tokens":3,"output_tokens":5}}`
	calledGemini   = `{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"delete_all","args":{"path":1}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":5}}`
)

// doubted are answers in which some client reads the call of a denied tool, as the
// provider says them and with the headers that it says them with.
func doubted() []struct{ wire, name, answer, kind, packed string } {
	const whole, stream = "application/json", "text/event-stream"
	custom := strings.NewReplacer(`"function":`, `"custom":`, `"arguments"`, `"input"`)
	utf16 := "\xff\xfe"
	for _, b := range []byte(calledChat) {
		utf16 += string([]byte{b, 0})
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write([]byte("data: " + calledChunk + "\n\n")) // to memory
	_ = z.Close()
	pieces := "data: " + strings.Replace(calledChunk, "delete_all", "dele", 1) + "\n\ndata: " + strings.Replace(calledChunk, "delete_all", "te_all", 1) + "\n\n"
	event := func(kind, rest string) string { return `data: {"type":"` + kind + `",` + rest + "}\n\n" }
	return []struct{ wire, name, answer, kind, packed string }{
		{"chat", "custom tool", custom.Replace(calledChat), whole, ""},
		{"chat", "custom tool in a stream", "data: " + custom.Replace(calledChunk) + "\n\n", stream, ""},
		{"chat", "no blank line at the end", "data: " + calledChunk, stream, ""},
		{"chat", "name in pieces", pieces, stream, ""},
		{"chat", "stream that says it is none", "data: " + calledChunk + "\n\ndata: [DONE]\n\n", whole, ""},
		{"chat", "deflate", packed.String(), stream, "deflate"},
		{"chat", "utf-16", utf16, whole, ""},
		{"chat", "no number", strings.Replace(calledChat, `"completion_tokens":5`, `"completion_tokens":NaN`, 1), whole, ""},
		{"chat", "no number in a stream", "data: " + strings.Replace(calledChunk, `"index":0`, `"index":NaN`, 1) + "\n\n", stream, ""},
		{"chat", "nested too deep", strings.Replace(calledChat, `"id":"c"`, `"id":`+strings.Repeat("[", 300)+strings.Repeat("]", 300), 1), whole, ""},
		{"chat", "another case", strings.Replace(calledChat, `"name"`, `"Name"`, 1), whole, ""},
		{"chat", "one in place of a list", strings.NewReplacer(`[{"id":"t"`, `{"id":"t"`, `}}]}}]`, `}}}}]`).Replace(calledChat), whole, ""},
		{"responses", "in the last event alone", event("response.completed", `"response":`+calledResponse), stream, ""},
		{"responses", "where its arguments are done", event("response.function_call_arguments.done", `"name":"delete_all","arguments":"path"`), stream, ""},
		{"messages", "in the first event", event("message_start", `"message":`+calledMessage), stream, ""},
		{"messages", "one in place of a list", strings.NewReplacer(`[{"type"`, `{"type"`, `}}]`, `}}`).Replace(calledMessage), whole, ""},
		{"gemini", "another case", strings.Replace(calledGemini, `"content"`, `"Content"`, 1), whole, ""},
	}
}

// TestAnswersThatReadTwoWays: where the policy denies tools, an answer in which some
// client may read a call that aex does not read does not reach it.
func TestAnswersThatReadTwoWays(t *testing.T) {
	c := newCourt(t)
	caps := policy.Open()
	caps.DeniedTools = []string{"delete_*"}
	for _, d := range doubted() {
		for _, wire := range policyWires {
			if wire.name != d.wire {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", d.wire, d.name), func(t *testing.T) {
				c.as(ledger.Execution, caps)
				path, body := wire.request(wire.model, wire.asks[0])
				if d.kind == "text/event-stream" {
					path, body = wire.streamed(wire.model, wire.asks[0])
				}
				header := http.Header{"Content-Type": {d.kind}}
				if d.packed != "" {
					header.Set("Content-Encoding", d.packed)
				}
				c.provider.Next(fakeprovider.Behaviour{Fault: fakeprovider.FaultStatus, Status: http.StatusOK, Body: d.answer, Header: header})
				status, h, answer, err := c.post(path, body, "Anthropic-Version", "2023-06-01")
				c.told(t)
				whole := d.kind != "text/event-stream"
				if whole && (status != http.StatusForbidden || h.Get("X-Aex-Code") != "policy_denied") || !whole && (err == nil || answer != "" && !strings.Contains(answer, `"dele"`)) {
					t.Errorf("it came through: %d %q %v %q", status, h.Get("X-Aex-Code"), err, answer)
				}
			})
		}
	}
}
