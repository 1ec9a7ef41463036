package wire

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// Chat is OpenAI's Chat Completions API, and that of everybody who speaks it.
// Fields as in https://platform.openai.com/docs/api-reference/chat.
var Chat = &Wire{
	Dialect:   policy.Dialect{Name: policy.Chat, Type: policy.TypeOpenAI, Provider: "openai", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "chat",
	Find:      posts("/chat/completions"),
	Path:      always("/chat/completions"),
	AsksUsage: asksUsage,
	Fields:    chatFields,
	Authorize: bearer,
	Read:      readChat,
	Edit:      editChat,
	Meter:     meterChat,
	Refuse:    openAIError,
}

// chatFields are the top-level fields whose meaning for the price is known.
var chatFields = fieldSet(`audio frequency_penalty function_call functions logit_bias logprobs
	max_completion_tokens max_tokens messages metadata modalities model moderation n parallel_tool_calls
	prediction presence_penalty prompt_cache_key prompt_cache_options
	prompt_cache_retention reasoning_effort reasoning
	response_format safety_identifier seed service_tier stop store stream stream_options temperature
	tool_choice tools top_logprobs top_p top_k min_p user verbosity web_search_options`)

func readChat(_ *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:    policy.Chat,
		Model:   body.word("model"),
		Stream:  body.flag("stream"),
		Outputs: 1,
		Tier:    body.word("service_tier"),
		Unknown: body.unknown(chatFields),
	}
	openAIReason(body, &c)
	// Two caps: the greater one is what the call may cost, whichever the
	// provider takes. 0 is none to some, and so the greatest.
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		n := body.Count(name, 0)
		if n != nil && (c.OutputCap == nil || lowered(n, *c.OutputCap) && *c.OutputCap > 0) {
			c.OutputCap = n
		}
	}
	if n := body.Count("n", 1); n != nil {
		c.Outputs = *n
	}
	if body.Get("messages").isNull() {
		body.fault("messages is missing")
	}
	body.list("messages", func(m Object) {
		c.Messages++
		chatContent(m, &c)
	})
	openAITools(body, &c)
	c.CacheWrite1h = body.member("prompt_cache_options").word("ttl") == "12h"
	body.words(body.Get("modalities"), "modalities", func(s string) { c.AudioOut = c.AudioOut || s == "audio" })
	chatHosted(body, &c)
	if p := body.Get("prediction"); !p.isNull() {
		c.Prediction = int64(p.end - p.start)
	}
	return c, *body.err
}

// chatContent counts the parts of one message that are not text.
func chatContent(m Object, c *policy.Call) {
	m.content("content", func(part Object) {
		switch t := part.kind(); t {
		case "image_url":
			url := part.member("image_url")
			c.Images = append(c.Images, imageOf(url.Get("url"), url.word("detail")))
		case "input_audio":
			audio := part.member("input_audio")
			c.Audio = append(c.Audio, policy.Media{Bytes: base64Len(audio.Get("data")), Type: audio.word("format")})
		case "file":
			file := part.member("file")
			c.Files = append(c.Files, fileOf(file.Get("file_data")))
		case "text", "refusal", "thinking":
		default:
			c.Files = append(c.Files, policy.Media{Type: t, Remote: true})
		}
	})
	// An earlier audio answer is referred to by id: its tokens are input again.
	if !m.Get("audio").isNull() {
		c.Audio = append(c.Audio, policy.Media{Remote: true})
	}
}

// openAITools reads tools, functions and what asks for a call of them.
func openAITools(body Object, c *policy.Call) {
	body.list("tools", func(t Object) {
		c.Tools++
		name := t.member("function").word("name")
		if t.word("type") == "custom" {
			name = t.member("custom").word("name")
		}
		c.AddTool(name)
	})
	body.list("functions", func(f Object) {
		c.Tools++
		c.AddTool(f.word("name"))
	})
	for _, name := range []string{"tool_choice", "function_call"} {
		if v := body.Get(name); !v.isNull() && v.Text() != "none" && v.Text() != "auto" {
			c.ToolChoice = true
		}
	}
}

