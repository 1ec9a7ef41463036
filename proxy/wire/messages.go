package wire

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// Messages is Anthropic's Messages API. Fields as in anthropic-sdk-python
// types/beta/message_create_params.py, beta_tool_union_param.py,
// beta_content_block_param.py and beta_usage.py.
var Messages = &Wire{
	Dialect:   policy.Dialect{Name: policy.Messages, Type: policy.TypeAnthropic, Provider: "anthropic", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "chat",
	Find:      findMessages,
	Owns:      func(path string) bool { return strings.Contains(path, "/messages") },
	Path:      func(_ policy.Model, rest string) string { return "/v1/messages" + rest },
	Fields:    messagesFields,
	Authorize: anthropicKey,
	Read:      readMessages,
	Edit:      editMessages,
	Meter:     meterMessages,
	Refuse:    anthropicError,
	Count:     countMessages,
}

// findMessages serves calls, and counts of their tokens.
func findMessages(method, path string) (Route, bool) {
	rest, ok := strings.CutPrefix(Unversioned(path), "/messages")
	switch {
	case !ok || method != http.MethodPost:
	case rest == "":
		return Route{}, true
	case rest == "/count_tokens":
		return Route{Free: CountTokens, Rest: rest}, true
	}
	return Route{}, false
}

// anthropicKey also names the version of the API, without which it does not answer.
func anthropicKey(h http.Header, key string) {
	h.Set("X-Api-Key", key)
	if h.Get("Anthropic-Version") == "" {
		h.Set("Anthropic-Version", "2023-06-01")
	}
}

// anthropicError has the shape of types/beta_error_response.py.
func anthropicError(f Refusal) []byte {
	return []byte(`{"type":"error","error":{"type":` + Quote(anthropicWords[f.Kind]) +
		`,"message":` + Quote(f.Message) + `},"request_id":null}`)
}

// anthropicWords are Anthropic's for each kind of refusal.
var anthropicWords = map[Kind]string{
	Invalid: "invalid_request_error", Unauthenticated: "authentication_error", Forbidden: "permission_error", NoModel: "permission_error",
	NoMoney: "billing_error", TooFast: "rate_limit_error", NotFound: "not_found_error", TooLarge: "request_too_large",
	Unreachable: "api_error", Unavailable: "api_error",
}

// messagesFields are the top-level fields whose meaning for the price is known.
var messagesFields = fieldSet(`billing_policy cache_control compaction container context_management
	diagnostics fallback_credit_token fallbacks inference_geo max_tokens mcp_servers messages metadata
	model output_config output_format service_tier speed stop_sequences stream system temperature
	thinking thread tool_choice tools top_k top_p user_profile_id`)

func readMessages(_ *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:      policy.Messages,
		Model:     body.word("model"),
		Stream:    body.flag("stream"),
		OutputCap: body.Count("max_tokens", 0),
		Outputs:   1,
		Tier:      body.word("service_tier"),
		Geo:       body.word("inference_geo"),
		Fast:      body.word("speed") == "fast",
	}
	body.beside(messagesFields, &c)
	if body.Get("messages").isNull() {
		body.fault("messages is missing")
	}
	if !body.Get("system").isNull() {
		c.Messages++
		contentBlocks(body, "system", &c, 0)
	}
	body.list("messages", func(m Object) {
		c.Messages++
		contentBlocks(m, "content", &c, 0)
	})
	cacheControl(body, "cache_control", &c)
	messagesTools(body, &c)
	c.Defined = defined(body.Get("tools"))
	messagesHidden(body, &c)
	thinking(body, &c)
	effort(body.member("reasoning").Get("effort"), &c) // of routers
	switch body.member("tool_choice").word("type") {
	case "any", "tool":
		c.ToolChoice = true
	}
	return c, *body.err
}

// messagesHidden reads what brings in content from elsewhere.
func messagesHidden(body Object, c *policy.Call) {
	for _, name := range []string{"container", "thread"} {
		if !empty(body.Get(name)) {
			c.Hidden = append(c.Hidden, name)
		}
	}
	body.member("context_management").list("edits", func(e Object) {
		// Compacting reads all of the content once more. The other edits only take some of
		// it away.
		if !strings.HasPrefix(e.word("type"), "clear_") {
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: "compaction", MaxUses: 1})
		}
	})
	if !empty(body.Get("compaction")) {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "compaction", MaxUses: 1})
	}
}

// cacheControl notes a cache write that the request asks for.
func cacheControl(o Object, name string, c *policy.Call) {
	control := o.member(name)
	switch {
	case control.Kind() != '{':
	case control.word("ttl") == "1h":
		c.CacheWrite1h = true
	default:
		c.CacheWrite5m = true
	}
}

