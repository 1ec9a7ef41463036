package wire

import (
	"bytes"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// Counting is how the provider of a wire is asked how many tokens the prompt of
// a call has.
type Counting struct {
	// Route is the path on the provider's host. Only a host is asked whose row in the
	// policies says that this route is free.
	Route string
	// Ask makes the request for a call, given the rest of the call's route: the rest of
	// the counting route, and the body.
	Ask func(body Object, m policy.Model, rest string) (at string, ask []byte)
	// Read finds the count in the answer; nil: there is none.
	Read func(answer Object) *int64
	// ByName are the fields that bring in content by its name alone, and that the
	// provider counts all the same.
	ByName map[string]bool
}

// Covers tells whether the count includes all that a request brings in by name alone.
func (c *Counting) Covers(hidden []string) bool {
	return !slices.ContainsFunc(hidden, func(name string) bool { return !c.ByName[name] })
}

// only is the object with those members alone, and the model's name replaced. Counting
// routes refuse fields that do not change the count, such as caps.
func (o Object) only(fields map[string]bool, model string) []byte {
	var out bytes.Buffer
	out.WriteString(`{"model":` + Quote(model))
	for _, m := range o.members {
		if name := Snake(m.name); name != "model" && fields[name] {
			out.WriteString("," + Quote(m.name) + ":")
			out.Write(m.value.raw())
		}
	}
	out.WriteByte('}')
	return out.Bytes()
}

// countMessages is POST /v1/messages/count_tokens, as in anthropic-sdk-python
// types/beta/message_count_tokens_params.py. Where the provider would clear some of the
// content, the count before that is taken if it is greater.
var countMessages = &Counting{
	Route: "/v1/messages/count_tokens",
	Ask: func(body Object, m policy.Model, _ string) (string, []byte) {
		return "/count_tokens", body.only(messagesCounted, m.Sent)
	},
	Read: func(answer Object) *int64 {
		n := answer.Count("input_tokens", 0)
		if before := answer.child("context_management").Count("original_input_tokens", 0); n != nil && before != nil {
			*n = max(*n, *before)
		}
		return n
	},
}

var messagesCounted = fieldSet(`cache_control context_management mcp_servers messages output_config output_format speed system
	thinking tool_choice tools`)

// countResponses is POST /v1/responses/input_tokens, as in openai-python
// types/responses/input_token_count_params.py.
var countResponses = &Counting{
	Route: "/v1/responses/input_tokens",
	Ask: func(body Object, m policy.Model, _ string) (string, []byte) {
		return "/input_tokens", body.only(responsesCounted, m.Sent)
	},
	Read:   func(answer Object) *int64 { return answer.Count("input_tokens", 0) },
	ByName: fieldSet("previous_response_id"), // a conversation may have grown when the call comes
}

var responsesCounted = fieldSet(`input instructions parallel_tool_calls previous_response_id reasoning text tool_choice
	tools truncation`)

// countGemini is POST /v1beta/models/M:countTokens with the whole request, as
// https://ai.google.dev/api/tokens has it.
var countGemini = &Counting{
	Route: "/v1beta/models/{model}:countTokens",
	Ask: func(body Object, m policy.Model, rest string) (string, []byte) {
		request := body.only(geminiCounted, "models/"+strings.TrimPrefix(m.Sent, "models/"))
		model, _, _ := strings.Cut(rest, ":")
		return model + ":countTokens", append(append([]byte(`{"generateContentRequest":`), request...), '}')
	},
	Read: func(answer Object) *int64 { return answer.Count("totalTokens", 0) }, // it leaves out what is cached
}

var geminiCounted = fieldSet(`contents generation_config safety_settings system_instruction tool_config tools`)

// Texts calls f with every text of a request, values and names alike. It leaves out
// pictures and files that stand in it as data: URLs, and returns their number.
func Texts(body Object, f func(string)) (media int) {
	var walk func(s Span)
	walk = func(s Span) {
		switch s.Kind() {
		case '"':
			if raw := s.raw(); bytes.HasPrefix(raw, []byte(`"data:`)) && bytes.Contains(raw[:min(len(raw), 128)], []byte(";base64,")) {
				media++
				return
			}
			f(s.Text())
		case '{':
			for _, m := range s.Object(new(error)).members {
				f(m.name)
				walk(m.value)
			}
		case '[':
			s.elements(walk)
		default:
			f(string(s.raw()))
		}
	}
	walk(body.Span)
	return media
}
