package wire

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// Chat is OpenAI's Chat Completions API, which many others speak, too.
// Fields as in https://platform.openai.com/docs/api-reference/chat.
var Chat = &Wire{
	Dialect:   policy.Dialect{Name: policy.Chat, Type: policy.TypeOpenAI, Provider: "openai", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "chat",
	Find:      posts("/chat/completions"),
	Path:      always("/chat/completions"),
	AsksUsage: asksUsage,
	Fields:    chatFields,
	Authorize: bearer,
	Read:      readChat,
	Edit:      editChat,
	Meter:     meterChat,
	Refuse:    openAIError,
}

// chatFields are the top-level fields whose meaning for the price is known.
var chatFields = fieldSet(`audio frequency_penalty function_call functions logit_bias logprobs
	max_completion_tokens max_tokens messages metadata modalities model moderation n parallel_tool_calls
	prediction presence_penalty prompt_cache_key prompt_cache_options
	prompt_cache_retention reasoning_effort reasoning
	response_format safety_identifier seed service_tier stop store stream stream_options temperature
	tool_choice tools top_logprobs top_p top_k min_p user verbosity web_search_options`)

func readChat(_ *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:    policy.Chat,
		Model:   body.word("model"),
		Stream:  body.flag("stream"),
		Outputs: 1,
		Tier:    body.word("service_tier"),
		// xAI answers a deferred request with a name to ask for the answer by.
		Background: body.Get("deferred").Truth(),
	}
	body.beside(chatFields, &c)
	openAIReason(body, &c)
	// There may be two caps, and the provider may take either: the call is bounded by
	// the greater one. To some providers 0 means none, and so is the greatest.
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		n := body.Count(name, 0)
		if n != nil && (c.OutputCap == nil || lowered(n, *c.OutputCap) && *c.OutputCap > 0) {
			c.OutputCap = n
		}
	}
	if n := body.Count("n", 1); n != nil {
		c.Outputs = *n
	}
	if body.Get("messages").isNull() {
		body.fault("messages is missing")
	}
	body.list("messages", func(m Object) {
		c.Messages++
		chatContent(m, &c)
	})
	openAITools(body, &c)
	c.Defined = defined(body.Get("tools"))
	c.CacheWrite1h = body.member("prompt_cache_options").word("ttl") == "12h"
	chatHosted(body, &c)
	if p := body.Get("prediction"); !p.isNull() {
		c.Prediction = int64(p.end - p.start)
	}
	return c, *body.err
}

// chatContent notes whatever is not text in one message.
func chatContent(m Object, c *policy.Call) {
	m.content("content", func(part Object) { chatPart(part, c) })
	role := m.word("role")
	c.ToolTurns = c.ToolTurns || role == "tool" || role == "function" || !empty(m.Get("tool_calls")) || !empty(m.Get("function_call"))
	for _, beside := range m.members {
		if !among(carriers, beside.name) || empty(beside.value) {
			continue
		}
		switch bare(beside.name) {
		case "audio": // an earlier audio answer is referred to by id: its tokens are input again
			c.Audio = append(c.Audio, policy.Media{Remote: true})
		case "images": // that OpenRouter's models made
			m.list(beside.name, func(part Object) { chatPart(part, c) })
		default:
			c.Files = append(c.Files, policy.Media{Type: plain.Clip(beside.name, 40), Remote: true})
		}
	}
}

func chatPart(part Object, c *policy.Call) {
	switch t := part.kind(); t {
	case "image_url":
		url := part.member("image_url")
		c.Images = append(c.Images, imageOf(url.Get("url"), url.word("detail")))
	case "input_audio":
		audio := part.member("input_audio")
		c.Audio = append(c.Audio, audioOf(audio.Get("data"), audio.word("format")))
	case "file":
		file := part.member("file")
		c.Files = append(c.Files, fileOf(file.Get("file_data")))
	case "text", "refusal":
		part.onlyText(t)
	case "thinking": // Mistral's is a list of texts, and of what they refer to
		part.onlyText(t)
		part.content("thinking", func(p Object) {
			if kind := p.kind(); kind != "reference" {
				chatPart(p, c)
			}
		})
	default:
		c.Files = append(c.Files, policy.Media{Type: plain.Clip(t, 40), Remote: true})
	}
}

// openAITools reads tools, functions and what asks for a call of them.
func openAITools(body Object, c *policy.Call) {
	body.list("tools", func(t Object) {
		c.Tools++
		name := t.member("function").word("name")
		if t.word("type") == "custom" {
			name = t.member("custom").word("name")
		}
		c.AddTool(name)
	})
	body.list("functions", func(f Object) {
		c.Tools++
		c.AddTool(f.word("name"))
	})
	for _, name := range []string{"tool_choice", "function_call"} {
		if v := body.Get(name); !v.isNull() && v.Text() != "none" && v.Text() != "auto" {
			c.ToolChoice = true
		}
	}
}

func editChat(body Object, e Edit) []Splice {
	var edits []Splice
	if e.Model != "" {
		edits = append(edits, body.Set("model", Quote(e.Model)))
	}
	if e.Cap > 0 {
		edits = append(edits, capEdits(body, e)...)
	}
	edits = append(edits, lowerBudget(body, e)...)
	if e.Tier != "" {
		edits = append(edits, body.Set("service_tier", Quote(e.Tier)))
	}
	if e.Usage {
		edits = append(edits, includeUsage(body))
	}
	return edits
}

// includeUsage asks for usage in the stream, and leaves the other options as they are.
func includeUsage(body Object) Splice {
	if options := body.child("stream_options"); options.Kind() == '{' {
		return options.Set("include_usage", "true")
	}
	return body.Set("stream_options", `{"include_usage":true}`)
}

// capEdits lowers the caps that the client sent, or adds the one that the provider knows:
// OpenAI's reasoning models refuse max_tokens, and other servers may not know
// max_completion_tokens.
func capEdits(body Object, e Edit) (edits []Splice) {
	value := strconv.FormatInt(e.Cap, 10)
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		if n := body.Count(name, 0); n != nil && lowered(n, e.Cap) {
			edits = append(edits, body.Set(name, value))
		}
	}
	if e.Call.OutputCap == nil {
		edits = append(edits, body.Set(capName(e), value))
	}
	return edits
}

// capName is the host's name for the cap. An unknown host with OpenAI's models is taken
// for a proxy that passes fields on to OpenAI.
func capName(e Edit) string {
	host := e.host()
	if host.Name == "" && e.OpenAIModel {
		return "max_completion_tokens"
	}
	return cmp.Or(host.Cap, "max_tokens")
}

// tierOf is the service tier that an answer names, in lower case.
func tierOf(o Object) string { return strings.ToLower(plain.Clip(o.Get("service_tier").Text(), 60)) }
