package proxy

import (
	"strconv"
	"strings"
)

// responsesMeter reads responses. Usage comes with the terminal event alone,
// whichever its name: its presence is what counts.
type responsesMeter struct {
	edit
	id       string
	created  string // JSON text
	sequence int64
	items    []byte // the output items that are done, as JSON text
	text     []byte // of the item being written, as JSON text without quotes
	item     string // its id
	part     int64  // bytes of the part being written that have been counted
	unseen   bool   // hidden before the reasoning item being written began
	called   string // tool of the call being written: it is counted already
}

func (m *responsesMeter) whole(status int, body []byte, r *reading) []splice {
	doc, err := parse(body)
	if err != nil {
		return nil
	}
	o := doc.object(new(error))
	if status >= 400 {
		if o.get("usage").isNull() {
			r.refused = openAIRefused(o)
			return nil
		}
	}
	m.response(o, r)
	state := o.get("status").text()
	r.finished = state != "queued" && state != "in_progress"
	o.each("output", func(item object) {
		responsesCalls(item, r)
		item.each("content", func(p object) { r.seen += int64(p.get("text").textLen() + p.get("refusal").textLen()) })
		r.seen += int64(item.get("arguments").textLen() + item.get("input").textLen())
	})
	return mask(o, "model", m.masked)
}

func (m *responsesMeter) event(e event, r *reading) (drop bool, edits []splice) {
	if e.data == nil {
		return false, nil
	}
	doc, err := parse(e.data)
	if err != nil {
		return false, nil
	}
	o := doc.object(new(error))
	if n, err := o.get("sequence_number").integer(); err == nil {
		m.sequence = n
	}
	kind := firstOf(o.get("type").text(), e.name)
	switch {
	case kind == "error" || !o.get("error").isNull():
		r.failed = true
	case kind == "response.output_item.added":
		m.added(o.child("item"), r)
	case kind == "response.output_item.done":
		m.done(o.child("item"), r)
	case strings.HasSuffix(kind, ".delta"):
		m.delta(kind, o.get("delta"), r)
	case strings.HasSuffix(kind, ".done"):
		// Some send a part only when it is complete.
		for _, name := range []string{"text", "refusal", "arguments", "input", "code"} {
			r.seen += max(0, int64(o.get(name).textLen())-m.part)
		}
		m.part = 0
	}
	response := o.child("response")
	if response.kind() != '{' {
		return false, nil
	}
	m.response(response, r)
	switch kind {
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		r.finished = true
		r.failed = r.failed || kind == "response.failed" && !r.known
	}
	return false, mask(response, "model", m.masked)
}

// response reads the object that the whole answer is, and some events carry.
func (m *responsesMeter) response(o object, r *reading) {
	m.id = firstOf(clip(o.get("id").text(), 200), m.id)
	if at := o.get("created_at"); !at.isNull() {
		m.created = clip(string(at.raw()), 40)
	}
	r.model = firstOf(o.get("model").text(), r.model)
	r.tier = firstOf(o.get("service_tier").text(), r.tier)
	r.known = responsesUsage.read(o.get("usage"), m.call, r) || r.known
	m.tools(o, r)
}

// tools counts what the provider's own tools cost beside tokens: as it says
// itself (tool_usage), else by the calls among the output. Opening a page and
// finding in it cost nothing.
func (m *responsesMeter) tools(o object, r *reading) {
	var searches, files int64
	o.each("output", func(item object) {
		switch item.get("type").text() {
		case "web_search_call":
			if action := item.child("action").get("type").text(); action == "" || action == "search" {
				searches++
			}
		case "file_search_call":
			files++
		case "code_interpreter_call", "image_generation_call":
			r.unclear = "a hosted tool whose fee no usage tells"
		}
	})
	usage := o.child("tool_usage")
	if n := usage.child("web_search").count("num_requests", 0); n != nil {
		searches = *n
	}
	r.usage.Searches = max(r.usage.Searches, searches+files)
	if s := strange(usage, fieldSet("web_search")); s != "" {
		r.unclear = "tool_usage has " + clip(s, 60)
	}
}

// added begins an output item. What a reasoning item thinks does not pass
// unless its own text comes.
func (m *responsesMeter) added(item object, r *reading) {
	m.unseen, m.part, m.text = r.hidden, 0, m.text[:0]
	m.item = ""
	// A denied call must be known before its arguments are through.
	if m.called = item.get("name").text(); m.called != "" {
		responsesCalls(item, r)
	}
	switch item.get("type").text() {
	case "reasoning", "compaction":
		r.hidden = true
	case "message":
		m.item = firstOf(clip(item.get("id").text(), 200), "msg_aex")
	}
}

func (m *responsesMeter) delta(kind string, delta span, r *reading) {
	n := int64(delta.textLen())
	if n == 0 {
		return
	}
	r.seen += n
	m.part += n
	switch kind {
	case "response.reasoning_summary_text.delta":
		return // told by another model, after the tokens that are billed
	case "response.reasoning_text.delta":
		r.hidden = m.unseen
	case "response.output_text.delta":
		if raw := delta.raw(); len(m.items)+len(m.text)+len(raw) <= maxKept {
			m.text = append(m.text, raw[1:len(raw)-1]...)
		}
	}
	r.deltas++
}

// done ends an output item.
func (m *responsesMeter) done(item object, r *reading) {
	if name := item.get("name").text(); name == "" || name != m.called {
		responsesCalls(item, r)
	}
	m.called = ""
	m.text, m.item, m.part = m.text[:0], "", 0
	if raw := item.raw(); item.kind() == '{' && len(m.items)+len(raw) <= maxKept {
		if len(m.items) > 0 {
			m.items = append(m.items, ',')
		}
		m.items = append(m.items, raw...)
	}
}

// responsesCalls notes a call of a tool.
func responsesCalls(item object, r *reading) {
	switch item.get("type").text() {
	case "function_call", "custom_tool_call", "mcp_call":
		r.tools = append(r.tools, item.get("name").text())
	}
}

// maxKept bounds the output that is kept to tell, in cut, what came.
const maxKept = 256 << 10

// cut is the terminal event of an answer that reached its cap, with what came.
func (m *responsesMeter) cut(r *reading) []byte {
	items := string(m.items)
	if m.item != "" {
		if items != "" {
			items += ","
		}
		items += `{"id":` + quote(m.item) + `,"type":"message","role":"assistant","status":"incomplete","content":[` +
			`{"type":"output_text","annotations":[],"logprobs":[],"text":"` + string(m.text) + `"}]}`
	}
	return []byte("event: response.incomplete\ndata: " +
		`{"type":"response.incomplete","sequence_number":` + strconv.FormatInt(m.sequence+1, 10) +
		`,"response":{"id":` + quote(m.id) + `,"object":"response","created_at":` + firstOf(m.created, "0") +
		`,"status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"},"instructions":null` +
		`,"metadata":{},"model":` + quote(shown(m.masked, r.model)) + `,"output":[` + items +
		`],"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":null}}` + "\n\n")
}
