package wire

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// contentLimit is the bound that aex sets on what one fetched page may bring, and
// resultLimit the one on how many passages, of at most 4,096 tokens each, a file search
// may bring: both stay below policy.FoundTokens.
const (
	contentLimit = policy.FoundTokens
	resultLimit  = policy.FoundTokens / 4096
)

// editTools rebuilds the list of tools: f gives the new text of each element, or
// none to take it out.
func editTools(body Object, f func(t Object) (text []byte, keep bool)) []Splice {
	list := body.Get("tools")
	if list.Kind() != '[' {
		return nil
	}
	var out bytes.Buffer
	changed := false
	out.WriteByte('[')
	list.elements(func(s Span) {
		text, keep := s.raw(), true
		if s.Kind() == '{' {
			own := s.clone()
			if text, keep = f(own.Object(body.err)); text == nil {
				text = s.raw()
			}
		}
		changed = changed || !keep || !bytes.Equal(text, s.raw())
		if !keep {
			return
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(text)
	})
	out.WriteByte(']')
	if !changed {
		return nil
	}
	return []Splice{{start: list.start, end: list.end, text: out.String()}}
}

// TakeOut takes the tools of these kinds out of a request.
func TakeOut(body Object, kinds []string) []Splice {
	return editTools(body, func(t Object) ([]byte, bool) {
		if kind := t.Get("type").Text(); kind != "" {
			return nil, !slices.Contains(kinds, plain.Clip(kind, 60))
		}
		// Gemini names tools by their members, of which one object may have several.
		var left []string
		for _, m := range t.members {
			if !slices.Contains(kinds, plain.Clip(Snake(m.name), 60)) {
				left = append(left, string(t.Doc[m.start:m.value.end]))
			}
		}
		if len(left) == len(t.members) {
			return nil, true
		}
		return []byte("{" + strings.Join(left, ",") + "}"), len(left) > 0
	})
}

// Forces tells whether the tool_choice of a request makes the model use one of these kinds
// of tools. It may name the tool's type, its name (which is the type without a date), or
// a list of allowed tools.
func Forces(body Object, kinds []string) bool {
	choice := body.Get("tool_choice")
	if choice.Kind() != '{' {
		return false
	}
	named := func(o Object) bool {
		return slices.ContainsFunc(kinds, func(kind string) bool {
			name := o.Get("name").Text()
			return o.Get("type").Text() == kind || kind == name || name != "" && strings.HasPrefix(kind, name+"_")
		})
	}
	o := choice.Object(body.err)
	forced := named(o)
	o.each("tools", func(t Object) { forced = forced || named(t) })
	return forced
}

// boundUses bounds how often the provider may use its own tools, as Anthropic's API does
// it: a bound for each tool.
func boundUses(body Object, most int64) []Splice {
	return editTools(body, func(t Object) ([]byte, bool) {
		kind := t.Get("type").Text()
		fetch := strings.HasPrefix(kind, "web_fetch")
		if !fetch && !strings.HasPrefix(kind, "web_search") {
			return nil, true
		}
		var edits []Splice
		if n := t.Count("max_uses", 1); lowered(n, most) {
			edits = append(edits, t.Set("max_uses", strconv.FormatInt(most, 10)))
		}
		if n := t.Count("max_content_tokens", 0); fetch && lowered(n, contentLimit) {
			edits = append(edits, t.Set("max_content_tokens", strconv.Itoa(contentLimit)))
		}
		return Apply(t.Doc, edits), true
	})
}

// boundCalls does the same as OpenAI's API does it: one bound for all tools together.
func boundCalls(body Object, most int64) []Splice {
	edits := editTools(body, func(t Object) ([]byte, bool) {
		if n := t.Count("max_num_results", 0); t.Get("type").Text() == "file_search" && lowered(n, resultLimit) {
			return Apply(t.Doc, []Splice{t.Set("max_num_results", strconv.Itoa(resultLimit))}), true
		}
		return nil, true
	})
	if n := body.Count("max_tool_calls", 0); lowered(n, most) {
		edits = append(edits, body.Set("max_tool_calls", strconv.FormatInt(most, 10)))
	}
	return edits
}

// switches are the fields by which APIs of OpenAI's kind let the server do
// something by itself, and what that is: Alibaba's, Baidu's and Tencent's, Azure's,
// and those of other hosts.
var switches = map[string]string{
	"websearchoptions": "web_search", "enablesearch": "web_search", "websearch": "web_search", "enablewebsearch": "web_search",
	"enableenhancement": "web_search", "forcesearchenhancement": "web_search", "enablecodeinterpreter": "code_interpreter",
	"datasources": "data_sources", "mcpservers": "mcp", "searchparameters": "live_search",
}

// switched reads them. An empty object turns some of them on; false, "off" and a
// member that says so turn one off, but for OpenAI's options, which have no such member.
func switched(body Object, c *policy.Call) {
	for _, m := range body.members {
		kind := under(switches, m.name)
		if kind == "" || m.value.Kind() != '{' && empty(m.value) || turnsOff(m.value.Text()) {
			continue
		}
		if o := m.value.Object(body.err); bare(m.name) != "websearchoptions" && (o.Get("enable").Kind() == 'f' || o.Get("enabled").Kind() == 'f' || turnsOff(o.Get("mode").Text())) {
			continue
		}
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: kind})
	}
}

