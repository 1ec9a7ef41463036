package wire

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// contentLimit is the bound that aex gives what one fetched page may bring, and
// resultLimit that on the passages of a file search, of 4,096 tokens each at
// most: both stay below policy.FoundTokens.
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
		kind := t.Get("type").Text()
		if kind == "" && len(t.members) == 1 { // Gemini names them by their member
			kind = Snake(t.members[0].name)
		}
		return nil, !slices.Contains(kinds, plain.Clip(kind, 60))
	})
}

// boundUses bounds how often the provider uses its own tools, in Anthropic's
// way: each for itself.
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

// boundCalls bounds them in OpenAI's way: all together.
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

// chatTools are the beginnings of the types of tools that servers of the chat API
// run themselves.
var chatTools = []string{
	"web_search", "browser_search", "browser_automation", "code_interpreter", "code_execution", "live_search", "x_search", "file_search",
	"image_generation", "mcp", "openrouter:",
}

// chatHosted reads what a chat request lets the provider do by itself: fields
// and tools of OpenAI, xAI, Groq, OpenRouter.
func chatHosted(body Object, c *policy.Call) {
	// A router's fallbacks and plugins change the model and the price unseen.
	for _, name := range []string{"models", "plugins"} {
		if !body.Get(name).isNull() {
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: name})
		}
	}
	if !body.Get("web_search_options").isNull() {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "web_search"})
	}
	if p := body.child("search_parameters"); p.Kind() == '{' && p.Get("mode").Text() != "off" {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "live_search"})
	}
	body.each("tools", func(t Object) {
		kind := t.Get("type").Text()
		if slices.ContainsFunc(chatTools, func(known string) bool { return strings.HasPrefix(kind, known) }) {
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: plain.Clip(kind, 60), Tool: true})
		}
	})
}
