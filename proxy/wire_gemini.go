package proxy

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// gemini is Google's generateContent. Fields as in python-genai
// google/genai/types.py (GenerateContentConfig, Part, Tool). The API takes
// every name in camelCase and in snake_case.
type gemini struct{}

func (gemini) name() string { return policy.Gemini }

// path puts the model's name where the client had it.
func (gemini) path(m policy.Model, rest string) string {
	_, action := geminiRest(rest)
	name, version := strings.TrimPrefix(m.Sent, "models/"), "/v1beta/"
	if strings.HasPrefix(rest, stableGemini) {
		version = stableGemini
	}
	if strings.Contains(name, "/") { // tunedModels/x
		return version + (&url.URL{Path: name}).EscapedPath() + ":" + action
	}
	return version + "models/" + url.PathEscape(name) + ":" + action
}

// geminiRest splits models/M:action.
func geminiRest(rest string) (model, action string) {
	model, action, _ = strings.Cut(strings.TrimPrefix(rest, stableGemini), ":")
	return strings.TrimPrefix(model, "models/"), action
}

// refusal has the shape of google.rpc.Status.
func (gemini) refusal(f fault) []byte {
	row := faults[f.code]
	return []byte(`{"error":{"code":` + strconv.Itoa(row.status) + `,"message":` + quote(f.message) + `,"status":` + quote(row.gemini) + `}}`)
}

// geminiFields are the top-level fields whose meaning for the price is known.
var geminiFields = fieldSet(`cached_content contents generation_config generate_content_request labels model
	safety_settings service_tier store system_instruction tool_config tools`)

func (gemini) read(_ *http.Request, body object, rest string) (policy.Call, error) {
	model, action := geminiRest(rest)
	config := body.protoChild("generation_config")
	c := policy.Call{
		Wire:      policy.Gemini,
		Model:     model,
		Stream:    action == "streamGenerateContent",
		OutputCap: config.protoCount("max_output_tokens", 0),
		Outputs:   max(1, value(config.protoCount("candidate_count", 0))),
		Tier:      strings.ToLower(body.proto("service_tier").text()),
	}
	if c.Tier == "unspecified" {
		c.Tier = ""
	}
	for _, m := range body.members {
		if !geminiFields[snake(m.name)] {
			c.Unknown = append(c.Unknown, m.name)
		}
	}
	if n := config.protoChild("thinking_config").protoCount("thinking_budget", -1); n != nil {
		c.ThinkingCap = max(0, *n)
	}
	config.proto("response_modalities").elements(func(s span) {
		switch strings.ToUpper(s.text()) {
		case "AUDIO":
			c.AudioOut = true
		case "IMAGE", "VIDEO": // at prices of their own
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: "image_output"})
		}
	})
	if !body.proto("system_instruction").isNull() {
		c.Messages++
		geminiContent(body.protoChild("system_instruction"), &c)
	}
	// The API takes one content for a list of one.
	if one := body.child("contents"); one.kind() == '{' {
		c.Messages++
		geminiContent(one, &c)
	}
	body.each("contents", func(o object) {
		c.Messages++
		geminiContent(o, &c)
	})
	if !empty(body.proto("cached_content")) {
		c.Hidden = append(c.Hidden, "cached_content")
	}
	geminiTools(body, &c)
	mode := body.protoChild("tool_config").protoChild("function_calling_config").get("mode").text()
	c.ToolChoice = strings.EqualFold(mode, "ANY")
	return c, *body.err
}

// geminiParts are the members of a part that hold all their content, or none.
var geminiParts = fieldSet(`text thought thought_signature function_call executable_code code_execution_result
	tool_call tool_response video_metadata media_resolution part_metadata audio_transcription speech_metadata
	document_metadata spreadsheet_metadata audio_metadata media_processing`)

func geminiContent(content object, c *policy.Call) {
	if one := content.child("parts"); one.kind() == '{' {
		geminiPart(one, c, 0)
	}
	content.each("parts", func(p object) { geminiPart(p, c, 0) })
}

// geminiPart reads a part; a function's response may hold some of its own.
func geminiPart(p object, c *policy.Call, depth int) {
	for _, m := range p.members {
		switch name := snake(m.name); {
		case geminiParts[name]:
		case name == "inline_data":
			geminiMedia(p.protoChild("inline_data"), false, c)
		case name == "file_data":
			geminiMedia(p.protoChild("file_data"), true, c)
		case name == "function_response" && depth == 0:
			p.protoChild("function_response").each("parts", func(q object) { geminiPart(q, c, 1) })
		default:
			c.Hidden = append(c.Hidden, clip(m.name, 40))
		}
	}
}

func geminiMedia(blob object, remote bool, c *policy.Call) {
	kind := blob.proto("mime_type").text()
	data := blob.get("data")
	remote = remote || data.kind() != '"'
	media := policy.Media{Type: clip(kind, 80), Remote: remote}
	if !remote {
		media.Bytes = base64Len(data)
	}
	switch {
	case strings.HasPrefix(kind, "image/") && remote:
		c.Images = append(c.Images, policy.Image{Remote: true})
	case strings.HasPrefix(kind, "image/"):
		c.Images = append(c.Images, storedImage(data))
	case strings.HasPrefix(kind, "audio/"):
		c.Audio = append(c.Audio, media)
	default:
		c.Files = append(c.Files, media)
	}
}

