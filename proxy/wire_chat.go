package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// chat is OpenAI's Chat Completions API, and that of everybody who speaks it.
// Fields as in https://platform.openai.com/docs/api-reference/chat.
type chat struct{}

func (chat) name() string                     { return policy.Chat }
func (chat) path(policy.Model, string) string { return "/chat/completions" }
func (chat) refusal(f fault) []byte           { return openAIError(f) }

// chatFields are the top-level fields whose meaning for the price is known.
var chatFields = fieldSet(`audio frequency_penalty function_call functions logit_bias logprobs
	max_completion_tokens max_tokens messages metadata modalities model moderation n parallel_tool_calls
	prediction presence_penalty prompt_cache_key prompt_cache_options
	prompt_cache_retention reasoning_effort reasoning
	response_format safety_identifier seed service_tier stop store stream stream_options temperature
	tool_choice tools top_logprobs top_p top_k min_p user verbosity web_search_options`)

func (chat) read(_ *http.Request, body object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:    policy.Chat,
		Model:   body.get("model").text(),
		Stream:  body.get("stream").truth(),
		Outputs: 1,
		Tier:    body.get("service_tier").text(),
		Unknown: body.unknown(chatFields),
	}
	// Two caps: the greater one is what the call may cost, whichever the
	// provider takes.
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		if n := body.count(name, 0); n != nil && (c.OutputCap == nil || *n > *c.OutputCap) {
			c.OutputCap = n
		}
	}
	if n := body.count("n", 1); n != nil {
		c.Outputs = *n
	}
	if body.get("messages").kind() != '[' {
		body.fault("messages is not a list")
	}
	body.each("messages", func(m object) {
		c.Messages++
		chatContent(m, &c)
	})
	openAITools(body, &c)
	c.CacheWrite1h = body.child("prompt_cache_options").get("ttl").text() == "12h"
	body.get("modalities").elements(func(s span) { c.AudioOut = c.AudioOut || s.text() == "audio" })
	// A router's fallbacks and plugins change the model and the price unseen.
	for _, name := range []string{"models", "plugins"} {
		if !body.get(name).isNull() {
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: name})
		}
	}
	if p := body.get("prediction"); !p.isNull() {
		c.Prediction = int64(p.end - p.start)
	}
	if !body.get("web_search_options").isNull() {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "web_search"})
	}
	return c, *body.err
}

// chatContent counts the parts of one message that are not text.
func chatContent(m object, c *policy.Call) {
	m.each("content", func(part object) {
		switch t := part.get("type").text(); t {
		case "image_url":
			url := part.child("image_url")
			c.Images = append(c.Images, imageOf(url.get("url"), url.get("detail").text()))
		case "input_audio":
			audio := part.child("input_audio")
			c.Audio = append(c.Audio, policy.Media{Bytes: base64Len(audio.get("data")), Type: audio.get("format").text()})
		case "file":
			file := part.child("file")
			c.Files = append(c.Files, fileOf(file.get("file_data")))
		case "text", "refusal", "thinking", "":
		default:
			c.Files = append(c.Files, policy.Media{Type: t, Remote: true})
		}
	})
	// An earlier audio answer is referred to by id: its tokens are input again.
	if !m.get("audio").isNull() {
		c.Audio = append(c.Audio, policy.Media{Remote: true})
	}
}

// openAITools reads tools, functions and what asks for a call of them.
func openAITools(body object, c *policy.Call) {
	body.each("tools", func(t object) {
		c.Tools++
		name := t.child("function").get("name").text()
		if t.get("type").text() == "custom" {
			name = t.child("custom").get("name").text()
		}
		c.AddTool(name)
	})
	body.each("functions", func(f object) {
		c.Tools++
		c.AddTool(f.get("name").text())
	})
	for _, name := range []string{"tool_choice", "function_call"} {
		if v := body.get(name); !v.isNull() && v.text() != "none" && v.text() != "auto" {
			c.ToolChoice = true
		}
	}
}

func (chat) edit(body object, e edit) []splice {
	var edits []splice
	if e.model != "" {
		edits = append(edits, body.set("model", quote(e.model)))
	}
	if e.cap > 0 {
		edits = append(edits, capEdits(body, e)...)
	}
	if e.usage {
		edits = append(edits, includeUsage(body))
	}
	return edits
}

// includeUsage asks for usage in the stream, and leaves the other options.
func includeUsage(body object) splice {
	if options := body.child("stream_options"); options.kind() == '{' {
		return options.set("include_usage", "true")
	}
	return body.set("stream_options", `{"include_usage":true}`)
}

// capEdits lowers the caps that the client sent, or adds the one that the
// provider knows: OpenAI's reasoning models refuse max_tokens, the others'
// servers may not know max_completion_tokens.
func capEdits(body object, e edit) (edits []splice) {
	value := strconv.FormatInt(e.cap, 10)
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		if n := body.count(name, 0); n != nil && *n > e.cap {
			edits = append(edits, body.set(name, value))
		}
	}
	if e.call.OutputCap == nil {
		name := "max_tokens"
		if e.provider.Name == "openai" {
			name = "max_completion_tokens"
		}
		edits = append(edits, body.set(name, value))
	}
	return edits
}

