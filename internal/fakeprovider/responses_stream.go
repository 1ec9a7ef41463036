package fakeprovider

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// responseItem is one item of a response's output, as it begins and as it is
// when it is done.
type responseItem struct {
	id          string
	begun, done map[string]any
	call        *plannedCall // a function call
	text        bool         // the message
	search      bool
}

// responseItems are the items of the answer, in order.
func responseItems(x *exchange) []responseItem {
	var items []responseItem
	o := &x.plan.outputs[0]
	if o.reasoning > 0 {
		id := ident("rs_", x.e.ID)
		item := map[string]any{"id": id, "type": "reasoning", "summary": []any{}}
		done := maps.Clone(item)
		if q := x.call.asked.(*responsesRequest); slices.Contains(q.Include, "reasoning.encrypted_content") {
			done["encrypted_content"] = strings.Repeat("fake", int(o.reasoning)) // sent back, as many tokens
		}
		items = append(items, responseItem{id: id, begun: item, done: done})
	}
	for i := range x.plan.usage.Searches {
		id := ident("ws_", x.e.ID*64+i)
		item := func(status string) map[string]any {
			return map[string]any{"id": id, "type": "web_search_call", "status": status,
				"action": map[string]any{"type": "search", "query": "fake", "queries": []string{"fake"}}}
		}
		items = append(items, responseItem{id: id, begun: item("in_progress"), done: item("completed"), search: true})
	}
	status := "completed"
	if o.length {
		status = "incomplete"
	}
	for i := range o.calls {
		c := &o.calls[i]
		id := ident("fc_", x.e.ID*64+int64(i))
		item := func(status, args string) map[string]any {
			return map[string]any{"id": id, "type": "function_call", "status": status, "arguments": args,
				"call_id": c.id, "name": c.name}
		}
		items = append(items, responseItem{id: id, begun: item("in_progress", ""), done: item(status, c.args), call: c})
	}
	if len(o.calls) == 0 {
		id := ident("msg_", x.e.ID)
		item := func(status string, content ...any) map[string]any {
			return map[string]any{"id": id, "type": "message", "status": status, "role": "assistant",
				"content": append([]any{}, content...)}
		}
		part := textPart(o.words.text(0, o.tokens))
		items = append(items, responseItem{id: id, begun: item("in_progress"), done: item(status, part), text: true})
	}
	return items
}

func textPart(text string) map[string]any {
	return map[string]any{"type": "output_text", "annotations": []any{}, "logprobs": []any{}, "text": text}
}

// numbered sends the numbered events of one streamed response.
type numbered struct {
	s   *stream
	seq int64
	buf []byte
}

func (n *numbered) send(name string, fields map[string]any) bool {
	if fields == nil {
		fields = map[string]any{}
	}
	fields["type"], fields["sequence_number"] = name, n.seq
	n.seq++
	return n.s.send(name, marshal(fields))
}

// delta sends a piece of text; there are many, so it is built by hand.
func (n *numbered) delta(index int, item, piece string) bool {
	b := append(n.buf[:0], `{"type":"response.output_text.delta","sequence_number":`...)
	b = strconv.AppendInt(b, n.seq, 10)
	b = append(append(append(b, `,"item_id":"`...), item...), `","output_index":`...)
	b = strconv.AppendInt(b, int64(index), 10)
	b = append(append(b, `,"content_index":0,"delta":`...), piece...)
	b = append(b, `,"logprobs":[]`...)
	if n.s.c.obfuscate {
		b = append(append(b, `,"obfuscation":"`...), obfuscation[:n.seq%int64(len(obfuscation))]...)
		b = append(b, '"')
	}
	n.seq++
	n.buf = append(b, '}')
	return n.s.send("response.output_text.delta", n.buf)
}

func (responses) events(s *stream) {
	n, x := &numbered{s: s}, s.x
	begun := map[string]any{"response": responseObject(x, "in_progress", nil)}
	if !n.send("response.created", begun) || !n.send("response.in_progress", begun) {
		return
	}
	var output []any
	for i, item := range responseItems(x) {
		if !n.send("response.output_item.added", map[string]any{"output_index": i, "item": item.begun}) ||
			!n.inside(i, item) ||
			!n.send("response.output_item.done", map[string]any{"output_index": i, "item": item.done}) {
			return
		}
		output = append(output, item.done)
	}
	if !s.ended() {
		return
	}
	o := completed(x, output)
	x.store(o)
	last := "response." + o.Status
	s.last(last, marshal(map[string]any{"type": last, "sequence_number": n.seq, "response": o}))
}

// inside sends what comes between an item's beginning and its end.
func (n *numbered) inside(i int, item responseItem) bool {
	at := func(more map[string]any) map[string]any {
		m := map[string]any{"output_index": i, "item_id": item.id}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	switch {
	case item.search:
		return n.send("response.web_search_call.in_progress", at(nil)) &&
			n.send("response.web_search_call.searching", at(nil)) &&
			n.send("response.web_search_call.completed", at(nil))
	case item.call != nil:
		const name = "response.function_call_arguments."
		return n.s.args(*item.call, func(piece string) bool {
			return n.send(name+"delta", at(map[string]any{"delta": piece}))
		}) && n.send(name+"done", at(map[string]any{"arguments": item.call.args, "name": item.call.name}))
	case item.text:
		content := item.done["content"].([]any)[0].(map[string]any)
		return n.send("response.content_part.added", at(map[string]any{"content_index": 0, "part": textPart("")})) &&
			n.s.text(func(_ int, t []byte) bool { return n.delta(i, item.id, string(n.s.quoted(t))) }) &&
			n.send("response.output_text.done", at(map[string]any{"content_index": 0, "text": content["text"], "logprobs": []any{}})) &&
			n.send("response.content_part.done", at(map[string]any{"content_index": 0, "part": content}))
	default: // reasoning that is not shown
		n.s.generated(n.s.p.reasoning)
		return true
	}
}

func (responses) errorEvent(s *stream) {
	s.send("error", marshal(map[string]any{"type": "error", "sequence_number": s.events, "code": "server_error",
		"message": serverError.message, "param": nil}))
}

// failed ends the stream with response.failed. Its usage is what was generated
// so far, or null when that is nothing.
func (responses) failed(s *stream) {
	o := responseObject(s.x, "failed", nil)
	o.Error = map[string]any{"code": "server_error", "message": serverError.message}
	switch {
	case s.x.b.NoUsage:
		o.Usage = nil
	case s.x.made > 0 && !s.x.b.NullUsage:
		o.Usage = responsesUsage(s.x, min(s.x.plan.usage.Output, s.x.made+s.x.b.GenerateAhead))
	}
	s.send("response.failed", marshal(map[string]any{"type": "response.failed", "sequence_number": s.events, "response": o}))
}
