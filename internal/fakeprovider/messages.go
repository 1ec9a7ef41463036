package fakeprovider

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// messages is POST /v1/messages, after Anthropic's API reference.
type messages struct{}

type messagesRequest struct {
	Model     string          `json:"model"`
	MaxTokens *int64          `json:"max_tokens"`
	System    json.RawMessage `json:"system"`
	Messages  []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Stream      bool              `json:"stream"`
	Tools       []json.RawMessage `json:"tools"`
	ToolChoice  json.RawMessage   `json:"tool_choice"`
	ServiceTier string            `json:"service_tier"`
	Thinking    *struct {
		Type         string `json:"type"`
		BudgetTokens int64  `json:"budget_tokens"`
	} `json:"thinking"`
}

type messagesBlock struct {
	Type    string          `json:"type"`
	Text    string          `json:"text"`
	Think   string          `json:"thinking"`
	Name    string          `json:"name"`
	Input   json.RawMessage `json:"input"`
	Content json.RawMessage `json:"content"`
	Source  struct {
		Type string `json:"type"`
		Data string `json:"data"`
	} `json:"source"`
}

func (messages) requestID(n int64) string { return ident("req_01", n) }

func (messages) authenticate(x *exchange) *refusal {
	bearer, _ := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	key := firstOf(x.r.Header.Get("X-Api-Key"), bearer)
	if want := x.p.opt.Key; want != "" && key != want {
		message := "invalid x-api-key"
		if key == "" {
			message = "x-api-key header is required"
		}
		return &refusal{status: 401, message: message}
	}
	if x.r.Header.Get("Anthropic-Version") == "" {
		return &refusal{status: 400, message: "anthropic-version: header is required"}
	}
	return nil
}

func (messages) headers(x *exchange, h http.Header) {
	h.Set("request-id", x.e.RequestID)
	h.Set("anthropic-organization-id", "00000000-fake-4000-8000-000000000000")
	const name = "anthropic-ratelimit-"
	reset := x.p.opt.Now().UTC().Format("2006-01-02T15:04:05Z")
	h.Set(name+"requests-limit", "4000")
	h.Set(name+"requests-remaining", strconv.FormatInt(max(0, 3999-x.e.ID%4000), 10))
	h.Set(name+"requests-reset", reset)
	for _, class := range []string{"tokens", "input-tokens", "output-tokens"} {
		h.Set(name+class+"-limit", "400000")
		h.Set(name+class+"-remaining", "399000")
		h.Set(name+class+"-reset", reset)
	}
}

// messagesErrors are Anthropic's error types by status.
var messagesErrors = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
	404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
	504: "timeout_error", 529: "overloaded_error",
}

func messagesError(x *exchange, status int, message string) map[string]any {
	return map[string]any{"type": "error", "request_id": x.e.RequestID,
		"error": map[string]any{"type": firstOf(messagesErrors[status], "api_error"), "message": message}}
}

func (messages) errorBody(x *exchange, no refusal) any {
	message := no.message
	if no.status == 500 {
		message = "Internal server error"
	}
	body := messagesError(x, no.status, message)
	if no.usage && x.plan != nil {
		body["usage"] = messagesUsage(x, x.plan.usage.Output)
	}
	return body
}

func (messages) errorEvent(s *stream) {
	s.send("error", marshal(messagesError(s.x, 529, "Overloaded")))
}

