package proxy

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// messages is Anthropic's Messages API. Fields as in anthropic-sdk-python
// types/beta/message_create_params.py, beta_tool_union_param.py,
// beta_content_block_param.py and beta_usage.py.
type messages struct{}

func (messages) name() string                     { return policy.Messages }
func (messages) path(policy.Model, string) string { return "/v1/messages" }

// refusal has the shape of types/beta_error_response.py.
func (messages) refusal(f fault) []byte {
	return []byte(`{"type":"error","error":{"type":` + quote(faults[f.code].anthropic) +
		`,"message":` + quote(f.message) + `},"request_id":null}`)
}

// messagesFields are the top-level fields whose meaning for the price is known.
var messagesFields = fieldSet(`billing_policy cache_control compaction container context_management
	diagnostics fallback_credit_token fallbacks inference_geo max_tokens mcp_servers messages metadata
	model output_config output_format service_tier speed stop_sequences stream system temperature
	thinking thread tool_choice tools top_k top_p user_profile_id`)

func (messages) read(_ *http.Request, body object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:      policy.Messages,
		Model:     body.get("model").text(),
		Stream:    body.get("stream").truth(),
		OutputCap: body.count("max_tokens", 0),
		Outputs:   1,
		Tier:      body.get("service_tier").text(),
		Geo:       body.get("inference_geo").text(),
		Fast:      body.get("speed").text() == "fast",
		Unknown:   body.unknown(messagesFields),
	}
	if body.get("messages").kind() != '[' {
		body.fault("messages is not a list")
	}
	if !body.get("system").isNull() {
		c.Messages++
		contentBlocks(body, "system", &c, 0)
	}
	body.each("messages", func(m object) {
		c.Messages++
		contentBlocks(m, "content", &c, 0)
	})
	cacheControl(body, "cache_control", &c)
	messagesTools(body, &c)
	messagesHidden(body, &c)
	if thinking := body.child("thinking"); thinking.get("type").text() == "enabled" {
		c.ThinkingCap = value(thinking.count("budget_tokens", 0))
	}
	switch body.child("tool_choice").get("type").text() {
	case "any", "tool":
		c.ToolChoice = true
	}
	return c, *body.err
}

// messagesHidden reads what brings in content, or other models, from elsewhere.
func messagesHidden(body object, c *policy.Call) {
	for _, name := range []string{"container", "thread"} {
		if !empty(body.get(name)) {
			c.Hidden = append(c.Hidden, name)
		}
	}
	// A substitute model may be a dearer one, and a declined try is billed too.
	if !empty(body.get("fallbacks")) {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "fallbacks"})
	}
	body.child("context_management").each("edits", func(e object) {
		// The other edits only take content away. Compacting reads it all once more.
		if !strings.HasPrefix(e.get("type").text(), "clear_") {
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: "compaction", MaxUses: 1})
		}
	})
	if !empty(body.get("compaction")) {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "compaction", MaxUses: 1})
	}
}

// cacheControl notes a cache write that the request asks for.
func cacheControl(o object, name string, c *policy.Call) {
	control := o.child(name)
	switch {
	case control.kind() != '{':
	case control.get("ttl").text() == "1h":
		c.CacheWrite1h = true
	default:
		c.CacheWrite5m = true
	}
}

// maxBlocks bounds how deep content holds content: a message, a tool's result,
// a fetched page, its document, that document's blocks.
const maxBlocks = 8

// contentBlocks reads the blocks under name, and those within them.
func contentBlocks(o object, name string, c *policy.Call, depth int) {
	if depth > maxBlocks {
		o.fault("%s nests too deep", name)
		return
	}
	if v := o.child(name); v.kind() == '{' {
		contentBlock(v, c, depth)
		return
	}
	o.each(name, func(b object) { contentBlock(b, c, depth) })
}

func contentBlock(b object, c *policy.Call, depth int) {
	cacheControl(b, "cache_control", c)
	t := b.get("type").text()
	switch t {
	case "text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use", "compaction",
		"fallback", "tool_reference", "tool_removal":
	case "image":
		source := b.child("source")
		if source.get("type").text() == "base64" {
			c.Images = append(c.Images, storedImage(source.get("data")))
		} else {
			c.Images = append(c.Images, policy.Image{Remote: true})
		}
	case "document":
		source := b.child("source")
		switch source.get("type").text() {
		case "base64", "text":
			media := policy.Media{Bytes: base64Len(source.get("data")), Type: source.get("media_type").text()}
			c.Files = append(c.Files, media)
		case "content":
			contentBlocks(source, "content", c, depth+1)
		default:
			c.Files = append(c.Files, policy.Media{Remote: true})
		}
	case "container_upload":
		c.Files = append(c.Files, policy.Media{Remote: true})
	case "tool_addition":
		addTool(b.child("tool").child("definition"), c)
	case "search_result", "tool_result", "mcp_tool_result", "mcp_tool_listing", "web_search_result", "web_fetch_result":
		contentBlocks(b, "content", c, depth+1)
	default:
		// What the provider's own tools gave: their text is in the request,
		// their files and pictures may not be.
		if !strings.HasSuffix(t, "_tool_result") && !strings.HasSuffix(t, "_result") && !strings.HasSuffix(t, "_error") && t != "browser_state" {
			c.Files = append(c.Files, policy.Media{Type: clip(t, 40), Remote: true})
			return
		}
		contentBlocks(b, "content", c, depth+1)
	}
}

