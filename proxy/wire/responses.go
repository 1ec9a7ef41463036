package wire

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// Responses is OpenAI's Responses API. Fields as in openai-python
// types/responses (response_create_params.py, response_input_item_param.py,
// tool_param.py, response.py, response_usage.py).
var Responses = &Wire{
	Dialect:   policy.Dialect{Name: policy.Responses, Type: policy.TypeOpenAI, Provider: "openai", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "chat",
	Find:      findResponses,
	Path:      func(_ policy.Model, rest string) string { return "/responses" + rest },
	Fields:    responsesFields,
	Authorize: bearer,
	Read:      readResponses,
	Edit:      editResponses,
	Meter:     meterResponses,
	Refuse:    openAIError,
	Count:     countResponses,
}

// findResponses serves calls, compactions (which are calls), counts of tokens,
// and requests about an answer that the provider keeps. A client that asks for a WebSocket
// is told that there is none.
func findResponses(method, path string) (Route, bool) {
	rest, ok := strings.CutPrefix(Unversioned(path), "/responses")
	id, action, acts := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case !ok || rest != "" && rest[0] != '/':
	case rest == "" && method == http.MethodGet:
		return Route{Free: "websocket"}, true
	case method == http.MethodPost && (rest == "" || rest == "/compact"):
		return Route{Rest: rest}, true
	case method == http.MethodPost && rest == "/input_tokens":
		return Route{Free: CountTokens, Rest: rest}, true
	case id == "" || strings.Contains(action, "/"):
	case !acts && (method == http.MethodGet || method == http.MethodDelete),
		method == http.MethodPost && action == "cancel", method == http.MethodGet && action == "input_items":
		return Route{Free: Relayed, Rest: rest, ID: id}, true
	}
	return Route{}, false
}

// responsesFields are the top-level fields whose meaning for the price is known.
var responsesFields = fieldSet(`access_programs background background_options client_metadata
	context_management conversation image include input instructions max_output_tokens max_tool_calls
	metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key
	prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream
	stream_options temperature text tool_choice tools top_logprobs top_p truncation user`)

func readResponses(_ *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:       policy.Responses,
		Model:      body.word("model"),
		Stream:     body.flag("stream"),
		OutputCap:  body.Count("max_output_tokens", 0),
		Outputs:    1,
		Tier:       body.word("service_tier"),
		Background: body.flag("background"),
	}
	body.beside(responsesFields, &c)
	openAIReason(body, &c)
	switch instructions := body.Get("instructions"); {
	case instructions.Kind() == '"':
		c.Messages++
	case !instructions.isNull():
		body.list("instructions", func(item Object) { responsesItem(item, &c) })
	}
	for _, variable := range body.member("prompt").member("variables").members {
		if variable.value.Kind() == '{' { // a part that the template shows
			responsesPart(variable.value.Object(body.err), &c)
		}
	}
	switch input := body.Get("input"); input.Kind() {
	case '[':
		body.list("input", func(item Object) { responsesItem(item, &c) })
	case '"':
		c.Messages++
	case 0, 'n': // a prompt template may stand for it
	default:
		body.fault("input is neither text nor a list")
	}
	responsesTools(body, &c)
	c.Defined = defined(body.Get("tools"))
	switched(body, &c)
	choice := body.Get("tool_choice")
	c.ToolChoice = !choice.isNull() && choice.Text() != "none" && choice.Text() != "auto"
	c.CacheWrite1h = body.member("prompt_cache_options").word("ttl") == "12h"
	responsesKept(body, &c)
	// Compacting reads the context once more.
	if !empty(body.Get("context_management")) {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "compaction", MaxUses: 1})
	}
	// The request has one bound for all of the provider's own tools together. It does not
	// bound what a field of its own turns on.
	if n := body.Count("max_tool_calls", 0); n != nil {
		for i := range c.Hosted {
			if c.Hosted[i].Tool && c.Hosted[i].MaxUses == 0 {
				c.Hosted[i].MaxUses = max(*n, 1)
			}
		}
	}
	return c, *body.err
}

// responsesKept reads what brings in what the provider keeps.
func responsesKept(body Object, c *policy.Call) {
	for _, name := range []string{"previous_response_id", "conversation", "prompt", "background_options"} {
		if !empty(body.Get(name)) {
			c.Hidden = append(c.Hidden, name)
		}
	}
	// An agent that Azure keeps has instructions, tools and a model of its own.
	for _, name := range []string{"agent", "agent_reference"} {
		if !empty(body.Get(name)) {
			c.Elsewhere = append(c.Elsewhere, name)
		}
	}
}

