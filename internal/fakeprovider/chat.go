package fakeprovider

import (
	"encoding/json"
	"slices"
)

// chat is POST /v1/chat/completions, after OpenAI's API reference.
type chat struct{ openAI }

type chatRequest struct {
	Model               string           `json:"model"`
	Messages            []chatMessage    `json:"messages"`
	Stream              bool             `json:"stream"`
	StreamOptions       *streamOptions   `json:"stream_options"`
	MaxTokens           *int64           `json:"max_tokens"`
	MaxCompletionTokens *int64           `json:"max_completion_tokens"`
	N                   *int64           `json:"n"`
	Tools               []chatTool       `json:"tools"`
	Functions           []chatFunction   `json:"functions"`
	ToolChoice          json.RawMessage  `json:"tool_choice"`
	ServiceTier         string           `json:"service_tier"`
	ResponseFormat      json.RawMessage  `json:"response_format"`
	Modalities          []string         `json:"modalities"`
	WebSearch           *json.RawMessage `json:"web_search_options"`
}

type streamOptions struct {
	IncludeUsage       bool  `json:"include_usage"`
	IncludeObfuscation *bool `json:"include_obfuscation"`
}

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	Name       string          `json:"name"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		Function struct{ Name, Arguments string } `json:"function"`
	} `json:"tool_calls"`
}

type chatPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Refusal  string `json:"refusal"`
	ImageURL struct {
		URL    string `json:"url"`
		Detail string `json:"detail"`
	} `json:"image_url"`
}

type chatTool struct {
	Type     string          `json:"type"`
	Function json.RawMessage `json:"function"`
	Custom   json.RawMessage `json:"custom"`
}

type chatFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

func (chat) read(x *exchange) (*call, *refusal) {
	var q chatRequest
	if err := json.Unmarshal(x.body, &q); err != nil {
		no := badRequest("", "We could not parse the JSON body of your request: "+err.Error())
		return nil, &no
	}
	c := &call{model: q.Model, stream: q.Stream, cap: -1, outputs: 1, tier: tierOf(q.ServiceTier), standard: q.ServiceTier == "default", obfuscate: true}
	if no := q.check(c); no != nil {
		return c, no
	}
	if o := q.StreamOptions; o != nil {
		c.askUsage = o.IncludeUsage
		c.obfuscate = o.IncludeObfuscation == nil || *o.IncludeObfuscation
	}
	n := counter{perToken: x.p.opt.BytesPerToken, messages: int64(len(q.Messages))}
	c.loop.choice = q.ToolChoice
	for _, m := range q.Messages {
		if said := n.chatMessage(m); m.Role == "tool" || m.Role == "function" {
			c.loop.result(said)
		} else {
			c.loop.told(said)
		}
	}
	n.raw(q.ResponseFormat)
	for _, t := range q.Tools {
		n.raw(t.Function)
		n.raw(t.Custom)
		c.tools = append(c.tools, nameIn(t.Function, t.Custom))
	}
	for _, f := range q.Functions {
		n.raw(marshal(f))
	}
	c.toolCount = int64(len(q.Tools) + len(q.Functions))
	c.take(&n)
	return c, nil
}

// check finds what OpenAI refuses.
func (q *chatRequest) check(c *call) *refusal {
	var no refusal
	switch {
	case q.Model == "":
		no = badRequest("", "you must provide a model parameter")
	case len(q.Messages) == 0:
		no = badRequest("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
		no.code = "empty_array"
	case q.StreamOptions != nil && !q.Stream:
		no = badRequest("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case q.MaxTokens != nil && q.MaxCompletionTokens != nil:
		no = badRequest("", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	default:
		for _, limit := range []*int64{q.MaxTokens, q.MaxCompletionTokens} {
			if limit != nil {
				c.cap = *limit
			}
		}
		if q.N != nil {
			c.outputs = *q.N
		}
		if (c.cap >= 1 || q.MaxTokens == nil && q.MaxCompletionTokens == nil) && c.outputs >= 1 && c.outputs <= 128 {
			return nil
		}
		no = badRequest("max_tokens", "Invalid value: integer below minimum value. Expected a value >= 1.")
		no.code = "integer_below_min_value"
	}
	return &no
}

// chatMessage counts a message and returns its text.
func (n *counter) chatMessage(m chatMessage) (said string) {
	if s, ok := text(m.Content); ok {
		n.text(s)
		said = s
	} else if len(m.Content) > 0 && m.Content[0] == '[' {
		var parts []chatPart
		_ = json.Unmarshal(m.Content, &parts) // parts of other shapes have no text
		for _, part := range parts {
			n.text(part.Text)
			n.text(part.Refusal)
			said += part.Text
			if part.Type == "image_url" {
				n.image(openAIImage(part.ImageURL.Detail))
			}
		}
	}
	n.text(m.Name)
	for _, t := range m.ToolCalls {
		n.text(t.Function.Name)
		n.text(t.Function.Arguments)
	}
	return said
}

func openAIImage(detail string) int64 {
	if detail == "low" {
		return imageLow
	}
	return imageHigh
}

// offer counts the tools of a request, and keeps the names of those that the
// caller runs itself.
func (c *call) offer(tools []json.RawMessage, n *counter, own ...string) {
	for _, t := range tools {
		n.raw(t)
		var tool struct{ Type, Name string }
		if json.Unmarshal(t, &tool) == nil && slices.Contains(own, tool.Type) {
			c.tools = append(c.tools, tool.Name)
		}
	}
	c.toolCount = int64(len(tools))
}

// take adds what was counted to the call.
func (c *call) take(n *counter) {
	c.prompt += n.tokens
	c.messages += n.messages
	c.images += n.images
	c.imageSum += n.imageSum
}

// nameIn is the name in the first of the objects that has one, at its top or
// in its function.
func nameIn(objects ...json.RawMessage) string {
	for _, m := range objects {
		var o struct {
			Name     string `json:"name"`
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		}
		if json.Unmarshal(m, &o) == nil && o.Name+o.Function.Name != "" {
			return firstOf(o.Name, o.Function.Name)
		}
	}
	return ""
}

type chatCall struct {
	Index    *int64  `json:"index,omitempty"`
	ID       string  `json:"id,omitempty"`
	Type     string  `json:"type,omitempty"`
	Function callArg `json:"function"`
}

type callArg struct {
	Name string `json:"name,omitempty"`
	Args string `json:"arguments"`
}

type chatAnswer struct {
	Role        string     `json:"role"`
	Content     *string    `json:"content"`
	ToolCalls   []chatCall `json:"tool_calls,omitempty"`
	Refusal     *string    `json:"refusal"`
	Annotations []any      `json:"annotations"`
}

type chatChoice struct {
	Index    int        `json:"index"`
	Message  chatAnswer `json:"message"`
	Logprobs *string    `json:"logprobs"`
	Finish   string     `json:"finish_reason"`
}

type chatWhole struct {
	ID          string       `json:"id"`
	Object      string       `json:"object"`
	Created     int64        `json:"created"`
	Model       string       `json:"model"`
	Choices     []chatChoice `json:"choices"`
	Usage       any          `json:"usage,omitempty"`
	Tier        string       `json:"service_tier"`
	Fingerprint string       `json:"system_fingerprint"`
}

func (chat) whole(x *exchange) any {
	p := x.plan
	a := chatWhole{ID: ident("chatcmpl-", x.e.ID), Object: "chat.completion", Created: p.created, Model: p.model,
		Tier: p.tier, Fingerprint: firstOf(x.b.SystemPrint, "fp_fake000001")}
	for i := range p.outputs {
		o := &p.outputs[i]
		m := chatAnswer{Role: "assistant", Annotations: []any{}}
		for _, t := range o.calls {
			m.ToolCalls = append(m.ToolCalls, chatCall{ID: t.id, Type: "function", Function: callArg{t.name, t.args}})
		}
		if len(o.calls) == 0 {
			said := o.words.text(0, o.tokens)
			m.Content = &said
		}
		a.Choices = append(a.Choices, chatChoice{Index: i, Message: m, Finish: chatFinish(o)})
	}
	if u, keep := finalUsage(x); keep {
		if a.Usage = u; u == nil {
			a.Usage = json.RawMessage("null")
		}
	}
	return a
}

func chatFinish(o *output) string {
	switch {
	case o.length:
		return "length"
	case len(o.calls) > 0:
		return "tool_calls"
	}
	return "stop"
}