func editChat(body Object, e Edit) []Splice {
	var edits []Splice
	if e.Model != "" {
		edits = append(edits, body.Set("model", Quote(e.Model)))
	}
	if e.Cap > 0 {
		edits = append(edits, capEdits(body, e)...)
	}
	if e.Tier != "" {
		edits = append(edits, body.Set("service_tier", Quote(e.Tier)))
	}
	if e.Usage {
		edits = append(edits, includeUsage(body))
	}
	return edits
}

// includeUsage asks for usage in the stream, and leaves the other options.
func includeUsage(body Object) Splice {
	if options := body.child("stream_options"); options.Kind() == '{' {
		return options.Set("include_usage", "true")
	}
	return body.Set("stream_options", `{"include_usage":true}`)
}

// capEdits lowers the caps that the client sent, or adds the one that the
// provider knows: OpenAI's reasoning models refuse max_tokens, the others'
// servers may not know max_completion_tokens.
func capEdits(body Object, e Edit) (edits []Splice) {
	value := strconv.FormatInt(e.Cap, 10)
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		if n := body.Count(name, 0); n != nil && lowered(n, e.Cap) {
			edits = append(edits, body.Set(name, value))
		}
	}
	if e.Call.OutputCap == nil {
		edits = append(edits, body.Set(capName(e), value))
	}
	return edits
}

// capName is what the host calls the cap. OpenAI's models on a host that nobody
// knows are taken to be behind something that passes fields on.
func capName(e Edit) string {
	host := e.Provider.Host()
	if host.Name == "" && e.OpenAIModel {
		return "max_completion_tokens"
	}
	return cmp.Or(host.Cap, "max_tokens")
}

// tierOf is the service tier that an answer names, in small letters.
func tierOf(o Object) string { return strings.ToLower(plain.Clip(o.Get("service_tier").Text(), 60)) }

func meterChat(e Edit) Meter {
	return &chatMeter{Edit: e, object: "chat.completion.chunk", rest: `"delta":{}`, output: func(c Object, r *Reading) {
		chatOutput(c.child("message"), r)
		chatOutput(c.child("delta"), r)
	}}
}

// chatMeter reads chat completions, and legacy completions, which differ in
// what a choice is. The chunk that carries usage because aex asked for it does
// not reach the client, nor does the "usage":null that the request brings into
// all the others.
type chatMeter struct {
	Edit
	object  string                          // what the API calls a chunk
	rest    string                          // what a choice that only ends has beside its end
	output  func(choice Object, r *Reading) // counts what a choice shows
	choices choices
	id      string
	counted bool // usage has been read
}

func (m *chatMeter) Whole(status int, body []byte, r *Reading) []Splice {
	doc, err := Parse(body)
	if err != nil {
		return nil
	}
	o := doc.Object(new(error))
	usage := o.Get("usage")
	if status >= 400 {
		if usage.isNull() {
			r.Refused = ownError(o, m.Provider.Host())
			return nil
		}
	}
	m.common(o, r)
	m.failed(o, "", r)
	r.Finished = true
	r.Known = chatUsage.Read(usage, m.Edit, r)
	o.each("choices", func(c Object) { m.output(c, r) })
	return mask(o, "model", m.Masked)
}