// maxBlocks bounds how deep content may nest: a message, a tool's result, a fetched page,
// its document, that document's blocks.
const maxBlocks = 8

// contentBlocks reads the blocks under name, and those within them.
func contentBlocks(o Object, name string, c *policy.Call, depth int) {
	if depth > maxBlocks {
		o.fault("%s nests too deep", name)
		return
	}
	if v := o.child(name); v.Kind() == '{' {
		contentBlock(v, c, depth)
		return
	}
	o.content(name, func(b Object) { contentBlock(b, c, depth) })
}

func contentBlock(b Object, c *policy.Call, depth int) {
	cacheControl(b, "cache_control", c)
	t := b.kind()
	c.ToolTurns = c.ToolTurns || strings.HasSuffix(t, "tool_result")
	switch t {
	case "text", "thinking":
		b.onlyText(t)
	case "redacted_thinking", "compaction", "fallback", "tool_reference", "tool_removal":
	case "tool_use", "server_tool_use", "mcp_tool_use":
		c.ToolTurns = true
	case "image":
		source := b.member("source")
		if source.word("type") == "base64" {
			c.Images = append(c.Images, storedImage(source.Get("data")))
		} else {
			c.Images = append(c.Images, policy.Image{Remote: true})
		}
	case "document":
		source := b.member("source")
		switch source.word("type") {
		case "base64", "text":
			media := policy.Media{Bytes: base64Len(source.Get("data")), Type: source.word("media_type")}
			c.Files = append(c.Files, media)
		case "content":
			contentBlocks(source, "content", c, depth+1)
		default:
			c.Files = append(c.Files, policy.Media{Remote: true})
		}
	case "container_upload":
		c.Files = append(c.Files, policy.Media{Remote: true})
	case "tool_addition":
		addTool(b.member("tool").member("definition"), c)
	case "search_result", "tool_result", "mcp_tool_result", "mcp_tool_listing", "web_search_result", "web_fetch_result":
		contentBlocks(b, "content", c, depth+1)
	default:
		// Results of the provider's own tools: their text is in the request, but
		// their files and pictures may not be.
		if !strings.HasSuffix(t, "_tool_result") && !strings.HasSuffix(t, "_result") && !strings.HasSuffix(t, "_error") && t != "browser_state" {
			c.Files = append(c.Files, policy.Media{Type: plain.Clip(t, 40), Remote: true})
			return
		}
		contentBlocks(b, "content", c, depth+1)
	}
}

// clientTools are the beginnings of tool types that Anthropic defines and the client
// runs. They cost as much as tools that the client defines.
var clientTools = []string{"bash_", "text_editor_", "computer_", "memory_", "browser_toolset_"}

// messagesTools reads the tools.
func messagesTools(body Object, c *policy.Call) {
	servers := 0
	body.list("mcp_servers", func(Object) {
		servers++
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "mcp"})
		c.AddTool("")
	})
	body.list("tools", func(t Object) {
		if servers > 0 && t.word("type") == "mcp_toolset" {
			cacheControl(t, "cache_control", c)
			return // counted with its server
		}
		addTool(t, c)
	})
}

func addTool(t Object, c *policy.Call) {
	c.Tools++
	c.AddTool(t.word("name"))
	cacheControl(t, "cache_control", c)
	kind := t.word("type")
	if kind == "" || kind == "custom" {
		return
	}
	for _, prefix := range clientTools {
		if strings.HasPrefix(kind, prefix) {
			return
		}
	}
	c.Hosted = append(c.Hosted, policy.HostedTool{Type: plain.Clip(kind, 60), MaxUses: value(t.Count("max_uses", 1)), Tool: true})
}

func editMessages(body Object, e Edit) []Splice {
	var edits []Splice
	if e.Model != "" {
		edits = append(edits, body.Set("model", Quote(e.Model)))
	}
	if e.Cap > 0 {
		if n := body.Count("max_tokens", 0); lowered(n, e.Cap) {
			edits = append(edits, body.Set("max_tokens", strconv.FormatInt(e.Cap, 10)))
		}
	}
	if e.Thinking > 0 {
		edits = append(edits, body.child("thinking").Set("budget_tokens", strconv.FormatInt(e.Thinking, 10)))
	}
	if e.Tier != "" {
		edits = append(edits, body.Set("service_tier", Quote(e.Tier)))
	}
	if e.Uses > 0 {
		edits = append(edits, boundUses(body, e.Uses)...)
	}
	return edits
}
