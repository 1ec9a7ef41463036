package fakeprovider

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// event is a server-sent event.
type event struct{ name, data string }

// readEvents reads a stream as the HTML standard says: a byte order mark,
// comments, any of three line ends, data over several lines.
func readEvents(body string) []event {
	body = strings.TrimPrefix(body, "\ufeff")
	body = strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\r", "\n")
	var out []event
	var e event
	var data []string
	for _, line := range strings.Split(body, "\n") {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != nil {
				e.data = strings.Join(data, "\n")
				out = append(out, e)
			}
			e, data = event{}, nil
		case field == "event":
			e.name = value
		case field == "data":
			data = append(data, value)
		}
	}
	return out
}

// tree is decoded JSON.
type tree struct{ v any }

func parse(t *testing.T, s string) tree {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%v in %.300q", err, s)
	}
	return tree{v}
}

// at follows a path of member names and indexes; nothing there is tree{nil}.
func (n tree) at(path string) tree {
	for _, step := range strings.Split(path, ".") {
		switch v := n.v.(type) {
		case map[string]any:
			n = tree{v[step]}
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return tree{}
			}
			n = tree{v[i]}
		default:
			return tree{}
		}
	}
	return n
}

func (n tree) has(path string) bool {
	at, last, deep := "", path, strings.LastIndex(path, ".")
	if deep >= 0 {
		at, last = path[:deep], path[deep+1:]
		n = n.at(at)
	}
	m, ok := n.v.(map[string]any)
	if !ok {
		return false
	}
	_, ok = m[last]
	return ok
}

func (n tree) int() int64  { f, _ := n.v.(float64); return int64(f) }
func (n tree) str() string { s, _ := n.v.(string); return s }
func (n tree) list() []tree {
	l, _ := n.v.([]any)
	out := make([]tree, len(l))
	for i := range l {
		out[i] = tree{l[i]}
	}
	return out
}

// got is what a client has read of an answer.
type got struct {
	text  []string // by output
	tools []string // "name args"
	usage Usage    // as reported, put into classes
	said  bool     // usage was reported
	end   string   // why it ended
}

// dialect is how a test talks to a wire.
type dialect struct {
	name string
	path func(stream bool) string
	// body asks for an answer to the text, with a cap when it is positive, and
	// with a tool named add when tools is set.
	body  func(said string, stream bool, limit int, tools bool) string
	whole func(g *got, n tree)
	event func(g *got, e event, n tree)
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

func member(set bool, format string, args ...any) string {
	if !set {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func fixed(path string) func(bool) string { return func(bool) string { return path } }

func (g *got) add(index int64, text string) {
	for int64(len(g.text)) <= index {
		g.text = append(g.text, "")
	}
	g.text[index] += text
}

func (g *got) openAIUsage(u tree, in, out string) {
	if u.v == nil {
		return
	}
	g.said = true
	d := u.at(in + "_tokens_details")
	o := u.at(out + "_tokens_details")
	g.usage = Usage{CacheRead: d.at("cached_tokens").int(), CacheWrite5m: d.at("cache_write_tokens").int(),
		AudioIn: d.at("audio_tokens").int(), AudioOut: o.at("audio_tokens").int()}
	g.usage.Input = u.at(in+"_tokens").int() - g.usage.CacheRead - g.usage.CacheWrite5m - g.usage.AudioIn
	g.usage.Output = u.at(out+"_tokens").int() - g.usage.AudioOut
}

func (g *got) anthropicUsage(u tree) {
	if u.v == nil {
		return
	}
	g.said = true
	g.usage.Output = u.at("output_tokens").int()
	if n := u.at("input_tokens"); n.int() > 0 {
		g.usage.Input = n.int()
	}
	if n := u.at("cache_read_input_tokens"); n.int() > 0 {
		g.usage.CacheRead = n.int()
	}
	if n := u.at("cache_creation"); n.v != nil {
		g.usage.CacheWrite5m = n.at("ephemeral_5m_input_tokens").int()
		g.usage.CacheWrite1h = n.at("ephemeral_1h_input_tokens").int()
	}
	if n := u.at("server_tool_use"); n.v != nil {
		g.usage.Searches = n.at("web_search_requests").int()
	}
}

func (g *got) geminiUsage(u tree) {
	if u.v == nil {
		return
	}
	g.said = true
	g.usage.CacheRead = u.at("cachedContentTokenCount").int()
	g.usage.Input = u.at("promptTokenCount").int() + u.at("toolUsePromptTokenCount").int() - g.usage.CacheRead
	g.usage.Output = u.at("candidatesTokenCount").int() + u.at("thoughtsTokenCount").int()
	for _, m := range u.at("promptTokensDetails").list() {
		if m.at("modality").str() == "AUDIO" {
			g.usage.AudioIn = m.at("tokenCount").int()
			g.usage.Input -= g.usage.AudioIn
		}
	}
	for _, m := range u.at("candidatesTokensDetails").list() {
		if m.at("modality").str() == "AUDIO" {
			g.usage.AudioOut = m.at("tokenCount").int()
			g.usage.Output -= g.usage.AudioOut
		}
	}
}

// read reads a whole answer or a stream.
func (d dialect) read(t *testing.T, stream bool, body string) got {
	t.Helper()
	var g got
	if !stream {
		d.whole(&g, parse(t, body))
		return g
	}
	if strings.HasPrefix(body, "[") { // Gemini's array
		for _, n := range parse(t, body).list() {
			d.event(&g, event{}, n)
		}
		return g
	}
	for _, e := range readEvents(body) {
		if e.data == "[DONE]" {
			continue
		}
		d.event(&g, e, parse(t, e.data))
	}
	return g
}