// responsesItems are the kinds of input whose content is all in the request.
var responsesItems = fieldSet(`function_call custom_tool_call web_search_call file_search_call
	computer_call reasoning compaction local_shell_call local_shell_call_output shell_call
	shell_call_output apply_patch_call apply_patch_call_output mcp_list_tools mcp_approval_request
	mcp_approval_response mcp_call tool_search_call configuration_update program program_output`)

// responsesItem reads one input item.
func responsesItem(item Object, c *policy.Call) {
	c.Messages++
	t := item.word("type")
	if t == "" && !item.Get("role").isNull() {
		t = "message"
	}
	c.ToolTurns = c.ToolTurns || strings.Contains(t, "_call") || strings.HasPrefix(t, "mcp_")
	switch t {
	case "message":
		item.content("content", func(p Object) { responsesPart(p, c) })
	case "function_call_output", "custom_tool_call_output":
		item.content("output", func(p Object) { responsesPart(p, c) })
	case "computer_call_output":
		responsesPart(item.member("output"), c)
	case "input_text", "input_image", "input_audio", "input_file", "computer_screenshot": // a part where an item belongs
		responsesPart(item, c)
	case "additional_tools", "tool_search_output":
		responsesTools(item, c)
	case "reasoning", "compaction":
		if empty(item.Get("encrypted_content")) && empty(item.Get("content")) && !item.Get("id").isNull() {
			c.Hidden = append(c.Hidden, t) // the provider has it, and reads it again
		}
	case "image_generation_call":
		c.Images = append(c.Images, storedImage(item.Get("result")))
	case "code_interpreter_call":
		c.Hidden = append(c.Hidden, t) // its output may be images by URL
	default:
		if !responsesItems[t] {
			c.Hidden = append(c.Hidden, firstOf(plain.Clip(t, 40), "item_reference"))
		}
	}
	if responsesItems[t] {
		responsesLists(item, c)
	}
}

// responsesLists reads the lists of an item that should hold only texts, as far as their
// parts say what they are.
func responsesLists(item Object, c *policy.Call) {
	for _, name := range []string{"content", "output", "summary"} {
		item.Get(name).elements(func(e Span) {
			if part := e.Object(item.err); !part.Get("type").isNull() {
				responsesPart(part, c)
			}
		})
	}
}

// responsesPart reads one part of a message or of a tool's output.
func responsesPart(part Object, c *policy.Call) {
	switch t := part.kind(); t {
	case "input_text", "output_text", "text", "summary_text", "reasoning_text", "refusal":
		part.onlyText(t)
	case "input_image", "computer_screenshot":
		c.Images = append(c.Images, imageOf(part.Get("image_url"), part.word("detail")))
	case "input_audio":
		audio := part.member("input_audio")
		c.Audio = append(c.Audio, audioOf(audio.Get("data"), audio.word("format")))
	case "input_file":
		c.Files = append(c.Files, fileOf(part.Get("file_data")))
	default:
		c.Files = append(c.Files, policy.Media{Type: plain.Clip(t, 40), Remote: true})
	}
}

// responsesTools reads the tools of a request, or of an item that adds some.
// What the client runs itself (local shell, patches, a computer) costs like a
// function; what the provider runs is hosted.
func responsesTools(o Object, c *policy.Call) {
	o.list("tools", func(t Object) {
		c.Tools++
		kind := t.word("type")
		switch kind {
		case "function", "custom":
			c.AddTool(t.word("name"))
			return
		case "namespace":
			c.Tools--
			responsesTools(t, c)
			return
		}
		c.AddTool("")
		switch kind {
		case "local_shell", "apply_patch", "computer", "computer_use_preview":
			return
		case "shell":
			if env := t.member("environment"); env.word("type") == "local" {
				return
			}
		case "tool_search":
			if t.word("execution") == "client" {
				return
			}
		}
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: plain.Clip(kind, 60), Tool: true})
	})
}

func editResponses(body Object, e Edit) []Splice {
	var edits []Splice
	if e.Model != "" {
		edits = append(edits, body.Set("model", Quote(e.Model)))
	}
	if e.Cap > 0 {
		if n := body.Count("max_output_tokens", 0); lowered(n, e.Cap) {
			// Smaller ones are refused by the API.
			edits = append(edits, body.Set("max_output_tokens", strconv.FormatInt(max(e.Cap, 16), 10)))
		}
	}
	edits = append(edits, lowerBudget(body, e)...)
	return append(edits, boundResponses(body, e)...)
}

// boundResponses lists the changes that bound the provider's own tools, and name
// the service tier.
func boundResponses(body Object, e Edit) (edits []Splice) {
	if e.Uses > 0 {
		edits = append(edits, boundCalls(body, e.Uses)...)
	}
	if e.Tier != "" {
		edits = append(edits, body.Set("service_tier", Quote(e.Tier)))
	}
	return edits
}

func meterResponses(e Edit) Meter { return &responsesMeter{Edit: e} }
