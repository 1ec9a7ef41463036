package wire

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

func meterChat(e Edit) Meter {
	return &chatMeter{Edit: e, object: "chat.completion.chunk", rest: `"delta":{}`, output: func(c Object, r *Reading) {
		chatOutput(c.member("message"), r)
		chatOutput(c.member("delta"), r)
	}}
}

// chatMeter reads chat completions, and legacy completions, whose choices look different.
// Where aex asked for usage, the client gets neither the chunk that carries it nor the
// "usage":null that then stands in all other chunks.
type chatMeter struct {
	Edit
	object  string                          // what the API calls a chunk
	rest    string                          // what a choice has that only tells its end, beside that
	output  func(choice Object, r *Reading) // counts what a choice shows
	choices choices
	id      string
	counted bool                // usage has been read
	names   map[[2]int64]string // of the tools that are called, by choice and call
}

func (m *chatMeter) Whole(status int, body []byte, r *Reading) []Splice {
	o, ok := answered(status, body, r, m.own)
	if !ok {
		return nil
	}
	m.common(o, r)
	m.failed(o, "", r)
	r.Finished = true
	var told []Object // choices that tell usage
	o.list("choices", func(c Object) { told = m.choice(c, told, r) })
	r.Known = m.used(o, told, r)
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
	o, ok := r.parse(e.Data)
	if !ok {
		return false, nil
	}
	m.failed(o, e.Name, r)
	m.common(o, r)
	count, seen := 0, r.Seen
	var told []Object // choices that tell usage
	o.list("choices", func(c Object) {
		count++
		before, called := r.Seen, len(r.Tools)
		told = m.choice(c, told, r)
		if r.Seen > before {
			r.Deltas++
		}
		index, _ := c.Get("index").integer()
		if len(r.Tools) > called {
			m.pieces(index, c.member("delta"), r)
		}
		m.choices.saw(index, !c.Get("finish_reason").isNull())
	})
	r.Finished = r.Finished || m.choices.over(m.Call.Outputs)
	usage, read := usageIn(o), m.used(o, told, r)
	m.counted = m.counted || read
	// Some providers send it, cumulative, with every chunk: it is the final word only
	// at the end, or in a chunk of its own that no output follows.
	r.Known = m.counted && (r.Known && r.Seen == seen || r.Finished || read && count == 0)
	if m.Usage && usage.Kind() == '{' && count == 0 && !r.Failed {
		return true, nil
	}
	edits = mask(o, "model", m.Masked)
	if m.Usage && usageOf(o).Kind() == 'n' {
		edits = append(edits, o.drop("usage"))
	}
	return false, edits
}

// choice reads what one choice shows, or that it failed. It adds the choice to told if it
// tells usage.
func (m *chatMeter) choice(c Object, told []Object, r *Reading) []Object {
	m.failed(c, "", r)
	m.output(c, r)
	if usageOf(c).Kind() == '{' {
		told = append(told, c)
	}
	return told
}

// used reads the usage that an answer or a chunk tells, and reports whether that is all of
// it. Groq puts it below x_groq without being asked. Moonshot puts it into the choice that
// ends, which is not all where there are several choices. Where it stands in several
// places, the greater figure counts.
func (m *chatMeter) used(o Object, choices []Object, r *Reading) (all bool) {
	all = chatUsage.ReadIn(o, usageIn(o), m.Edit, r)
	unclear := r.Unclear
	beside := func(in Object) (all bool) {
		if usage := usageOf(in); usage.Kind() == '{' {
			all = chatUsage.ReadIn(in, usage, m.Edit, r)
			r.Unclear = firstOf(unclear, r.Unclear)
		}
		return all
	}
	all = beside(o.child("x_groq")) || all
	input := r.Input
	for _, c := range choices {
		all = beside(c) && m.Call.Outputs <= 1 || all
	}
	if m.Call.Outputs > 1 {
		r.Input = input
	}
	return all
}

// failed notes an error in place of an answer, of a chunk or, as OpenRouter does it, of
// one of its choices.
func (m *chatMeter) failed(o Object, name string, r *Reading) {
	if fails(o, name) {
		r.Failed, r.Own = true, r.Own || m.own(o)
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

// Cut ends every choice that is open, then the stream, as a provider does when it has
// reached the cap.
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
	// The reasoning that is shown may be a summary of what is billed.
	if o.Get("reasoning_content").textLen() > 0 || o.Get("reasoning").textLen() > 0 || !empty(o.Get("reasoning_details")) {
		r.Hidden = true
	}
	// Each use of Groq's own tools has a fee, as a search has.
	var executed int64
	o.each("executed_tools", func(Object) { executed++ })
	r.Usage.Searches = max(r.Usage.Searches, executed)
	o.list("tool_calls", func(t Object) {
		toolOutput(t.member("function"), r)
		toolOutput(t.member("custom"), r)
	})
	toolOutput(o.member("function_call"), r)
	for _, m := range o.members {
		if !chatRead[m.name] && !empty(m.value) {
			r.Seen += int64(m.value.end - m.value.start)
		}
	}
}

// chatRead are the members of a message that are read here, and those that hold nothing
// that the model makes. Any other member (audio, images ...) is output.
var chatRead = fieldSet(`role content refusal reasoning_content reasoning reasoning_details tool_calls function_call
	executed_tools annotations citations name`)

// pieces notes a doubt where the name of a called tool comes in pieces: clients join them.
func (m *chatMeter) pieces(choice int64, delta Object, r *Reading) {
	named := func(call int64, f Object) {
		at, name := [2]int64{choice, call}, f.word("name")
		switch before := m.names[at]; {
		case name == "" || name == before:
		case before != "":
			f.fault("the name of a tool comes in pieces")
		case len(m.names) >= maxChoices:
			f.fault("it calls more than %d tools", maxChoices)
		case m.names == nil:
			m.names = map[[2]int64]string{at: name}
		default:
			m.names[at] = name
		}
	}
	named(-1, delta.member("function_call"))
	var position int64
	delta.list("tool_calls", func(t Object) {
		call, err := t.Get("index").integer()
		if err != nil {
			call = position
		}
		position++
		named(call, t.member("function"))
		named(call, t.member("custom"))
	})
}

func toolOutput(f Object, r *Reading) {
	if name := f.word("name"); name != "" {
		r.Tools = append(r.Tools, name)
	}
	r.Seen += int64(f.Get("name").textLen() + f.Get("arguments").textLen() + f.Get("input").textLen())
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