// geminiTools reads the tools. What is no function runs at Google, without a
// bound that the request could set; a computer is the client's own.
func geminiTools(body object, c *policy.Call) {
	read := func(t object) {
		for _, m := range t.members {
			switch name := snake(m.name); name {
			case "function_declarations":
				t.protoEach("function_declarations", func(f object) {
					c.Tools++
					c.AddTool(f.get("name").text())
				})
			case "computer_use":
				c.Tools++
				c.AddTool("")
			default:
				if m.value.isNull() {
					continue
				}
				c.Tools++
				c.AddTool("")
				c.Hosted = append(c.Hosted, policy.HostedTool{Type: clip(name, 60)})
			}
		}
	}
	if one := body.child("tools"); one.kind() == '{' {
		read(one)
	}
	body.each("tools", read)
}

// edit changes the cap; the model stands in the path, but a count may repeat it.
func (gemini) edit(body object, e edit) []splice {
	var edits []splice
	if request := body.protoChild("generate_content_request"); e.model != "" && request.get("model").kind() == '"' {
		edits = append(edits, request.set("model", quote("models/"+e.model)))
	}
	if e.cap == 0 {
		return edits
	}
	config := body.protoChild("generation_config")
	value := strconv.FormatInt(e.cap, 10)
	switch n := config.protoCount("max_output_tokens", 0); {
	case config.kind() != '{':
		return append(edits, body.set(body.protoName("generation_config"), `{"maxOutputTokens":`+value+`}`))
	case n == nil || *n > e.cap:
		return append(edits, config.set(config.protoName("max_output_tokens"), value))
	}
	return edits
}

func (gemini) meter(e edit) meter { return &geminiMeter{edit: e} }

// geminiMeter reads answers and chunks, which look the same. Usage is
// cumulative and comes with every chunk: it is whole when the answer ended.
type geminiMeter struct {
	edit
	usage   geminiUsage
	choices choices
	last    string // usageMetadata as last told, JSON text
}

// whole reads one answer, or the list of chunks that a stream is without alt=sse.
func (m *geminiMeter) whole(status int, body []byte, r *reading) []splice {
	doc, err := parse(body)
	if err != nil {
		return nil
	}
	var edits []splice
	if doc.kind() == '[' {
		doc.elements(func(s span) { edits = append(edits, m.answer(status, s.object(new(error)), r)...) })
	} else {
		edits = m.answer(status, doc.object(new(error)), r)
		r.finished = status < 400
		r.known = r.finished && m.usage.counted(r)
	}
	return edits
}

func (m *geminiMeter) event(e event, r *reading) (drop bool, edits []splice) {
	if e.data == nil {
		return false, nil
	}
	doc, err := parse(e.data)
	if err != nil {
		return false, nil
	}
	return false, m.answer(http.StatusOK, doc.object(new(error)), r)
}

func (m *geminiMeter) answer(status int, o object, r *reading) []splice {
	if e := o.child("error"); e.kind() == '{' {
		r.failed = status < 400
		r.refused = status >= 400 && e.get("message").kind() == '"' && o.proto("usage_metadata").isNull()
	}
	r.model = firstOf(o.proto("model_version").text(), r.model)
	o.each("candidates", func(c object) { m.candidate(c, r) })
	// A prompt that was blocked has no candidates.
	blocked := !o.protoChild("prompt_feedback").proto("block_reason").isNull()
	r.finished = r.finished || blocked || m.choices.over(m.call.Outputs)
	if usage := o.proto("usage_metadata"); usage.kind() == '{' {
		m.last = clip(string(usage.raw()), 4096)
		m.usage.read(usage)
		m.usage.tell(m.call, r)
	}
	r.known = r.finished && m.usage.counted(r)
	return mask(o, o.protoName("model_version"), m.masked)
}

func (m *geminiMeter) candidate(c object, r *reading) {
	before := r.seen
	c.child("content").each("parts", func(p object) {
		if p.get("thought").truth() {
			r.hidden = true // a summary of what is billed
		}
		r.seen += int64(p.get("text").textLen())
		for _, name := range []string{"function_call", "executable_code", "inline_data"} {
			part := p.proto(name)
			r.seen += int64(part.end - part.start)
		}
		if f := p.protoChild("function_call"); f.kind() == '{' {
			r.tools = append(r.tools, f.get("name").text())
		}
	})
	if r.seen > before {
		r.deltas++
	}
	index, _ := c.get("index").integer()
	m.choices.saw(index, !c.proto("finish_reason").isNull())
	r.usage.Searches = max(r.usage.Searches, groundings(c.protoChild("grounding_metadata"), r.model))
}

// cut is the last chunk of an answer that reached its cap.
func (m *geminiMeter) cut(r *reading) []byte {
	var b bytes.Buffer
	b.WriteString(`data: {"candidates":[`)
	for i, index := range m.choices.open() {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"MAX_TOKENS","index":` + strconv.FormatInt(index, 10) + `}`)
	}
	usage := m.last
	if _, err := parse([]byte(usage)); err != nil {
		usage = `{"candidatesTokenCount":` + strconv.FormatInt(max(r.outputs, r.deltas), 10) + `}`
	}
	b.WriteString(`],"usageMetadata":` + usage + `,"modelVersion":` + quote(shown(m.masked, r.model)) + "}\r\n\r\n")
	return b.Bytes()
}