func (m *chatMeter) Event(e Event, r *Reading) (drop bool, edits []Splice) {
	if e.Data == nil {
		return false, nil
	}
	if bytes.Equal(bytes.TrimSpace(e.Data), []byte("[DONE]")) {
		r.Finished, r.Known = true, m.counted
		return false, nil
	}
	doc, err := Parse(e.Data)
	if err != nil {
		return false, nil
	}
	o := doc.Object(new(error))
	m.failed(o, e.Name, r)
	m.common(o, r)
	count := 0
	o.each("choices", func(c Object) {
		count++
		before := r.Seen
		m.output(c, r)
		if r.Seen > before {
			r.Deltas++
		}
		index, _ := c.Get("index").integer()
		m.choices.saw(index, !c.Get("finish_reason").isNull())
	})
	r.Finished = r.Finished || m.choices.over(m.Call.Outputs)
	usage := o.Get("usage")
	if usage.isNull() {
		usage = o.child("x_groq").Get("usage") // where Groq puts it unasked
	}
	read := chatUsage.Read(usage, m.Edit, r)
	m.counted = m.counted || read
	// Some send it with every chunk, cumulative: it is the final word only at
	// the end, or in the chunk of its own.
	r.Known = m.counted && (r.Known || r.Finished || read && count == 0)
	if m.Usage && usage.Kind() == '{' && count == 0 && !r.Failed {
		return true, nil
	}
	edits = mask(o, "model", m.Masked)
	if m.Usage && o.Get("usage").Kind() == 'n' {
		edits = append(edits, o.drop("usage"))
	}
	return false, edits
}

// failed notes an error in the place of an answer, or of a chunk.
func (m *chatMeter) failed(o Object, name string, r *Reading) {
	if fails(o, name) {
		r.Failed, r.Own = true, r.Own || ownError(o, m.Provider.Host())
	}
}

// common reads what every answer and chunk carries.
func (m *chatMeter) common(o Object, r *Reading) {
	if s := o.Get("id").Text(); s != "" {
		m.id = plain.Clip(s, 200)
		r.Answer = m.id
	}
	r.By = firstOf(plain.Clip(o.Get("provider").Text(), 60), r.By)
	if s := o.Get("model").Text(); s != "" {
		r.Model = s
	}
	r.Tier = firstOf(tierOf(o), r.Tier)
}

// cut ends every choice that is open, then the stream, as a provider does that
// reached its cap.
func (m *chatMeter) Cut(r *Reading) []byte {
	var b bytes.Buffer
	for _, index := range m.choices.open() {
		fmt.Fprintf(&b, `data: {"id":%s,"object":%q,"created":0,"model":%s,"choices":[{"index":%d,%s,"finish_reason":"length"}]}`+"\n\n",
			Quote(m.id), m.object, Quote(shown(m.Masked, r.Model)), index, m.rest)
	}
	b.WriteString("data: [DONE]\n\n")
	return b.Bytes()
}

// chatOutput counts what one message or delta shows.
func chatOutput(o Object, r *Reading) {
	for _, name := range []string{"content", "refusal", "reasoning_content", "reasoning"} {
		r.Seen += int64(o.Get(name).textLen())
	}
	if o.Get("content").Kind() == '[' { // Mistral's parts, of which some are thinking
		v := o.Get("content")
		r.Seen += int64(v.end - v.start)
	}
	// Reasoning that passes may be a summary of what is billed.
	if o.Get("reasoning_content").textLen() > 0 || o.Get("reasoning").textLen() > 0 || !empty(o.Get("reasoning_details")) {
		r.Hidden = true
	}
	o.each("tool_calls", func(t Object) { toolOutput(t.child("function"), r) })
	if f := o.Get("function_call"); f.Kind() == '{' {
		toolOutput(f.Object(o.err), r)
	}
	if a := o.Get("audio"); a.Kind() == '{' {
		r.Seen += int64(a.end - a.start)
	}
}

func toolOutput(f Object, r *Reading) {
	if name := f.Get("name").Text(); name != "" {
		r.Tools = append(r.Tools, name)
	}
	r.Seen += int64(f.Get("name").textLen() + f.Get("arguments").textLen())
}

// mask shows the name the client knows in place of the provider's.
func mask(o Object, field, name string) []Splice {
	if name == "" || o.Get(field).Kind() != '"' {
		return nil
	}
	return []Splice{o.Set(field, Quote(name))}
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
