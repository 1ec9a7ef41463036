package proxy

import (
	"encoding/json"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// dialect is a wire as a client speaks it.
type dialect struct {
	wire   string
	models string // what the names of its models end in
	body   string // MODEL stands for the model
	flag   string // member that asks for a stream; "": the path does
}

var dialects = []dialect{
	{policy.Chat, "", `{"model":"MODEL","max_tokens":60,"messages":[{"role":"user","content":"né 你好, how are you"}]}`, `"stream":true`},
	{policy.Responses, "", `{"model":"MODEL","max_output_tokens":60,"input":"né 你好, how are you"}`, `"stream":true`},
	{policy.Completions, "", `{"model":"MODEL","max_tokens":60,"prompt":"né 你好, how are you"}`, `"stream":true`},
	{policy.Embeddings, "", `{"model":"MODEL","input":["né 你好","how are you"]}`, ""},
	{policy.Messages, "-claude", `{"model":"MODEL","max_tokens":60,"messages":[{"role":"user","content":"né 你好, how are you"}]}`, `"stream":true`},
	{policy.Gemini, "-gemini", `{"contents":[{"role":"user","parts":[{"text":"né 你好, how are you"}]}],"generationConfig":{"maxOutputTokens":60}}`, ""},
}

func (d dialect) path(model string, stream bool) string {
	switch {
	case d.wire == policy.Gemini && stream:
		return "/v1beta/models/" + model + d.models + ":streamGenerateContent?alt=sse"
	case d.wire == policy.Gemini:
		return "/v1beta/models/" + model + d.models + ":generateContent"
	}
	return map[string]string{
		policy.Chat: "/v1/chat/completions", policy.Responses: "/v1/responses", policy.Completions: "/v1/completions",
		policy.Embeddings: "/v1/embeddings", policy.Messages: "/v1/messages",
	}[d.wire]
}

// request is the body of a call. extra is members that replace or join others:
// `"messages":[...]` replaces the messages.
func (d dialect) request(model string, stream bool, extra string) string {
	body := strings.ReplaceAll(d.body, "MODEL", model+d.models)
	if name, _, ok := strings.Cut(extra, ":"); ok {
		if i := strings.Index(body, name+":"); i >= 0 {
			from := i + len(name) + 1
			value := json.NewDecoder(strings.NewReader(body[from:]))
			_ = value.Decode(new(json.RawMessage))
			end := from + int(value.InputOffset())
			body = body[:i] + extra + body[end:]
		} else {
			body = body[:len(body)-1] + "," + extra + "}"
		}
	}
	if stream && d.flag != "" {
		body = body[:len(body)-1] + "," + d.flag + "}"
	}
	return body
}

// asksUsage tells whether aex asks for usage in the client's place.
func (d dialect) asksUsage(sent string, stream bool) bool {
	return stream && (d.wire == policy.Chat || d.wire == policy.Completions) && !strings.Contains(sent, `"include_usage":true`)
}

// upstream is what the provider must get.
func (d dialect) upstream(sent, model string, stream bool) string {
	if model == "house" {
		sent = strings.Replace(sent, `"house`+d.models+`"`, `"seen`+d.models+`"`, 1)
	}
	if d.asksUsage(sent, stream) {
		sent = `{"stream_options":{"include_usage":true},` + sent[1:]
	}
	return sent
}

// downstream is what the client must get of an answer: without the usage that
// it did not ask for, and with the model's name that it knows.
func (d dialect) downstream(answer, sent, model string, stream bool) string {
	if d.asksUsage(sent, stream) {
		var kept []string
		for _, event := range strings.SplitAfter(answer, "\n\n") {
			if !strings.Contains(event, `"choices":[],"usage":{`) {
				kept = append(kept, strings.Replace(event, `,"usage":null`, "", 1))
			}
		}
		answer = strings.Join(kept, "")
	}
	if model == "house" {
		for _, space := range []string{"", " "} {
			for _, name := range []string{`"model":`, `"modelVersion":`} {
				answer = strings.ReplaceAll(answer, name+space+`"seen`+d.models+`"`, name+space+`"house`+d.models+`"`)
			}
		}
	}
	return answer
}
