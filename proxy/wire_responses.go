package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/policy"
)

// responses is OpenAI's Responses API. Fields as in openai-python
// types/responses (response_create_params.py, response_input_item_param.py,
// tool_param.py, response.py, response_usage.py).
type responses struct{}

func (responses) name() string                     { return policy.Responses }
func (responses) path(policy.Model, string) string { return "/responses" }
func (responses) refusal(f fault) []byte           { return openAIError(f) }

// responsesFields are the top-level fields whose meaning for the price is known.
var responsesFields = fieldSet(`access_programs background background_options client_metadata
	context_management conversation image include input instructions max_output_tokens max_tool_calls
	metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key
	prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream
	stream_options temperature text tool_choice tools top_logprobs top_p truncation user`)

func (responses) read(_ *http.Request, body object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:       policy.Responses,
		Model:      body.get("model").text(),
		Stream:     body.get("stream").truth(),
		OutputCap:  body.count("max_output_tokens", 0),
		Outputs:    1,
		Tier:       body.get("service_tier").text(),
		Background: body.get("background").truth(),
		Unknown:    body.unknown(responsesFields),
	}
	if n := body.get("instructions"); !n.isNull() {
		c.Messages++
	}
	switch input := body.get("input"); input.kind() {
	case '[':
		body.each("input", func(item object) { responsesItem(item, &c) })
	case '"':
		c.Messages++
	case 0, 'n': // a prompt template may stand for it
	default:
		body.fault("input is neither text nor a list")
	}
	responsesTools(body, &c)
	choice := body.get("tool_choice")
	c.ToolChoice = !choice.isNull() && choice.text() != "none" && choice.text() != "auto"
	c.CacheWrite1h = body.child("prompt_cache_options").get("ttl").text() == "12h"
	for _, name := range []string{"previous_response_id", "conversation", "prompt", "background_options"} {
		if !empty(body.get(name)) {
			c.Hidden = append(c.Hidden, name)
		}
	}
	// Compacting reads the context once more before it goes on.
	if !empty(body.get("context_management")) {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "compaction", MaxUses: 1})
	}
	// One bound for all the provider's own tools together.
	if n := body.count("max_tool_calls", 0); n != nil {
		for i := range c.Hosted {
			if c.Hosted[i].MaxUses == 0 {
				c.Hosted[i].MaxUses = max(*n, 1)
			}
		}
	}
	return c, *body.err
}

// responsesItems are the kinds of input that hold all their content.
var responsesItems = fieldSet(`function_call custom_tool_call web_search_call file_search_call
	computer_call reasoning compaction local_shell_call local_shell_call_output shell_call
	shell_call_output apply_patch_call apply_patch_call_output mcp_list_tools mcp_approval_request
	mcp_approval_response mcp_call tool_search_call configuration_update program program_output`)

// responsesItem reads one input item.
func responsesItem(item object, c *policy.Call) {
	c.Messages++
	t := item.get("type").text()
	if t == "" && !item.get("role").isNull() {
		t = "message"
	}
	switch t {
	case "message":
		item.each("content", func(p object) { responsesPart(p, c) })
	case "function_call_output", "custom_tool_call_output":
		item.each("output", func(p object) { responsesPart(p, c) })
	case "computer_call_output":
		responsesPart(item.child("output"), c)
	case "additional_tools", "tool_search_output":
		responsesTools(item, c)
	case "image_generation_call":
		c.Images = append(c.Images, storedImage(item.get("result")))
	case "code_interpreter_call":
		c.Hidden = append(c.Hidden, t) // its output may be images by URL
	default:
		if !responsesItems[t] {
			c.Hidden = append(c.Hidden, firstOf(clip(t, 40), "item_reference"))
		}
	}
}

// responsesPart reads one part of a message or of a tool's output.
func responsesPart(part object, c *policy.Call) {
	switch t := part.get("type").text(); t {
	case "input_text", "output_text", "text", "summary_text", "reasoning_text", "refusal":
	case "input_image", "computer_screenshot":
		c.Images = append(c.Images, imageOf(part.get("image_url"), part.get("detail").text()))
	case "input_audio":
		audio := part.child("input_audio")
		c.Audio = append(c.Audio, policy.Media{Bytes: base64Len(audio.get("data")), Type: audio.get("format").text()})
	case "input_file":
		c.Files = append(c.Files, fileOf(part.get("file_data")))
	default:
		c.Files = append(c.Files, policy.Media{Type: clip(t, 40), Remote: true})
	}
}

// responsesTools reads the tools of a request, or of an item that adds some.
// What the client runs itself (local shell, patches, a computer) costs like a
// function; what the provider runs is hosted.
func responsesTools(o object, c *policy.Call) {
	o.each("tools", func(t object) {
		c.Tools++
		kind := t.get("type").text()
		switch kind {
		case "function", "custom":
			c.AddTool(t.get("name").text())
			return
		case "namespace":
			c.Tools--
			responsesTools(t, c)
			return
		}
		c.AddTool("")
		switch kind {
		case "local_shell", "apply_patch", "computer", "computer_use_preview":
			return
		case "shell":
			if env := t.child("environment"); env.get("type").text() == "local" {
				return
			}
		case "tool_search":
			if t.get("execution").text() == "client" {
				return
			}
		}
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: clip(kind, 60)})
	})
}

func (responses) edit(body object, e edit) []splice {
	var edits []splice
	if e.model != "" {
		edits = append(edits, body.set("model", quote(e.model)))
	}
	if e.cap > 0 {
		if n := body.count("max_output_tokens", 0); n == nil || *n > e.cap {
			// Smaller ones are refused by the API.
			edits = append(edits, body.set("max_output_tokens", strconv.FormatInt(max(e.cap, 16), 10)))
		}
	}
	return edits
}

func (responses) meter(e edit) meter { return &responsesMeter{edit: e} }

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
