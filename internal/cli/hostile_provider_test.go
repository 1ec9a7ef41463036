package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answer is what the hostile provider sends.
type answer struct {
	status, kind, body string
	head               string // more of it, raw
	cut                bool   // fewer bytes come than were told
}

func hostileAnswers() map[string]answer {
	text := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	name, usage := text(evil+long), `"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`
	tool := `"tool_calls":[{"index":0,"id":` + name + `,"type":"function","function":{"name":` + name + `,"arguments":"{}"}}]`
	chat := func(model, usage string) string {
		return `{"id":` + name + `,"object":"chat.completion","model":` + model + `,"service_tier":` + name + `,"choices":[{"index":0,"message":{"role":"assistant","content":` +
			name + `,` + tool + `},"finish_reason":"stop"}],` + usage + `}`
	}
	piece := `data: {"id":` + name + `,"object":"chat.completion.chunk","model":` + name + `,"service_tier":` + name + `,"choices":[{"index":0,"delta":{"content":"hi",` + tool + `}}]}` + "\n\n"
	last := `data: {"id":"x","object":"chat.completion.chunk","model":` + name + `,"service_tier":` + name + `,"choices":[],` + usage + "}\n\ndata: [DONE]\n\n"
	message := `{"id":` + name + `,"type":"message","role":"assistant","model":` + name + `,"content":[{"type":"tool_use","id":` + name + `,"name":` + name + `,"input":{}}],"stop_reason":` +
		name + `,"usage":{"input_tokens":3,"output_tokens":2,"service_tier":` + name + `}}`
	errors := "data: {\"error\":{\"message\":" + name + ",\"type\":" + name + ",\"code\":" + name + "}}\n\n"
	const page, js, sse = "text/html; x=\"<script>alert(1)</script>\"", "application/json", "text/event-stream"
	return map[string]answer{
		"chat":             {status: "200 OK", kind: js, body: chat(name, usage)},
		"raw":              {status: "200 OK", kind: js, body: chat("\"@SUM(1)\x9b31m\u202e\"", usage)},
		"strange usage":    {status: "200 OK", kind: js, body: chat(name, `"usage":{"prompt_tokens":3,"completion_tokens":2,`+name+`:1}`)},
		"no usage":         {status: "200 OK", kind: js, body: chat(name, `"usage":null`)},
		"bad request":      {status: "400 <script>alert(1)</script>", kind: page, body: evil + "\x9b" + long},
		"unauthorized":     {status: "401 Unauthorized", kind: page, body: evil + "\x9b" + long, head: "Www-Authenticate: " + evilHeader + "\r\n"},
		"too many":         {status: "429 Too Many Requests", kind: js, body: `{"error":{"message":` + name + `,"type":` + name + `,"code":` + name + `}}`},
		"broken":           {status: "500 Oops", kind: page, body: evil + strings.Repeat(long, 20)},
		"stream":           {status: "200 OK", kind: sse, body: piece + last},
		"stream of errors": {status: "200 OK", kind: sse, body: piece + errors},
		"cut stream":       {status: "200 OK", kind: sse, body: piece, cut: true},
		"control headers":  {status: "200 OK", kind: js, body: chat(name, usage), head: "X-Request-Id: \x1b]0;t\x07\r\n"},
		"message":          {status: "200 OK", kind: js, body: message},
		"message stream": {status: "200 OK", kind: sse, body: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":" + message + "}\n\n" +
			"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":" + name + ",\"message\":" + name + "}}\n\n"},
	}
}

// send writes a over a connection of its own, as no careful server would.
func (a answer) send(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	length := len(a.body)
	if a.cut {
		length++
	}
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n", a.status, a.kind, length)
	for _, name := range []string{"Request-Id", "Retry-After", "X-Ratelimit-Remaining-Tokens", "Openai-Model", "Openai-Processing-Ms", "X-Should-Retry", "X-Aex-Code", "Server"} {
		fmt.Fprintf(conn, "%s: %s\r\n", name, evilHeader+long)
	}
	if a.head == "" {
		fmt.Fprintf(conn, "X-Request-Id: %s\r\n", evilHeader+long)
	}
	fmt.Fprintf(conn, "%s\r\n%s", a.head, a.body)
}

// hostileProvider answers by the text of the request; what asks for "wait" is
// answered when release is closed.
func hostileProvider(t *testing.T, answers map[string]answer) (at string, waits, release chan struct{}) {
	waits, release = make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Messages []struct {
				Content string `json:"content"`
			} `json:"messages"`
		}
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || len(ask.Messages) == 0 {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		what := ask.Messages[0].Content
		if what == "wait" {
			close(waits)
			<-release
			what = "chat"
		}
		answers[what].send(w)
	}))
	t.Cleanup(s.Close)
	return s.URL, waits, release
}