func (messages) read(x *exchange) (*call, *refusal) {
	var q messagesRequest
	if err := json.Unmarshal(x.body, &q); err != nil {
		no := badRequest("", "The request body is not valid JSON: "+err.Error())
		return nil, &no
	}
	c := &call{model: q.Model, stream: q.Stream, cap: -1, outputs: 1, tier: "standard", asked: &q}
	refuse := func(message string) (*call, *refusal) {
		no := badRequest("", message)
		return c, &no
	}
	switch counting := x.route.name == countTokens; {
	case q.Model == "":
		return refuse("model: Field required")
	case len(q.Messages) == 0:
		return refuse("messages: at least one message is required")
	case q.MaxTokens == nil && !counting:
		return refuse("max_tokens: Field required")
	case !counting && *q.MaxTokens < 1:
		return refuse("max_tokens: must be greater than or equal to 1")
	case q.Thinking != nil && q.Thinking.Type == "enabled" && q.Thinking.BudgetTokens < 1024:
		return refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
	case !counting && q.Thinking != nil && q.Thinking.Type == "enabled" && q.Thinking.BudgetTokens >= *q.MaxTokens:
		return refuse("`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size")
	}
	if q.MaxTokens != nil {
		c.cap = *q.MaxTokens
	}
	n := counter{perToken: x.p.opt.BytesPerToken, messages: int64(len(q.Messages))}
	if len(q.System) > 0 {
		n.blocks(q.System)
		n.messages++
	}
	c.loop.choice = messagesChoice(q.ToolChoice)
	for _, m := range q.Messages {
		if said, answered := n.blocks(m.Content); answered {
			c.loop.result(said)
		} else {
			c.loop.told(said)
		}
	}
	c.offer(q.Tools, &n, "", "custom")
	c.take(&n)
	return c, nil
}

// messagesChoice is a tool_choice as OpenAI would put it.
func messagesChoice(m json.RawMessage) json.RawMessage {
	var choice messagesBlock
	if json.Unmarshal(m, &choice) != nil || choice.Name != "" {
		return m
	}
	if choice.Type == "" {
		return nil
	}
	return marshal(choice.Type)
}

// blocks counts a content and returns its text, and whether a tool's result is
// in it.
func (n *counter) blocks(m json.RawMessage) (said string, answered bool) {
	if s, ok := text(m); ok {
		n.text(s)
		return s, false
	}
	var blocks []messagesBlock
	_ = json.Unmarshal(m, &blocks) // blocks of other shapes have no text
	for _, b := range blocks {
		n.text(b.Text)
		n.text(b.Think)
		n.text(b.Name)
		n.raw(b.Input)
		if len(b.Content) > 0 {
			result, _ := n.blocks(b.Content)
			said += result
		}
		switch {
		case b.Type == "image":
			n.image(imageMessages)
		case b.Type == "document" && b.Source.Type == "text":
			n.text(b.Source.Data)
		case b.Type == "document":
			n.size(len(b.Source.Data) / 2) // a page's text is some part of its file
		}
		said += b.Text
		answered = answered || b.Type == "tool_result"
	}
	return said, answered
}

// countMessages is POST /v1/messages/count_tokens.
func countMessages(x *exchange) {
	x.count(wireMessages, func(prompt int64) any { return map[string]any{"input_tokens": prompt} })
}

// messagesUsage is Usage of Anthropic's API: its input leaves caches out.
func messagesUsage(x *exchange, output int64) map[string]any {
	u := x.plan.usage
	if x.b.ZeroUsage {
		u, output = Usage{}, 0
	}
	usage := map[string]any{
		"input_tokens": u.Input + u.AudioIn, "output_tokens": output,
		"cache_creation_input_tokens": u.CacheWrite5m + u.CacheWrite1h, "cache_read_input_tokens": u.CacheRead,
		"cache_creation": map[string]any{"ephemeral_5m_input_tokens": u.CacheWrite5m,
			"ephemeral_1h_input_tokens": u.CacheWrite1h},
		"service_tier": x.plan.tier, "inference_geo": "not_available",
	}
	if x.b.NullDetails {
		usage["cache_creation"] = nil
	}
	if u.Searches > 0 {
		usage["server_tool_use"] = map[string]any{"web_search_requests": u.Searches, "web_fetch_requests": 0}
	}
	if x.plan.reasoning > 0 && output > 0 {
		usage["output_tokens_details"] = map[string]any{"thinking_tokens": min(x.plan.reasoning, output)}
	}
	return usage
}
