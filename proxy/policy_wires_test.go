package proxy

import (
	"fmt"
	"regexp"
	"strings"
)

// What a request can hold that a policy may say no to.
const (
	plainAsk = "plain"
	tool     = "tool"    // a function tool named "lookup"
	other    = "other"   // one named "delete_all"
	unnamed  = "unnamed" // a tool whose name cannot be checked, run by the client
	choice   = "choice"  // the answer must call a tool
	hosted   = "hosted"  // a tool that the provider runs
	media    = "media"   // a picture, sound or file, in the request
	remote   = "remote"  // one by address or id
	hidden   = "hidden"  // text that the gateway does not see
	unknown  = "unknown" // a top-level field of no meaning
	turns    = "turns"   // a call of a tool among the messages, or what it gave
	shown    = "shown"   // a picture in what a tool gave
	detour   = "detour"  // a field that lets a router have another model answer
)

// ask is one thing that a request holds: a part of its content, top-level
// fields, or neither.
type ask struct{ trait, label, part, fields string }

// policyWire is how requests are put on one wire. MODEL stands for the model.
type policyWire struct {
	name, model string
	path        string
	body        string // PARTS and FIELDS stand for an ask's
	cap         string // of output, %s; "": the wire has none
	stream      string // the field, or the path; "": the wire does not stream
	legacy      string // what a request without a cap must have all the same
	asks        []ask
	tools       bool // the answer can call tools
	refusal     *regexp.Regexp
}

const (
	pngB64  = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	wavB64  = "UklGRiQAAABXQVZFZm10IBAAAAABAAEA"
	textB64 = "aGVsbG8gdGhlcmU="
)

var (
	openAIRefusal = regexp.MustCompile(`^\{"error":\{"message":"aex: .+","type":"\w+","param":null,"code":"\w+"\}\}$`)
	claudeRefusal = regexp.MustCompile(`^\{"type":"error","error":\{"type":"\w+","message":"aex: .+"\},"request_id":null\}$`)
	googleRefusal = regexp.MustCompile(`^\{"error":\{"code":\d+,"message":"aex: .+","status":"[A-Z_]+"\}\}$`)
)

