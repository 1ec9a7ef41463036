package wire

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

func meterGemini(e Edit) Meter { return &geminiMeter{Edit: e} }

// geminiMeter reads answers and chunks, which look the same. Usage is cumulative and
// comes with every chunk: it is complete at the end of the answer.
type geminiMeter struct {
	Edit
	usage   geminiUsage
	choices choices
	last    string // usageMetadata as last told, JSON text
}

// Whole reads one answer, or the list of chunks that a stream is without alt=sse.
func (m *geminiMeter) Whole(status int, body []byte, r *Reading) []Splice {
	doc, ok := r.value(body)
	if !ok {
		return nil
	}
	var edits []Splice
	if doc.Kind() == '[' {
		doc.elements(func(s Span) { edits = append(edits, m.answer(status, s.Object(&r.Doubt), r)...) })
	} else {
		edits = m.answer(status, doc.Object(&r.Doubt), r)
		r.Finished = status < 400
		r.Known = m.usage.counted(r) // a refusal may also tell what it cost
	}
	return edits
}

func (m *geminiMeter) Event(e Event, r *Reading) (drop bool, edits []Splice) {
	if e.Data == nil {
		return false, nil
	}
	o, ok := r.parse(e.Data)
	if !ok {
		return false, nil
	}
	return false, m.answer(http.StatusOK, o, r)
}

func (m *geminiMeter) answer(status int, o Object, r *Reading) []Splice {
	if own := ownError(o, m.host()); status >= 400 {
		r.Refused = own && o.proto("usage_metadata").isNull()
	} else if fails(o, "") {
		r.Failed, r.Own = true, r.Own || own
	}
	r.Answer = firstOf(plain.Clip(o.proto("response_id").Text(), 200), r.Answer)
	r.Model = firstOf(o.proto("model_version").Text(), r.Model)
	o.list("candidates", func(c Object) { m.candidate(c, r) })
	// A prompt that was blocked has no candidates.
	blocked := !o.protoChild("prompt_feedback").proto("block_reason").isNull()
	r.Finished = r.Finished || blocked || m.choices.over(m.Call.Outputs)
	fault := ""
	for _, member := range o.members {
		if sameField(member.name, "usage_metadata") && member.value.Kind() == '{' { // the greater counts, where it stands twice
			m.usage.Read(member.value)
			fault = firstOf(fault, m.usage.fault)
			m.usage.fault = fault
		}
	}
	if usage := o.proto("usage_metadata"); usage.Kind() == '{' {
		m.last = plain.Clip(string(usage.raw()), 4096)
		m.usage.writeTo(m.Call, r)
	}
	r.Known = r.Finished && m.usage.counted(r)
	return mask(o, o.protoName("model_version"), m.Masked)
}

func (m *geminiMeter) candidate(c Object, r *Reading) {
	before := r.Seen
	c.member("content").list("parts", func(p Object) {
		if p.Get("thought").Truth() {
			r.Hidden = true // a summary of what is billed
		}
		r.Seen += int64(p.Get("text").textLen())
		for _, name := range []string{"function_call", "executable_code", "inline_data"} {
			part := p.proto(name)
			r.Seen += int64(part.end - part.start)
		}
		for _, name := range []string{"executable_code", "code_execution_result", "tool_call", "tool_response"} { // Google's own
			r.Beyond = r.Beyond || !empty(p.proto(name))
		}
		if f := p.protoMember("function_call"); f.Kind() == '{' {
			r.Tools = append(r.Tools, f.word("name"))
		}
	})
	if r.Seen > before {
		r.Deltas++
	}
	index, _ := c.Get("index").integer()
	m.choices.saw(index, !c.proto("finish_reason").isNull())
	r.Beyond = r.Beyond || !empty(c.proto("grounding_metadata")) || !empty(c.proto("url_context_metadata"))
	r.Usage.Searches = max(r.Usage.Searches, groundings(c.protoChild("grounding_metadata"), r.Model))
}

// Cut is the last chunk of an answer that reached its cap.
func (m *geminiMeter) Cut(r *Reading) []byte {
	var b bytes.Buffer
	b.WriteString(`data: {"candidates":[`)
	for i, index := range m.choices.open() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"MAX_TOKENS","index":` + strconv.FormatInt(index, 10) + `}`)
	}
	usage := m.last
	if _, err := Parse([]byte(usage)); err != nil {
		usage = `{"candidatesTokenCount":` + strconv.FormatInt(max(r.Outputs, r.Deltas), 10) + `}`
	}
	b.WriteString(`],"usageMetadata":` + usage + `,"modelVersion":` + Quote(shown(m.Masked, r.Model)) + "}\r\n\r\n")
	return b.Bytes()
}
