package fakeprovider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// responses is POST /v1/responses, after OpenAI's API reference.
type responses struct{ openAI }

type responsesRequest struct {
	Model           string            `json:"model"`
	Input           json.RawMessage   `json:"input"`
	Instructions    *string           `json:"instructions"`
	Stream          bool              `json:"stream"`
	StreamOptions   *streamOptions    `json:"stream_options"`
	MaxOutputTokens *int64            `json:"max_output_tokens"`
	MaxToolCalls    *int64            `json:"max_tool_calls"`
	Tools           []json.RawMessage `json:"tools"`
	ToolChoice      json.RawMessage   `json:"tool_choice"`
	ServiceTier     string            `json:"service_tier"`
	Text            json.RawMessage   `json:"text"`
	Background      bool              `json:"background"`
	Store           *bool             `json:"store"`
	Previous        *string           `json:"previous_response_id"`
	Include         []string          `json:"include"`
}

type inputItem struct {
	Type      string          `json:"type"`
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Output    json.RawMessage `json:"output"`
	Encrypted string          `json:"encrypted_content"`
}

// stored is a response kept on the provider's side.
type stored struct {
	body   []byte
	tokens int64 // of its prompt and output: the prompt of what continues it
	loop   loop
}

func (responses) read(x *exchange) (*call, *refusal) {
	var q responsesRequest
	if err := json.Unmarshal(x.body, &q); err != nil {
		no := badRequest("", "We could not parse the JSON body of your request: "+err.Error())
		return nil, &no
	}
	c := &call{model: q.Model, stream: q.Stream, cap: -1, outputs: 1, tier: tierOf(q.ServiceTier), standard: q.ServiceTier == "default", obfuscate: true,
		asked: &q}
	if q.MaxOutputTokens != nil {
		c.cap = *q.MaxOutputTokens
	}
	if q.StreamOptions != nil && q.StreamOptions.IncludeObfuscation != nil {
		c.obfuscate = *q.StreamOptions.IncludeObfuscation
	}
	n := counter{perToken: x.p.opt.BytesPerToken}
	if no := q.check(x, &n, &c.loop); no != nil {
		return c, no
	}
	c.loop.choice = q.ToolChoice
	n.input(q.Input, &c.loop)
	if q.Instructions != nil {
		n.text(*q.Instructions)
		n.messages++
	}
	n.raw(q.Text)
	c.offer(q.Tools, &n, "function", "custom")
	c.take(&n)
	return c, nil
}

func (q *responsesRequest) check(x *exchange, n *counter, l *loop) *refusal {
	var no refusal
	switch {
	case q.Model == "":
		no = badRequest("model", "Missing required parameter: 'model'.")
	case len(q.Input) == 0:
		no = badRequest("input", "Missing required parameter: 'input'.")
	case q.MaxOutputTokens != nil && *q.MaxOutputTokens < 16:
		no = badRequest("max_output_tokens", fmt.Sprintf("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got %d instead.", *q.MaxOutputTokens))
		no.code = "integer_below_min_value"
	case q.Previous != nil:
		x.p.mu.Lock()
		before, ok := x.p.stored[*q.Previous]
		x.p.mu.Unlock()
		if ok {
			n.tokens += before.tokens
			*l = before.loop
			l.answered = false // the stored answer came after it
			return nil
		}
		no = badRequest("previous_response_id", "Previous response with id '"+*q.Previous+"' not found.")
		no.code = "previous_response_not_found"
	default:
		return nil
	}
	return &no
}

// input counts the input.
func (n *counter) input(m json.RawMessage, l *loop) {
	if s, ok := text(m); ok {
		n.text(s)
		n.messages++
		l.told(s)
		return
	}
	var items []inputItem
	_ = json.Unmarshal(m, &items) // items of other shapes have no text
	for _, item := range items {
		n.messages++
		n.text(item.Name)
		n.text(item.Arguments)
		n.text(item.Encrypted)
		said := n.parts(item.Content)
		n.parts(item.Output)
		if strings.HasSuffix(item.Type, "_call_output") {
			l.result(texts(item.Output))
		} else {
			l.told(said)
		}
	}
}

// parts counts a content that is a string or a list of parts.
func (n *counter) parts(m json.RawMessage) (said string) {
	if s, ok := text(m); ok {
		n.text(s)
		return s
	}
	var parts []struct {
		Type, Text, Detail string
	}
	_ = json.Unmarshal(m, &parts)
	for _, part := range parts {
		n.text(part.Text)
		said += part.Text
		if part.Type == "input_image" {
			n.image(openAIImage(part.Detail))
		}
	}
	return said
}

