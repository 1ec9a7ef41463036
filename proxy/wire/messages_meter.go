package wire

import (
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

func meterMessages(e Edit) Meter { return &messagesMeter{Edit: e, open: -1} }

// messagesMeter reads messages. Usage comes in two halves, with message_start and, in
// cumulative figures, with message_delta. It is complete when the second half has come.
type messagesMeter struct {
	Edit
	usage   messagesUsage
	counted bool  // the output has been counted to the end
	open    int64 // the content block being written; -1: none
}

func (m *messagesMeter) Whole(status int, body []byte, r *Reading) []Splice {
	o, ok := answered(status, body, r, m.own)
	if !ok {
		return nil
	}
	m.failed(o, "", r)
	m.named(o, r)
	r.Finished = true
	o.list("content", func(b Object) { m.block(b, r) })
	m.usage.ReadIn(o, usageIn(o), m.host())
	cleared(o, r)
	r.Known = m.usage.input != nil && m.usage.output != nil
	m.usage.writeTo(m.Edit, r)
	return mask(o, "model", m.Masked)
}

func (m *messagesMeter) Event(e Event, r *Reading) (drop bool, edits []Splice) {
	if e.Data == nil {
		return false, nil
	}
	o, ok := r.parse(e.Data)
	if !ok {
		return false, nil
	}
	switch o.Get("type").Text() {
	case "message_start":
		message := o.member("message")
		m.named(message, r)
		message.list("content", func(b Object) { m.block(b, r) })
		m.usage.ReadIn(message, usageOf(message), m.host())
		m.usage.writeTo(m.Edit, r)
		edits = mask(message, "model", m.Masked)
	case "content_block_start":
		m.open, _ = o.Get("index").integer()
		m.block(o.member("content_block"), r)
	case "content_block_delta":
		m.delta(o.child("delta"), r)
	case "content_block_stop":
		m.open = -1
	case "message_delta":
		cleared(o, r)
		usage := o.child("usage")
		m.usage.ReadIn(o, usage.Span, m.host())
		m.counted = m.counted || !usage.Get("output_tokens").isNull()
		r.Finished = r.Finished || !o.child("delta").Get("stop_reason").isNull()
		m.usage.writeTo(m.Edit, r)
	case "message_stop":
		r.Finished = true
	default:
		m.failed(o, e.Name, r)
		if usage := usageIn(o); usage.Kind() == '{' {
			m.usage.ReadIn(o, usage, m.host())
			m.usage.writeTo(m.Edit, r)
		}
	}
	r.Known = m.counted && m.usage.input != nil && r.Finished
	return false, edits
}

// cleared notes that the provider took content of the request away.
func cleared(o Object, r *Reading) {
	r.Beyond = r.Beyond || !empty(o.child("context_management").Get("applied_edits"))
}

// failed notes an error in the place of an answer, or of an event.
func (m *messagesMeter) failed(o Object, name string, r *Reading) {
	if fails(o, name) {
		r.Failed, r.Own = true, r.Own || m.own(o)
	}
}

// own tells whether an error is the API's own. Its type says so, except at known hosts that
// mainly speak OpenAI's dialects.
func (m *messagesMeter) own(o Object) bool {
	host := m.host()
	return (o.Get("type").Text() == "error" || host.Name != "" && host.Type == policy.TypeOpenAI) && ownError(o, host)
}

// named reads who answers.
func (m *messagesMeter) named(message Object, r *Reading) {
	r.Model = message.Get("model").Text()
	r.Answer = plain.Clip(message.Get("id").Text(), 200)
	r.By = plain.Clip(message.Get("provider").Text(), 60)
}

// block counts what a content block shows. Thinking that is shown may be a summary of
// more, and redacted thinking is not shown at all.
func (m *messagesMeter) block(b Object, r *Reading) {
	switch b.Get("type").Text() {
	case "thinking", "redacted_thinking", "compaction":
		r.Hidden = true
		r.Beyond = r.Beyond || b.Get("type").Text() == "compaction"
	case "tool_use", "server_tool_use", "mcp_tool_use":
		r.Beyond = r.Beyond || b.Get("type").Text() != "tool_use"
		r.Tools = append(r.Tools, b.word("name"))
		if input := b.Get("input"); !empty(input) {
			r.Seen += int64(input.end - input.start)
		}
	}
	r.Seen += int64(b.Get("text").textLen() + b.Get("thinking").textLen() + b.Get("data").textLen())
}

func (m *messagesMeter) delta(d Object, r *Reading) {
	before := r.Seen
	for _, name := range []string{"text", "partial_json", "thinking", "content"} {
		r.Seen += int64(d.Get(name).textLen())
	}
	if r.Seen > before {
		r.Deltas++
	}
}

// Cut ends the block that is open and the message.
func (m *messagesMeter) Cut(r *Reading) []byte {
	var b strings.Builder
	if m.open >= 0 {
		b.WriteString("event: content_block_stop\ndata: " + `{"type":"content_block_stop","index":` + strconv.FormatInt(m.open, 10) + "}\n\n")
	}
	b.WriteString("event: message_delta\ndata: " +
		`{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":` +
		strconv.FormatInt(max(r.Outputs, r.Deltas), 10) + "}}\n\nevent: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n")
	return []byte(b.String())
}