func turnsOff(word string) bool { return word == "off" || word == "none" || word == "disabled" }

// chatHosted reads what a chat request lets the provider do by itself: fields of
// many hosts, and tools of any.
func chatHosted(body Object, c *policy.Call) {
	body.member("search_parameters") // faults what is no object
	switched(body, c)
	body.words(body.Get("modalities"), "modalities", func(s string) {
		switch s {
		case "audio":
			c.AudioOut = true
		case "image", "video": // at prices of their own
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: s + "_output"})
		}
	})
	body.each("tools", func(t Object) {
		for _, kind := range chatKinds(t) {
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: plain.Clip(kind, 60), Tool: true})
		}
	})
	// Google's own fields bring in what it has cached.
	for _, o := range []Object{body, body.child("extra_body")} {
		for _, holder := range []Object{o, o.child("google")} {
			if !empty(holder.proto("cached_content")) {
				c.Hidden = append(c.Hidden, "cached_content")
			}
		}
	}
}

// chatKinds are the tools that one element of a chat request's list lets the server run.
// Functions are the client's, and so are the tools that models were trained on for
// clients to run. Anything else is the server's, whatever its name.
func chatKinds(t Object) (kinds []string) {
	kind := t.Get("type").Text()
	switch kind {
	case "function", "custom", "local_shell", "apply_patch", "computer", "computer_use_preview":
		return nil
	case "":
		if !t.Get("function").isNull() || !t.Get("name").isNull() { // a function, its type left out
			return nil
		}
		for _, m := range t.members { // named as in Gemini's API
			switch name := Snake(m.name); {
			case name == "function_declarations", name == "computer_use", m.value.isNull():
			default:
				kinds = append(kinds, name)
			}
		}
		return kinds
	}
	for _, prefix := range clientTools {
		if strings.HasPrefix(kind, prefix) {
			return nil
		}
	}
	return []string{kind}
}

// defined counts the tools of a list that say only which of the provider's own they
// are: it describes those to the model itself.
func defined(list Span) (n int) {
	if list.Kind() == '{' { // which Google's API takes for a list of one
		return definedBy(list)
	}
	list.elements(func(t Span) { n += definedBy(t) })
	return n
}

// definedBy counts them in one element. One of Google's names several by its members.
func definedBy(t Span) (n int) {
	o := t.Object(new(error))
	switch o.Get("type").Text() {
	case "function", "custom":
		return 0
	case "namespace":
		return defined(o.Get("tools"))
	case "":
		for _, m := range o.members {
			if Snake(m.name) != "function_declarations" && !m.value.isNull() {
				n++
			}
		}
		if !o.Get("name").isNull() || !o.Get("function").isNull() {
			return 0
		}
		return n
	}
	return 1
}

// routed reads a router's plugins, in any dialect.
func routed(body Object, c *policy.Call) {
	plugins := body.Get("plugins")
	if !plugins.isNull() && plugins.Kind() != '[' {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "plugins"})
	}
	plugins.elements(func(s Span) {
		p := s.Object(body.err)
		id := p.Get("id").Text()
		switch {
		case id == "response-healing", p.Get("enabled").Kind() == 'f': // such a plugin brings in nothing, and is free
		case id == "web":
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: "web_search"})
		default:
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: "plugins"})
		}
	})
}
