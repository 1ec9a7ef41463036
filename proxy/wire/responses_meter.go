package wire

import (
	"slices"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// responsesMeter reads responses. Only the terminal event, whatever its name, has usage: by
// that it is recognized.
type responsesMeter struct {
	Edit
	id       string
	created  string // JSON text
	sequence int64
	items    []byte // the output items that are done, as JSON text
	text     []byte // of the item being written, as JSON text without quotes
	item     string // its id
	part     int64  // bytes of the part being written that have been counted
	unseen   bool   // whether output was hidden before the reasoning item being written
	called   string // tool of the call being written, which is counted already
}

func (m *responsesMeter) Whole(status int, body []byte, r *Reading) []Splice {
	o, ok := answered(status, body, r, m.own)
	if !ok {
		return nil
	}
	m.response(o, r)
	state := o.Get("status").Text()
	if state == "failed" || state == "" && fails(o, "") {
		r.Failed, r.Own = true, m.own(o)
	}
	r.Finished = state != "queued" && state != "in_progress"
	o.list("output", func(item Object) {
		responsesCalls(item, r)
		item.each("content", func(p Object) { r.Seen += int64(p.Get("text").textLen() + p.Get("refusal").textLen()) })
		r.Seen += int64(item.Get("arguments").textLen() + item.Get("input").textLen())
	})
	return mask(o, "model", m.Masked)
}

func (m *responsesMeter) Event(e Event, r *Reading) (drop bool, edits []Splice) {
	if e.Data == nil {
		return false, nil
	}
	o, ok := r.parse(e.Data)
	if !ok {
		return false, nil
	}
	if n, err := o.Get("sequence_number").integer(); err == nil {
		m.sequence = n
	}
	kind, seen := firstOf(o.Get("type").Text(), e.Name), r.Seen
	switch {
	case fails(o, kind):
		r.Failed, r.Own = true, r.Own || m.own(o)
		responsesUsage.ReadIn(o, usageIn(o), m.Edit, r)
	case kind == "response.output_item.added":
		m.added(o.member("item"), r)
	case kind == "response.output_item.done":
		m.done(o.member("item"), r)
	case strings.HasSuffix(kind, ".delta"):
		m.delta(kind, o.Get("delta"), r)
	case strings.HasSuffix(kind, ".done"):
		// Some providers send a part only when it is complete.
		for _, name := range []string{"text", "refusal", "arguments", "input", "code"} {
			r.Seen += max(0, int64(o.Get(name).textLen())-m.part)
		}
		m.part = 0
		r.named(o.word("name"))
	}
	r.Known = r.Known && (r.Finished || r.Seen == seen) // usage does not include output that comes later
	response := o.member("response")
	if response.Kind() != '{' {
		return false, nil
	}
	m.response(response, r)
	switch kind {
	case "response.created", "response.queued", "response.in_progress":
		r.Known = false
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		r.Finished = true
		// Some providers send a tool call only here.
		response.list("output", func(item Object) {
			if calls(item) {
				r.named(item.word("name"))
			}
		})
		if kind == "response.failed" && !r.Known {
			r.Failed, r.Own = true, r.Own || m.own(response)
		}
	}
	return false, mask(response, "model", m.Masked)
}

// response reads the response object: a whole answer is one, and some events carry one.
func (m *responsesMeter) response(o Object, r *Reading) {
	m.id = firstOf(plain.Clip(o.Get("id").Text(), 200), m.id)
	r.ID = m.id
	if at := o.Get("created_at"); !at.isNull() {
		m.created = plain.Clip(string(at.raw()), 40)
	}
	r.Model = firstOf(o.Get("model").Text(), r.Model)
	r.Answer = firstOf(m.id, r.Answer)
	r.By = firstOf(plain.Clip(o.Get("provider").Text(), 60), r.By)
	r.Tier = firstOf(tierOf(o), r.Tier)
	read := responsesUsage.ReadIn(o, usageIn(o), m.Edit, r)
	m.tools(o, r)
	switch state := o.Get("status").Text(); {
	case read && state != "queued" && state != "in_progress":
		r.Known = true
	case read:
		r.Known = false // it goes on
	}
}

// tools counts the fees of the provider's own tools: as the provider says (tool_usage),
// else by their calls among the output. To open a page, and to find something in it,
// costs nothing.
func (m *responsesMeter) tools(o Object, r *Reading) {
	var searches, files int64
	o.each("output", func(item Object) {
		ran(item, r)
		switch item.Get("type").Text() {
		case "web_search_call":
			if action := item.child("action").Get("type").Text(); action == "" || action == "search" {
				searches++
			}
		case "file_search_call":
			files++
		case "code_interpreter_call", "image_generation_call":
			r.Unclear = "a hosted tool whose fee no usage tells"
		}
	})
	usage := o.child("tool_usage")
	if n := usage.child("web_search").Count("num_requests", 0); n != nil {
		searches = *n
	}
	r.Usage.Searches = max(r.Usage.Searches, searches+files)
	if s := strange(usage, fieldSet("web_search")); s != "" {
		r.Unclear = "tool_usage has " + plain.Clip(s, 60)
	}
}

// ran notes that the provider has used a tool of its own, or has compacted the context.
func ran(item Object, r *Reading) {
	switch t := item.Get("type").Text(); t {
	case "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call":
	default:
		r.Beyond = r.Beyond || t == "compaction" || strings.HasSuffix(t, "_call")
	}
}

// added begins an output item. The reasoning of a reasoning item is hidden unless its own
// text comes.
func (m *responsesMeter) added(item Object, r *Reading) {
	ran(item, r)
	m.unseen, m.part, m.text = r.Hidden, 0, m.text[:0]
	m.item = ""
	// A denied call must be known before its arguments are through.
	if m.called = item.Get("name").Text(); m.called != "" {
		responsesCalls(item, r)
	}
	switch item.Get("type").Text() {
	case "reasoning", "compaction":
		r.Hidden = true
	case "message":
		m.item = firstOf(plain.Clip(item.Get("id").Text(), 200), "msg_aex")
	}
}

func (m *responsesMeter) delta(kind string, delta Span, r *Reading) {
	n := int64(delta.textLen())
	if n == 0 {
		return
	}
	r.Seen += n
	m.part += n
	switch kind {
	case "response.reasoning_summary_text.delta":
		return // a summary by another model, made after the tokens that are billed
	case "response.reasoning_text.delta":
		r.Hidden = m.unseen
	case "response.output_text.delta":
		if raw := delta.raw(); len(m.items)+len(m.text)+len(raw) <= maxKept {
			m.text = append(m.text, raw[1:len(raw)-1]...)
		}
	}
	r.Deltas++
}

// done ends an output item.
func (m *responsesMeter) done(item Object, r *Reading) {
	ran(item, r)
	if name := item.Get("name").Text(); name == "" || name != m.called {
		responsesCalls(item, r)
	}
	m.called = ""
	m.text, m.item, m.part = m.text[:0], "", 0
	if raw := item.raw(); item.Kind() == '{' && len(m.items)+len(raw) <= maxKept {
		if len(m.items) > 0 {
			m.items = append(m.items, ',')
		}
		m.items = append(m.items, raw...)
	}
}

// responsesCalls notes a call of a tool.
func responsesCalls(item Object, r *Reading) {
	if calls(item) {
		r.Tools = append(r.Tools, item.word("name"))
	}
}

// calls tells whether an item is a call of a tool that has a name.
func calls(item Object) bool {
	switch item.Get("type").Text() {
	case "function_call", "custom_tool_call", "mcp_call":
		return true
	}
	return false
}

// named notes a tool that is called, unless it is noted already.
func (r *Reading) named(tool string) {
	if tool != "" && !slices.Contains(r.Tools, tool) {
		r.Tools = append(r.Tools, tool)
	}
}

// maxKept bounds the output that is kept, for Cut to tell what has come.
const maxKept = 256 << 10

// Cut is the terminal event of an answer that reached its cap, with what came.
func (m *responsesMeter) Cut(r *Reading) []byte {
	items := string(m.items)
	if m.item != "" {
		if items != "" {
			items += ","
		}
		items += `{"id":` + Quote(m.item) + `,"type":"message","role":"assistant","status":"incomplete","content":[` +
			`{"type":"output_text","annotations":[],"logprobs":[],"text":"` + string(m.text) + `"}]}`
	}
	return []byte("event: response.incomplete\ndata: " +
		`{"type":"response.incomplete","sequence_number":` + strconv.FormatInt(m.sequence+1, 10) +
		`,"response":{"id":` + Quote(m.id) + `,"object":"response","created_at":` + firstOf(m.created, "0") +
		`,"status":"incomplete","error":null,"incomplete_details":{"reason":"max_output_tokens"},"instructions":null` +
		`,"metadata":{},"model":` + Quote(shown(m.Masked, r.Model)) + `,"output":[` + items +
		`],"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":null}}` + "\n\n")
}