var policyWires = []policyWire{
	{name: "chat", model: "gpt-4o-mini", path: "/v1/chat/completions", tools: true, refusal: openAIRefusal,
		body: `{"model":"MODEL","messages":[{"role":"user","content":[{"type":"text","text":"hello"}PARTS]}]FIELDS}`,
		cap:  `,"max_tokens":%s`, stream: `,"stream":true`, asks: []ask{
			{tool, "function", "", `,"tools":[{"type":"function","function":{"name":"lookup","parameters":{}}}]`},
			{tool, "legacy function", "", `,"functions":[{"name":"lookup","parameters":{}}]`},
			{tool, "custom", "", `,"tools":[{"type":"custom","custom":{"name":"lookup"}}]`},
			{other, "function", "", `,"tools":[{"type":"function","function":{"name":"lookup"}},{"type":"function","function":{"name":"delete_all"}}]`},
			{other, "legacy function", "", `,"functions":[{"name":"delete_all"}]`},
			{other, "custom", "", `,"tools":[{"type":"custom","custom":{"name":"delete_all"}}]`},
			{unnamed, "no name", "", `,"tools":[{"type":"function","function":{"parameters":{}}}]`},
			{hosted, "a tool of no known type", "", `,"tools":[{"type":"magic","magic":{"name":"lookup"}}]`},
			{unnamed, "a name beside the function", "", `,"tools":[{"type":"function","name":"lookup"}]`},
			{choice, "required", "", `,"tool_choice":"required"`},
			{choice, "one function", "", `,"tool_choice":{"type":"function","function":{"name":"lookup"}}`},
			{choice, "legacy", "", `,"function_call":{"name":"lookup"}`},
			{hosted, "web search", "", `,"web_search_options":{}`},
			{turns, "what a tool gave", `]},{"role":"tool","tool_call_id":"t","content":[{"type":"text","text":"x"}`, ""},
			{turns, "what a function gave", `]},{"role":"function","name":"f","content":[{"type":"text","text":"x"}`, ""},
			{turns, "a call", `]},{"role":"assistant","tool_calls":[{"id":"t","type":"function","function":{"name":"lookup","arguments":"{}"}}],"content":[{"type":"text","text":"x"}`, ""},
			{detour, "models", "", `,"models":["gpt-4o"]`}, {detour, "route", "", `,"route":"fallback"`},
			{detour, "fallbacks", "", `,"fallbacks":["gpt-4o"]`}, {detour, "extra_body", "", `,"extra_body":{"models":["gpt-4o"]}`}, {detour, "preset", "", `,"preset":"mine"`},
			{detour, "in another case", "", `,"Models":["gpt-4o"]`},
			{media, "image", `,{"type":"image_url","image_url":{"url":"data:image/png;base64,` + pngB64 + `"}}`, ""},
			{media, "audio", `,{"type":"input_audio","input_audio":{"data":"` + wavB64 + `","format":"wav"}}`, ""},
			{media, "file", `,{"type":"file","file":{"filename":"a.txt","file_data":"data:text/plain;base64,` + textB64 + `"}}`, ""},
			{remote, "image by address", `,{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}`, ""},
			{remote, "file by id", `,{"type":"file","file":{"file_id":"file-1"}}`, ""},
			{remote, "a part of no known type", `,{"type":"video_url","video_url":{"url":"https://example.com/a.mp4"}}`, ""},
			{unknown, "field", "", `,"magic":1`},
		}},
	{name: "responses", model: "gpt-4o-mini", path: "/v1/responses", tools: true, refusal: openAIRefusal,
		body: `{"model":"MODEL","input":[{"role":"user","content":[{"type":"input_text","text":"hello"}PARTS]}]FIELDS}`,
		cap:  `,"max_output_tokens":%s`, stream: `,"stream":true`, asks: []ask{
			{tool, "function", "", `,"tools":[{"type":"function","name":"lookup","parameters":{}}]`},
			{tool, "custom", "", `,"tools":[{"type":"custom","name":"lookup"}]`},
			{tool, "namespace", "", `,"tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"lookup"}]}]`},
			{other, "function", "", `,"tools":[{"type":"function","name":"delete_all","parameters":{}}]`},
			{other, "within a namespace", "", `,"tools":[{"type":"namespace","name":"lookup","tools":[{"type":"function","name":"delete_all"}]}]`},
			{unnamed, "no name", "", `,"tools":[{"type":"function"}]`},
			{unnamed, "local shell", "", `,"tools":[{"type":"local_shell"}]`},
			{unnamed, "computer", "", `,"tools":[{"type":"computer_use_preview","display_width":1,"display_height":1,"environment":"browser"}]`},
			{choice, "required", "", `,"tool_choice":"required"`},
			{choice, "one function", "", `,"tool_choice":{"type":"function","name":"lookup"}`},
			{hosted, "web search", "", `,"max_tool_calls":1,"tools":[{"type":"web_search"}]`},
			{hosted, "mcp", "", `,"max_tool_calls":1,"tools":[{"type":"mcp","server_label":"lookup","server_url":"https://example.com"}]`},
			{hosted, "code interpreter", "", `,"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]`},
			{turns, "what a tool gave", `]},{"type":"function_call_output","call_id":"c","output":"x"},{"role":"user","content":[{"type":"input_text","text":"x"}`, ""},
			{turns, "a call", `]},{"type":"custom_tool_call","call_id":"c","name":"lookup","input":"x"},{"role":"user","content":[{"type":"input_text","text":"x"}`, ""},
			{turns, "a call of another server's", `]},{"type":"mcp_call","id":"m","name":"lookup","arguments":"{}","server_label":"s","output":"x"},{"role":"user","content":[{"type":"input_text","text":"x"}`, ""},
			{shown, "in what a tool gave", `]},{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"data:image/png;base64,` + pngB64 + `"}]},{"role":"user","content":[{"type":"input_text","text":"x"}`, ""},
			{shown, "in what a shell gave", `]},{"type":"local_shell_call_output","id":"c","output":[{"type":"input_image","image_url":"data:image/png;base64,` + pngB64 + `"}]},{"role":"user","content":[{"type":"input_text","text":"x"}`, ""},
			{detour, "models", "", `,"models":["gpt-4o"]`}, {detour, "fallbacks", "", `,"fallbacks":[{"model":"gpt-4o"}]`},
			{media, "image", `,{"type":"input_image","image_url":"data:image/png;base64,` + pngB64 + `"}`, ""},
			{media, "audio", `,{"type":"input_audio","input_audio":{"data":"` + wavB64 + `","format":"wav"}}`, ""},
			{media, "file", `,{"type":"input_file","filename":"a.txt","file_data":"data:text/plain;base64,` + textB64 + `"}`, ""},
			{remote, "image by address", `,{"type":"input_image","image_url":"https://example.com/a.png"}`, ""},
			{remote, "image by id", `,{"type":"input_image","file_id":"file-1"}`, ""},
			{remote, "file by address", `,{"type":"input_file","file_url":"https://example.com/a.pdf"}`, ""},
			{remote, "a part of no known type", `,{"type":"input_video"}`, ""},
			{hidden, "an earlier answer", "", `,"previous_response_id":"resp_1"`},
			{hidden, "a conversation", "", `,"conversation":"conv_1"`},
			{hidden, "a prompt template", "", `,"prompt":{"id":"pmpt_1"}`},
			{unknown, "field", "", `,"magic":1`},
		}},
	{name: "completions", model: "gpt-3.5-turbo-instruct", path: "/v1/completions", refusal: openAIRefusal,
		body: `{"model":"MODEL","prompt":"hello"FIELDS}`, cap: `,"max_tokens":%s`, stream: `,"stream":true`,
		asks: []ask{{unknown, "field", "", `,"magic":1`}, {unknown, "tools", "", `,"tools":[]`}, {detour, "models", "", `,"models":["gpt-4o"]`}}},
	{name: "embeddings", model: "text-embedding-3-small", path: "/v1/embeddings", refusal: openAIRefusal,
		body: `{"model":"MODEL","input":"hello"FIELDS}`,
		asks: []ask{{unknown, "field", "", `,"magic":1`}, {unknown, "tools", "", `,"tools":[]`}, {detour, "models", "", `,"models":["gpt-4o"]`}}},
	{name: "messages", model: "claude-sonnet-4-5", path: "/v1/messages", tools: true, refusal: claudeRefusal,
		body: `{"model":"MODEL","messages":[{"role":"user","content":[{"type":"text","text":"hello"}PARTS]}]FIELDS}`,
		cap:  `,"max_tokens":%s`, stream: `,"stream":true`, legacy: `,"max_tokens":64`, asks: []ask{
			{tool, "custom", "", `,"tools":[{"name":"lookup","input_schema":{"type":"object"}}]`},
			{tool, "client's own, by name", "", `,"tools":[{"type":"bash_20250124","name":"lookup"}]`},
			{other, "custom", "", `,"tools":[{"name":"lookup","input_schema":{"type":"object"}},{"name":"delete_all","input_schema":{"type":"object"}}]`},
			{unnamed, "no name", "", `,"tools":[{"input_schema":{"type":"object"}}]`},
			{choice, "any", "", `,"tool_choice":{"type":"any"}`},
			{choice, "one tool", "", `,"tool_choice":{"type":"tool","name":"lookup"}`},
			{hosted, "web search", "", `,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":1}]`},
			{hosted, "web search named as an allowed tool", "", `,"tools":[{"type":"web_search_20250305","name":"lookup","max_uses":1}]`},
			{hosted, "code execution", "", `,"tools":[{"type":"code_execution_20250522","name":"code_execution"}]`},
			{hosted, "mcp server", "", `,"mcp_servers":[{"type":"url","url":"https://example.com","name":"lookup"}]`},
			{media, "image", `,{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + pngB64 + `"}}`, ""},
			{media, "document", `,{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQK"}}`, ""},
			{media, "text document", `,{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hello"}}`, ""},
			{turns, "a call", `,{"type":"tool_use","id":"t","name":"lookup","input":{}}`, ""},
			{turns, "what a tool gave", `,{"type":"tool_result","tool_use_id":"t","content":"x"}`, ""},
			{turns, "what another server's gave", `,{"type":"mcp_tool_result","tool_use_id":"t","content":"x"}`, ""},
			{detour, "fallbacks", "", `,"fallbacks":[{"model":"claude-opus-4-5"}]`}, {detour, "models", "", `,"models":["claude-opus-4-5"]`},
			{shown, "image within a tool's result", `,{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + pngB64 + `"}}]}`, ""},
			{remote, "image by address", `,{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}`, ""},
			{remote, "document by id", `,{"type":"document","source":{"type":"file","file_id":"file_1"}}`, ""},
			{remote, "upload", `,{"type":"container_upload","file_id":"file_1"}`, ""},
			{remote, "a part of no known type", `,{"type":"video","source":{}}`, ""},
			{hidden, "a container", "", `,"container":"c_1"`},
			{unknown, "field", "", `,"magic":1`},
		}},
	{name: "gemini", model: "gemini-2.5-flash", path: "/v1beta/models/MODEL:generateContent", tools: true, refusal: googleRefusal,
		body: `{"contents":[{"role":"user","parts":[{"text":"hello"}PARTS]}]FIELDS}`,
		cap:  `,"generationConfig":{"maxOutputTokens":%s}`, stream: "/v1beta/models/MODEL:streamGenerateContent?alt=sse", asks: []ask{
			{tool, "function", "", `,"tools":[{"functionDeclarations":[{"name":"lookup"}]}]`},
			{tool, "function in snake_case", "", `,"tools":[{"function_declarations":[{"name":"lookup"}]}]`},
			{other, "function", "", `,"tools":[{"functionDeclarations":[{"name":"lookup"},{"name":"delete_all"}]}]`},
			{other, "in snake_case, one tool without a list", "", `,"tools":{"function_declarations":[{"name":"delete_all"}]}`},
			{unnamed, "no name", "", `,"tools":[{"functionDeclarations":[{}]}]`},
			{unnamed, "computer", "", `,"tools":[{"computerUse":{"environment":"ENVIRONMENT_BROWSER"}}]`},
			{choice, "any", "", `,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`},
			{choice, "any in snake_case", "", `,"tool_config":{"function_calling_config":{"mode":"any"}}`},
			{hosted, "search", "", `,"tools":[{"googleSearch":{}}]`},
			{hosted, "search in snake_case", "", `,"tools":[{"google_search":{}}]`},
			{hosted, "code", "", `,"tools":[{"codeExecution":{}}]`},
			{hosted, "addresses", "", `,"tools":[{"urlContext":{}}]`},
			{media, "image", `,{"inlineData":{"mimeType":"image/png","data":"` + pngB64 + `"}}`, ""},
			{media, "image in snake_case", `,{"inline_data":{"mime_type":"image/png","data":"` + pngB64 + `"}}`, ""},
			{media, "audio", `,{"inlineData":{"mimeType":"audio/wav","data":"` + wavB64 + `"}}`, ""},
			{media, "file", `,{"inlineData":{"mimeType":"text/plain","data":"` + textB64 + `"}}`, ""},
			{turns, "a call", `,{"functionCall":{"name":"lookup","args":{}}}`, ""},
			{turns, "what a function gave", `,{"function_response":{"name":"lookup","response":{}}}`, ""},
			{shown, "image within a function's response", `,{"functionResponse":{"name":"f","response":{},"parts":[{"inlineData":{"mimeType":"image/png","data":"` + pngB64 + `"}}]}}`, ""},
			{remote, "image by address", `,{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}`, ""},
			{remote, "video by address", `,{"file_data":{"mime_type":"video/mp4","file_uri":"https://example.com/a.mp4"}}`, ""},
			{hidden, "cached content", "", `,"cachedContent":"cachedContents/1"`},
			{remote, "a part of no known kind", `,{"magic":{}}`, ""},
			{unknown, "field", "", `,"magic":1`},
		}},
}

// request is the path and the body of a call that holds an ask.
func (w policyWire) request(model string, a ask) (path, body string) {
	fields := a.fields
	if w.legacy != "" && !strings.Contains(fields, "max_tokens") {
		fields += w.legacy
	}
	r := strings.NewReplacer("MODEL", model, "PARTS", a.part, "FIELDS", fields)
	return r.Replace(w.path), r.Replace(w.body)
}

// streamed is the same, streamed.
func (w policyWire) streamed(model string, a ask) (path, body string) {
	if strings.HasPrefix(w.stream, "/") {
		w.path = w.stream
	} else {
		a.fields += w.stream
	}
	return w.request(model, a)
}

// capped is a request with an output cap of its own.
func (w policyWire) capped(cap any) ask { return ask{fields: fmt.Sprintf(w.cap, fmt.Sprint(cap))} }
