package fakeprovider

import (
	"fmt"
	"strings"
)

const jsonAdd = `"name":"add","description":"adds","parameters":{"type":"object"}`

// dialects are the wires that answer with text.
var dialects = []dialect{chatDialect, responsesDialect, completionsDialect, messagesDialect, geminiDialect, arrayDialect}

func (g *got) chatChoice(c tree, message string) {
	g.add(c.at("index").int(), c.at(message+".content").str())
	for _, tc := range c.at(message + ".tool_calls").list() {
		if name := tc.at("function.name").str(); name != "" {
			g.tools = append(g.tools, name+" ")
		}
		g.tools[len(g.tools)-1] += tc.at("function.arguments").str()
	}
	if f := c.at("finish_reason").str(); f != "" {
		g.end = f
	}
}

var chatDialect = dialect{
	name: wireChat,
	path: fixed("/v1/chat/completions"),
	body: func(said string, stream bool, limit int, tools bool) string {
		return fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":%s}]%s%s%s}`, quote(said),
			member(stream, `,"stream":true,"stream_options":{"include_usage":true}`),
			member(limit > 0, `,"max_completion_tokens":%d`, limit),
			member(tools, `,"tools":[{"type":"function","function":{%s}}]`, jsonAdd))
	},
	whole: func(g *got, n tree) {
		for _, c := range n.at("choices").list() {
			g.chatChoice(c, "message")
		}
		g.openAIUsage(n.at("usage"), "prompt", "completion")
	},
	event: func(g *got, _ event, n tree) {
		for _, c := range n.at("choices").list() {
			g.chatChoice(c, "delta")
		}
		g.openAIUsage(n.at("usage"), "prompt", "completion")
	},
}

var completionsDialect = dialect{
	name: wireCompletions,
	path: fixed("/v1/completions"),
	body: func(said string, stream bool, limit int, _ bool) string {
		if limit == 0 {
			limit = 4096
		}
		return fmt.Sprintf(`{"model":"m","prompt":%s,"max_tokens":%d%s}`, quote(said), limit,
			member(stream, `,"stream":true,"stream_options":{"include_usage":true}`))
	},
	whole: completionRead,
	event: func(g *got, _ event, n tree) { completionRead(g, n) },
}

func completionRead(g *got, n tree) {
	for _, c := range n.at("choices").list() {
		g.add(c.at("index").int(), c.at("text").str())
		if f := c.at("finish_reason").str(); f != "" {
			g.end = f
		}
	}
	g.openAIUsage(n.at("usage"), "prompt", "completion")
}

var responsesDialect = dialect{
	name: wireResponses,
	path: fixed("/v1/responses"),
	body: func(said string, stream bool, limit int, tools bool) string {
		return fmt.Sprintf(`{"model":"m","input":%s%s%s%s}`, quote(said),
			member(stream, `,"stream":true`), member(limit > 0, `,"max_output_tokens":%d`, limit),
			member(tools, `,"tools":[{"type":"function",%s}]`, jsonAdd))
	},
	whole: func(g *got, n tree) {
		for _, item := range n.at("output").list() {
			switch item.at("type").str() {
			case "message":
				g.add(0, item.at("content.0.text").str())
			case "function_call":
				g.tools = append(g.tools, item.at("name").str()+" "+item.at("arguments").str())
			}
		}
		g.end = n.at("status").str() + n.at("incomplete_details.reason").str()
		g.openAIUsage(n.at("usage"), "input", "output")
		g.usage.Searches = n.at("tool_usage.web_search.num_requests").int()
	},
	event: func(g *got, e event, n tree) {
		switch e.name {
		case "response.output_text.delta":
			g.add(0, n.at("delta").str())
		case "response.function_call_arguments.done":
			g.tools = append(g.tools, n.at("name").str()+" "+n.at("arguments").str())
		case "response.completed", "response.incomplete", "response.failed":
			r := n.at("response")
			g.end = r.at("status").str() + r.at("incomplete_details.reason").str()
			g.openAIUsage(r.at("usage"), "input", "output")
			g.usage.Searches = r.at("tool_usage.web_search.num_requests").int()
		}
	},
}

var messagesDialect = dialect{
	name: wireMessages,
	path: fixed("/v1/messages"),
	body: func(said string, stream bool, limit int, tools bool) string {
		if limit == 0 {
			limit = 4096
		}
		return fmt.Sprintf(`{"model":"m","max_tokens":%d,"messages":[{"role":"user","content":%s}]%s%s}`, limit,
			quote(said), member(stream, `,"stream":true`),
			member(tools, `,"tools":[{"name":"add","input_schema":{"type":"object"}}]`))
	},
	whole: func(g *got, n tree) {
		for _, b := range n.at("content").list() {
			switch b.at("type").str() {
			case "text":
				g.add(0, b.at("text").str())
			case "tool_use":
				g.tools = append(g.tools, b.at("name").str()+" "+string(marshal(b.at("input").v)))
			}
		}
		g.end = n.at("stop_reason").str()
		g.anthropicUsage(n.at("usage"))
	},
	event: func(g *got, e event, n tree) {
		switch e.name {
		case "message_start":
			g.anthropicUsage(n.at("message.usage"))
		case "content_block_start":
			if n.at("content_block.type").str() == "tool_use" {
				g.tools = append(g.tools, n.at("content_block.name").str()+" ")
			}
		case "content_block_delta":
			g.add(0, n.at("delta.text").str())
			if part := n.at("delta.partial_json").str(); len(g.tools) > 0 {
				g.tools[len(g.tools)-1] += part
			}
		case "message_delta":
			g.end = n.at("delta.stop_reason").str()
			g.anthropicUsage(n.at("usage"))
		}
	},
}

var geminiDialect = dialect{
	name: wireGemini,
	path: func(stream bool) string {
		if stream {
			return "/v1beta/models/m:streamGenerateContent?alt=sse"
		}
		return "/v1beta/models/m:generateContent"
	},
	body: func(said string, _ bool, limit int, tools bool) string {
		return fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":%s}]}]%s%s}`, quote(said),
			member(limit > 0, `,"generationConfig":{"maxOutputTokens":%d}`, limit),
			member(tools, `,"tools":[{"functionDeclarations":[{%s}]}]`, jsonAdd))
	},
	whole: geminiRead,
	event: func(g *got, _ event, n tree) { geminiRead(g, n) },
}

// arrayDialect is Gemini's without alt=sse.
var arrayDialect = dialect{
	name: wireGemini + " array",
	path: func(stream bool) string { return strings.TrimSuffix(geminiDialect.path(stream), "?alt=sse") },
	body: geminiDialect.body, whole: geminiDialect.whole, event: geminiDialect.event,
}

func geminiRead(g *got, n tree) {
	for _, c := range n.at("candidates").list() {
		for _, part := range c.at("content.parts").list() {
			g.add(c.at("index").int(), part.at("text").str())
			if call := part.at("functionCall"); call.v != nil {
				g.tools = append(g.tools, call.at("name").str()+" "+string(marshal(call.at("args").v)))
			}
		}
		if f := c.at("finishReason").str(); f != "" {
			g.end = f
		}
		g.usage.Searches = int64(len(c.at("groundingMetadata.webSearchQueries").list()))
	}
	searches := g.usage.Searches
	g.geminiUsage(n.at("usageMetadata"))
	g.usage.Searches = searches
}
