package fakeprovider

import (
	"encoding/json"
	"strconv"
)

// block is one content block of an answer.
type block struct {
	begun, done map[string]any
	call        *plannedCall
	text, think bool
	search      bool
}

const fakeSignature = "RmFrZVNpZ25hdHVyZQ=="

// messagesBlocks are the content blocks of the answer, in order.
func messagesBlocks(x *exchange) []block {
	var blocks []block
	o := &x.plan.outputs[0]
	if o.reasoning > 0 {
		blocks = append(blocks, block{think: true,
			begun: map[string]any{"type": "thinking", "thinking": "", "signature": ""},
			done:  map[string]any{"type": "thinking", "thinking": thoughts(o.reasoning), "signature": fakeSignature}})
	}
	for i := range x.plan.usage.Searches {
		id := ident("srvtoolu_01", x.e.ID*64+i)
		use := func(input any) map[string]any {
			return map[string]any{"type": "server_tool_use", "id": id, "name": "web_search", "input": input}
		}
		found := map[string]any{"type": "web_search_tool_result", "tool_use_id": id, "content": []any{map[string]any{
			"type": "web_search_result", "url": "https://example.com/", "title": "Example", "page_age": nil,
			"encrypted_content": "ZmFrZQ=="}}}
		blocks = append(blocks,
			block{search: true, begun: use(struct{}{}), done: use(map[string]any{"query": "fake"})},
			block{begun: found, done: found})
	}
	for i := range o.calls {
		c := &o.calls[i]
		id := ident("toolu_01", x.e.ID*64+int64(i))
		use := func(input json.RawMessage) map[string]any {
			return map[string]any{"type": "tool_use", "id": id, "name": c.name, "input": input}
		}
		input := json.RawMessage(c.args)
		if !json.Valid(input) { // cut by the cap
			input = json.RawMessage("{}")
		}
		blocks = append(blocks, block{begun: use(json.RawMessage("{}")), done: use(input), call: c})
	}
	if len(o.calls) == 0 && o.tokens > 0 {
		blocks = append(blocks, block{text: true, begun: map[string]any{"type": "text", "text": ""},
			done: map[string]any{"type": "text", "text": o.words.text(0, o.tokens)}})
	}
	return blocks
}

// thoughts is the visible thinking: a summary, shorter than what is billed.
func thoughts(tokens int64) string {
	return "t" + strconv.FormatInt(tokens, 10) + " "
}

func stopReason(o *output) string {
	switch {
	case o.length:
		return "max_tokens"
	case len(o.calls) > 0:
		return "tool_use"
	}
	return "end_turn"
}

type messageObject struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Role         string `json:"role"`
	Model        string `json:"model"`
	Content      []any  `json:"content"`
	StopReason   any    `json:"stop_reason"`
	StopSequence any    `json:"stop_sequence"`
	Usage        any    `json:"usage,omitempty"`
}

func newMessage(x *exchange) *messageObject {
	return &messageObject{ID: ident("msg_01", x.e.ID), Type: "message", Role: "assistant", Model: x.plan.model,
		Content: []any{}}
}

func (messages) whole(x *exchange) any {
	m := newMessage(x)
	for _, b := range messagesBlocks(x) {
		m.Content = append(m.Content, b.done)
	}
	m.StopReason = stopReason(&x.plan.outputs[0])
	switch {
	case x.b.NoUsage:
	case x.b.NullUsage:
		m.Usage = json.RawMessage("null")
	default:
		m.Usage = messagesUsage(x, x.plan.usage.Output)
	}
	return m
}

// typed sends an event whose name is its type.
func (s *stream) typed(name string, fields map[string]any) bool {
	fields["type"] = name
	return s.send(name, marshal(fields))
}

func (messages) events(s *stream) {
	x := s.x
	m := newMessage(x)
	if !x.b.NoUsage {
		m.Usage = startUsage(x)
	}
	if !s.typed("message_start", map[string]any{"message": m}) {
		return
	}
	for i, b := range messagesBlocks(x) {
		if !s.typed("content_block_start", map[string]any{"index": i, "content_block": b.begun}) ||
			i == 0 && !s.typed("ping", map[string]any{}) ||
			!s.block(i, b) ||
			!s.typed("content_block_stop", map[string]any{"index": i}) {
			return
		}
	}
	if !s.ended() {
		return
	}
	end := map[string]any{"delta": map[string]any{"stop_reason": stopReason(&s.p.outputs[0]), "stop_sequence": nil}}
	switch {
	case x.b.NoUsage:
	case x.b.NullUsage:
		end["usage"] = nil
	default:
		end["usage"] = deltaUsage(x)
	}
	if s.typed("message_delta", end) {
		s.last("message_stop", []byte(`{"type":"message_stop"}`))
	}
}

// startUsage is what is known when a message starts: the input, and the first
// token or so of the output.
func startUsage(x *exchange) map[string]any {
	u := messagesUsage(x, min(1, x.plan.usage.Output))
	delete(u, "server_tool_use")
	delete(u, "output_tokens_details")
	if x.b.DeltaUsage == "grown" { // a server tool will bring in the rest
		u["input_tokens"] = (x.plan.usage.Input + 1) / 2
		u["cache_read_input_tokens"] = x.plan.usage.CacheRead / 2
	}
	return u
}

// deltaUsage is the usage of message_delta: cumulative, without the breakdown
// of cache writes.
func deltaUsage(x *exchange) map[string]any {
	u := messagesUsage(x, x.plan.usage.Output)
	delete(u, "cache_creation")
	delete(u, "service_tier")
	delete(u, "inference_geo")
	for _, field := range []string{"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"} {
		switch x.b.DeltaUsage {
		case "none":
			delete(u, field)
		case "zero":
			u[field] = 0
		case "null":
			u[field] = nil
		}
	}
	return u
}

// block sends what a content block holds.
func (s *stream) block(i int, b block) bool {
	delta := func(kind, field, value string) bool {
		return s.typed("content_block_delta", map[string]any{"index": i,
			"delta": map[string]any{"type": kind, field: value}})
	}
	switch {
	case b.think:
		return s.pace(s.p.reasoning) && delta("thinking_delta", "thinking", b.done["thinking"].(string)) &&
			delta("signature_delta", "signature", fakeSignature)
	case b.search:
		return delta("input_json_delta", "partial_json", `{"query":"fake"}`)
	case b.call != nil:
		return delta("input_json_delta", "partial_json", "") && s.args(*b.call, func(piece string) bool {
			return delta("input_json_delta", "partial_json", piece)
		})
	case b.text:
		var buf []byte
		return s.text(func(_ int, t []byte) bool {
			buf = append(buf[:0], `{"type":"content_block_delta","index":`...)
			buf = strconv.AppendInt(buf, int64(i), 10)
			buf = append(append(buf, `,"delta":{"type":"text_delta","text":`...), s.quoted(t)...)
			buf = append(buf, "}}"...)
			return s.send("content_block_delta", buf)
		})
	}
	return true
}