// object is a Response of the API.
type object struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	CreatedAt         int64             `json:"created_at"`
	Status            string            `json:"status"`
	Background        bool              `json:"background"`
	CompletedAt       *int64            `json:"completed_at"`
	Error             any               `json:"error"`
	IncompleteDetails any               `json:"incomplete_details"`
	Instructions      *string           `json:"instructions"`
	MaxOutputTokens   *int64            `json:"max_output_tokens"`
	MaxToolCalls      *int64            `json:"max_tool_calls"`
	Model             string            `json:"model"`
	Output            []any             `json:"output"`
	Parallel          bool              `json:"parallel_tool_calls"`
	Previous          *string           `json:"previous_response_id"`
	Reasoning         any               `json:"reasoning"`
	ServiceTier       string            `json:"service_tier"`
	Store             bool              `json:"store"`
	Temperature       float64           `json:"temperature"`
	Text              any               `json:"text"`
	ToolChoice        any               `json:"tool_choice"`
	ToolUsage         any               `json:"tool_usage,omitempty"`
	Tools             []json.RawMessage `json:"tools"`
	TopP              float64           `json:"top_p"`
	Truncation        string            `json:"truncation"`
	Usage             any               `json:"usage,omitempty"`
	User              any               `json:"user"`
	Metadata          struct{}          `json:"metadata"`
}

func responseObject(x *exchange, status string, output []any) *object {
	q := x.call.asked.(*responsesRequest)
	o := &object{ID: ident("resp_", x.e.ID), Object: "response", CreatedAt: x.plan.created, Status: status,
		Background: q.Background, Instructions: q.Instructions, MaxOutputTokens: q.MaxOutputTokens,
		MaxToolCalls: q.MaxToolCalls, Model: x.plan.model, Output: output, Parallel: true, Previous: q.Previous,
		Reasoning:   map[string]any{"effort": nil, "summary": nil},
		ServiceTier: x.plan.tier, Store: q.Store == nil || *q.Store, Temperature: 1,
		Text:       map[string]any{"format": map[string]any{"type": "text"}, "verbosity": "medium"},
		ToolChoice: json.RawMessage(`"auto"`), Tools: q.Tools, TopP: 1, Truncation: "disabled",
		Usage: json.RawMessage("null")}
	if o.Output == nil {
		o.Output = []any{}
	}
	if o.Tools == nil {
		o.Tools = []json.RawMessage{}
	}
	if len(q.ToolChoice) > 0 {
		o.ToolChoice = q.ToolChoice
	}
	if status == "in_progress" {
		o.ServiceTier = "auto" // the tier is known at the end
	}
	return o
}

// completed is the response when generation has ended.
func completed(x *exchange, output []any) *object {
	o := responseObject(x, "completed", output)
	o.CompletedAt = &x.plan.created
	if x.plan.outputs[0].length {
		o.Status, o.CompletedAt = "incomplete", nil
		o.IncompleteDetails = map[string]any{"reason": "max_output_tokens"}
	}
	if n := x.plan.usage.Searches; n > 0 {
		o.ToolUsage = map[string]any{"web_search": map[string]any{"num_requests": n}, "image_gen": noImages}
	}
	switch {
	case x.b.NoUsage:
		o.Usage = nil
	case !x.b.NullUsage:
		o.Usage = responsesUsage(x, x.plan.usage.Output+x.plan.usage.AudioOut)
	}
	return o
}

var noImages = map[string]any{"input_tokens": 0, "output_tokens": 0, "total_tokens": 0,
	"input_tokens_details": map[string]any{"image_tokens": 0, "text_tokens": 0}}

func responsesUsage(x *exchange, output int64) map[string]any {
	p, u := x.plan, x.plan.usage
	if x.b.ZeroUsage {
		p, u, output = &plan{}, Usage{}, 0
	}
	usage := map[string]any{"input_tokens": p.prompt, "output_tokens": output, "total_tokens": p.prompt + output,
		"input_tokens_details": map[string]any{"cached_tokens": u.CacheRead,
			"cache_write_tokens": u.CacheWrite5m + u.CacheWrite1h},
		"output_tokens_details": map[string]any{"reasoning_tokens": min(p.reasoning, output)}}
	if x.b.NullDetails {
		usage["input_tokens_details"], usage["output_tokens_details"] = nil, nil
	}
	return usage
}

func (responses) whole(x *exchange) any {
	var output []any
	for _, item := range responseItems(x) {
		output = append(output, item.done)
	}
	o := completed(x, output)
	x.store(o)
	if q := x.call.asked.(*responsesRequest); q.Background {
		return responseObject(x, "queued", nil)
	}
	return o
}

// store keeps a response for GET and for those that continue it.
func (x *exchange) store(o *object) {
	if x.p.opt.Lean || !o.Store {
		return
	}
	kept := stored{body: marshal(o), tokens: x.plan.prompt + x.plan.usage.Output, loop: x.call.loop}
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	x.p.stored[o.ID] = kept
}

// storedResponse is GET /v1/responses/{id}.
func storedResponse(x *exchange) {
	id := pathTail(x.r.URL.Path, "responses/")
	x.p.mu.Lock()
	kept, ok := x.p.stored[id]
	x.p.mu.Unlock()
	if !ok || x.r.Method != http.MethodGet {
		x.refuse(refusal{status: 404, kind: "invalid_request_error", message: "Response with id '" + id + "' not found."})
		return
	}
	x.sendWhole(200, kept.body)
}

func (responses) errorBody(x *exchange, no refusal) any {
	body := map[string]any{"error": openAIError(no)}
	if no.usage && x.plan != nil {
		body["usage"] = responsesUsage(x, x.plan.usage.Output)
	}
	return body
}