func (chat) meter(e edit) meter {
	return &chatMeter{edit: e, object: "chat.completion.chunk", rest: `"delta":{}`, output: func(c object, r *reading) {
		chatOutput(c.child("message"), r)
		chatOutput(c.child("delta"), r)
	}}
}

// chatMeter reads chat completions, and legacy completions, which differ in
// what a choice is. The chunk that carries usage because aex asked for it does
// not reach the client, nor does the "usage":null that the request brings into
// all the others.
type chatMeter struct {
	edit
	object  string                          // what the API calls a chunk
	rest    string                          // what a choice that only ends has beside its end
	output  func(choice object, r *reading) // counts what a choice shows
	choices choices
	id      string
	counted bool // usage has been read
}

func (m *chatMeter) whole(status int, body []byte, r *reading) []splice {
	doc, err := parse(body)
	if err != nil {
		return nil
	}
	o := doc.object(new(error))
	usage := o.get("usage")
	if status >= 400 {
		if usage.isNull() {
			r.refused = openAIRefused(o)
			return nil
		}
	}
	m.common(o, r)
	r.finished = true
	r.known = chatUsage.read(usage, m.call, r)
	o.each("choices", func(c object) { m.output(c, r) })
	return mask(o, "model", m.masked)
}

func (m *chatMeter) event(e event, r *reading) (drop bool, edits []splice) {
	if e.data == nil {
		return false, nil
	}
	if bytes.Equal(bytes.TrimSpace(e.data), []byte("[DONE]")) {
		r.finished, r.known = true, m.counted
		return false, nil
	}
	doc, err := parse(e.data)
	if err != nil {
		return false, nil
	}
	o := doc.object(new(error))
	if !o.get("error").isNull() {
		r.failed = true
	}
	m.common(o, r)
	count := 0
	o.each("choices", func(c object) {
		count++
		before := r.seen
		m.output(c, r)
		if r.seen > before {
			r.deltas++
		}
		index, _ := c.get("index").integer()
		m.choices.saw(index, !c.get("finish_reason").isNull())
	})
	r.finished = r.finished || m.choices.over(m.call.Outputs)
	usage := o.get("usage")
	if usage.isNull() {
		usage = o.child("x_groq").get("usage") // where Groq puts it unasked
	}
	read := chatUsage.read(usage, m.call, r)
	m.counted = m.counted || read
	// Some send it with every chunk, cumulative: it is the final word only at
	// the end, or in the chunk of its own.
	r.known = m.counted && (r.known || r.finished || read && count == 0)
	if m.usage && usage.kind() == '{' && count == 0 && !r.failed {
		return true, nil
	}
	edits = mask(o, "model", m.masked)
	if m.usage && o.get("usage").kind() == 'n' {
		edits = append(edits, o.drop("usage"))
	}
	return false, edits
}

// common reads what every answer and chunk carries.
func (m *chatMeter) common(o object, r *reading) {
	if s := o.get("id").text(); s != "" {
		m.id = clip(s, 200)
	}
	if s := o.get("model").text(); s != "" {
		r.model = s
	}
	if s := o.get("service_tier").text(); s != "" {
		r.tier = s
	}
}

// cut ends every choice that is open, then the stream, as a provider does that
// reached its cap.
func (m *chatMeter) cut(r *reading) []byte {
	var b bytes.Buffer
	for _, index := range m.choices.open() {
		fmt.Fprintf(&b, `data: {"id":%s,"object":%q,"created":0,"model":%s,"choices":[{"index":%d,%s,"finish_reason":"length"}]}`+"\n\n",
			quote(m.id), m.object, quote(shown(m.masked, r.model)), index, m.rest)
	}
	b.WriteString("data: [DONE]\n\n")
	return b.Bytes()
}

// chatOutput counts what one message or delta shows.
func chatOutput(o object, r *reading) {
	for _, name := range []string{"content", "refusal", "reasoning_content", "reasoning"} {
		r.seen += int64(o.get(name).textLen())
	}
	o.each("tool_calls", func(t object) { toolOutput(t.child("function"), r) })
	if f := o.get("function_call"); f.kind() == '{' {
		toolOutput(f.object(o.err), r)
	}
	if a := o.get("audio"); a.kind() == '{' {
		r.seen += int64(a.end - a.start)
	}
}

func toolOutput(f object, r *reading) {
	if name := f.get("name").text(); name != "" {
		r.tools = append(r.tools, name)
	}
	r.seen += int64(f.get("name").textLen() + f.get("arguments").textLen())
}

// openAIRefused tells whether an error body has the shape of the OpenAI API's
// own: an error object with a message.
func openAIRefused(o object) bool {
	e := o.get("error")
	if e.kind() == '"' {
		return true // some compatible servers
	}
	return e.kind() == '{' && e.object(new(error)).get("message").kind() == '"'
}

// mask shows the name the client knows in place of the provider's.
func mask(o object, field, name string) []splice {
	if name == "" || o.get(field).kind() != '"' {
		return nil
	}
	return []splice{o.set(field, quote(name))}
}

// shown is the model's name as the client is to see it.
func shown(masked, served string) string {
	if masked != "" {
		return masked
	}
	return served
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func fieldSet(names string) map[string]bool {
	set := map[string]bool{}
	for _, n := range strings.Fields(names) {
		set[n] = true
	}
	return set
}
