package proxy

import (
	"net/http"
	"strconv"

	"github.com/Auro-rium/aex/v3/policy"
)

// responses is OpenAI's Responses API. Fields as in openai-python
// types/responses (response_create_params.py, response_input_item_param.py,
// tool_param.py, response.py, response_usage.py).
type responses struct{}

func (responses) name() string                     { return policy.Responses }
func (responses) path(policy.Model, string) string { return "/responses" }
func (responses) refusal(f fault) []byte           { return openAIError(f) }

// responsesFields are the top-level fields whose meaning for the price is known.
var responsesFields = fieldSet(`access_programs background background_options client_metadata
	context_management conversation image include input instructions max_output_tokens max_tool_calls
	metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key
	prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream
	stream_options temperature text tool_choice tools top_logprobs top_p truncation user`)

func (responses) read(_ *http.Request, body object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:       policy.Responses,
		Model:      body.get("model").text(),
		Stream:     body.get("stream").truth(),
		OutputCap:  body.count("max_output_tokens", 0),
		Outputs:    1,
		Tier:       body.get("service_tier").text(),
		Background: body.get("background").truth(),
		Unknown:    body.unknown(responsesFields),
	}
	if n := body.get("instructions"); !n.isNull() {
		c.Messages++
	}
	switch input := body.get("input"); input.kind() {
	case '[':
		body.each("input", func(item object) { responsesItem(item, &c) })
	case '"':
		c.Messages++
	case 0, 'n': // a prompt template may stand for it
	default:
		body.fault("input is neither text nor a list")
	}
	responsesTools(body, &c)
	choice := body.get("tool_choice")
	c.ToolChoice = !choice.isNull() && choice.text() != "none" && choice.text() != "auto"
	c.CacheWrite1h = body.child("prompt_cache_options").get("ttl").text() == "12h"
	for _, name := range []string{"previous_response_id", "conversation", "prompt", "background_options"} {
		if !empty(body.get(name)) {
			c.Hidden = append(c.Hidden, name)
		}
	}
	// Compacting reads the context once more before it goes on.
	if !empty(body.get("context_management")) {
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: "compaction", MaxUses: 1})
	}
	// One bound for all the provider's own tools together.
	if n := body.count("max_tool_calls", 0); n != nil {
		for i := range c.Hosted {
			if c.Hosted[i].MaxUses == 0 {
				c.Hosted[i].MaxUses = max(*n, 1)
			}
		}
	}
	return c, *body.err
}

// responsesItems are the kinds of input that hold all their content.
var responsesItems = fieldSet(`function_call custom_tool_call web_search_call file_search_call
	computer_call reasoning compaction local_shell_call local_shell_call_output shell_call
	shell_call_output apply_patch_call apply_patch_call_output mcp_list_tools mcp_approval_request
	mcp_approval_response mcp_call tool_search_call configuration_update program program_output`)

// responsesItem reads one input item.
func responsesItem(item object, c *policy.Call) {
	c.Messages++
	t := item.get("type").text()
	if t == "" && !item.get("role").isNull() {
		t = "message"
	}
	switch t {
	case "message":
		item.each("content", func(p object) { responsesPart(p, c) })
	case "function_call_output", "custom_tool_call_output":
		item.each("output", func(p object) { responsesPart(p, c) })
	case "computer_call_output":
		responsesPart(item.child("output"), c)
	case "additional_tools", "tool_search_output":
		responsesTools(item, c)
	case "image_generation_call":
		c.Images = append(c.Images, storedImage(item.get("result")))
	case "code_interpreter_call":
		c.Hidden = append(c.Hidden, t) // its output may be images by URL
	default:
		if !responsesItems[t] {
			c.Hidden = append(c.Hidden, firstOf(clip(t, 40), "item_reference"))
		}
	}
}

// responsesPart reads one part of a message or of a tool's output.
func responsesPart(part object, c *policy.Call) {
	switch t := part.get("type").text(); t {
	case "input_text", "output_text", "text", "summary_text", "reasoning_text", "refusal":
	case "input_image", "computer_screenshot":
		c.Images = append(c.Images, imageOf(part.get("image_url"), part.get("detail").text()))
	case "input_audio":
		audio := part.child("input_audio")
		c.Audio = append(c.Audio, policy.Media{Bytes: base64Len(audio.get("data")), Type: audio.get("format").text()})
	case "input_file":
		c.Files = append(c.Files, fileOf(part.get("file_data")))
	default:
		c.Files = append(c.Files, policy.Media{Type: clip(t, 40), Remote: true})
	}
}

// responsesTools reads the tools of a request, or of an item that adds some.
// What the client runs itself (local shell, patches, a computer) costs like a
// function; what the provider runs is hosted.
func responsesTools(o object, c *policy.Call) {
	o.each("tools", func(t object) {
		c.Tools++
		kind := t.get("type").text()
		switch kind {
		case "function", "custom":
			c.AddTool(t.get("name").text())
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
			if env := t.child("environment"); env.get("type").text() == "local" {
				return
			}
		case "tool_search":
			if t.get("execution").text() == "client" {
				return
			}
		}
		c.Hosted = append(c.Hosted, policy.HostedTool{Type: clip(kind, 60)})
	})
}

func (responses) edit(body object, e edit) []splice {
	var edits []splice
	if e.model != "" {
		edits = append(edits, body.set("model", quote(e.model)))
	}
	if e.cap > 0 {
		if n := body.count("max_output_tokens", 0); n == nil || *n > e.cap {
			// Smaller ones are refused by the API.
			edits = append(edits, body.set("max_output_tokens", strconv.FormatInt(max(e.cap, 16), 10)))
		}
	}
	return edits
}

func (responses) meter(e edit) meter { return &responsesMeter{edit: e} }