// clientTools are the beginnings of the types of tools that Anthropic defines
// and the client runs: they cost like tools that the client defines.
var clientTools = []string{"bash_", "text_editor_", "computer_", "memory_", "browser_toolset_"}

// messagesTools reads the tools.
func messagesTools(body object, c *policy.Call) {
	servers := 0
	body.each("mcp_servers", func(object) {
		servers++
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "mcp"})
		c.AddTool("")
	})
	body.each("tools", func(t object) {
		if servers > 0 && t.get("type").text() == "mcp_toolset" {
			cacheControl(t, "cache_control", c)
			return // counted with its server
		}
		addTool(t, c)
	})
}

func addTool(t object, c *policy.Call) {
	c.Tools++
	c.AddTool(t.get("name").text())
	cacheControl(t, "cache_control", c)
	kind := t.get("type").text()
	if kind == "" || kind == "custom" {
		return
	}
	for _, prefix := range clientTools {
		if strings.HasPrefix(kind, prefix) {
			return
		}
	}
	c.Hosted = append(c.Hosted, policy.HostedTool{Type: clip(kind, 60), MaxUses: value(t.count("max_uses", 1))})
}

func (messages) edit(body object, e edit) []splice {
	var edits []splice
	if e.model != "" {
		edits = append(edits, body.set("model", quote(e.model)))
	}
	if e.cap > 0 {
		if n := body.count("max_tokens", 0); n == nil || *n > e.cap {
			edits = append(edits, body.set("max_tokens", strconv.FormatInt(e.cap, 10)))
		}
	}
	return edits
}

func (messages) meter(e edit) meter { return &messagesMeter{edit: e, open: -1} }

// messagesMeter reads messages. Usage comes in two halves, message_start and
// message_delta, which is cumulative; it is whole when the second half came.
type messagesMeter struct {
	edit
	usage   messagesUsage
	counted bool  // the output has been counted to the end
	open    int64 // the content block being written; -1: none
}

func (m *messagesMeter) whole(status int, body []byte, r *reading) []splice {
	doc, err := parse(body)
	if err != nil {
		return nil
	}
	o := doc.object(new(error))
	if status >= 400 {
		if o.get("usage").isNull() {
			r.refused = o.get("type").text() == "error" && o.child("error").get("message").kind() == '"'
			return nil
		}
	}
	r.model = o.get("model").text()
	r.finished = true
	o.each("content", func(b object) { m.block(b, r) })
	m.usage.read(o.child("usage"))
	r.known = m.usage.input != nil && m.usage.output != nil
	m.usage.tell(m.call, r)
	return mask(o, "model", m.masked)
}

func (m *messagesMeter) event(e event, r *reading) (drop bool, edits []splice) {
	if e.data == nil {
		return false, nil
	}
	doc, err := parse(e.data)
	if err != nil {
		return false, nil
	}
	o := doc.object(new(error))
	switch o.get("type").text() {
	case "message_start":
		message := o.child("message")
		r.model = message.get("model").text()
		m.usage.read(message.child("usage"))
		m.usage.tell(m.call, r)
		edits = mask(message, "model", m.masked)
	case "content_block_start":
		m.open, _ = o.get("index").integer()
		m.block(o.child("content_block"), r)
	case "content_block_delta":
		m.delta(o.child("delta"), r)
	case "content_block_stop":
		m.open = -1
	case "message_delta":
		usage := o.child("usage")
		m.usage.read(usage)
		m.counted = m.counted || !usage.get("output_tokens").isNull()
		r.finished = r.finished || !o.child("delta").get("stop_reason").isNull()
		m.usage.tell(m.call, r)
	case "message_stop":
		r.finished = true
	case "error":
		r.failed = true
	}
	r.known = m.counted && m.usage.input != nil && r.finished
	return false, edits
}

// block counts what a content block shows. Thinking that passes may be a
// summary of more, and redacted thinking does not pass at all.
func (m *messagesMeter) block(b object, r *reading) {
	switch b.get("type").text() {
	case "thinking", "redacted_thinking", "compaction":
		r.hidden = true
	case "tool_use", "server_tool_use", "mcp_tool_use":
		r.tools = append(r.tools, b.get("name").text())
		if input := b.get("input"); !empty(input) {
			r.seen += int64(input.end - input.start)
		}
	}
	r.seen += int64(b.get("text").textLen() + b.get("thinking").textLen())
}

func (m *messagesMeter) delta(d object, r *reading) {
	before := r.seen
	for _, name := range []string{"text", "partial_json", "thinking", "content"} {
		r.seen += int64(d.get(name).textLen())
	}
	if r.seen > before {
		r.deltas++
	}
}

// cut ends the block that is open and the message.
func (m *messagesMeter) cut(r *reading) []byte {
	var b strings.Builder
	if m.open >= 0 {
		b.WriteString("event: content_block_stop\ndata: " + `{"type":"content_block_stop","index":` + strconv.FormatInt(m.open, 10) + "}\n\n")
	}
	b.WriteString("event: message_delta\ndata: " +
		`{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":` +
		strconv.FormatInt(max(r.outputs, r.deltas), 10) + "}}\n\nevent: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n")
	return []byte(b.String())
}
