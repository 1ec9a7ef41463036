package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// Gemini is Google's generateContent. Fields as in python-genai
// google/genai/types.py (GenerateContentConfig, Part, Tool). The API takes
// every name in camelCase and in snake_case.
var Gemini = &Wire{
	Dialect:   policy.Dialect{Name: policy.Gemini, Type: policy.TypeGemini, Provider: "google", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "generate_content",
	Find:      findGemini,
	Owns:      ownsGemini,
	Path:      geminiPath,
	Fields:    geminiFields,
	Authorize: geminiKey,
	Read:      readGemini,
	Edit:      editGemini,
	Meter:     meterGemini,
	Refuse:    geminiError,
	Count:     countGemini,
}

// findGemini splits models/M:method below either version of the API.
func findGemini(method, path string) (Route, bool) {
	rest, beta := strings.CutPrefix(path, "/v1beta/")
	version := ""
	if !beta {
		stable := false
		if rest, stable = strings.CutPrefix(path, stableGemini); !stable {
			return Route{}, false
		}
		version = stableGemini
	}
	if beta && method == http.MethodGet && rest == "models" {
		return Route{Free: "gemini_models"}, true
	}
	if name, one := strings.CutPrefix(rest, "models/"); beta && one && method == http.MethodGet && !strings.ContainsAny(name, "/:") {
		return Route{Free: "gemini_model", Rest: name}, true
	}
	model, action, ok := strings.Cut(rest, ":")
	if !ok || method != http.MethodPost || !strings.HasPrefix(model, "models/") {
		return Route{}, false
	}
	switch action {
	case "generateContent", "streamGenerateContent":
		return Route{Rest: version + rest}, true
	case "countTokens":
		return Route{Free: CountTokens, Rest: version + rest}, true
	}
	return Route{}, false
}

func ownsGemini(path string) bool {
	return strings.HasPrefix(path, "/v1beta") || strings.HasPrefix(path, "/v1/models/") && strings.Contains(path, ":")
}

func geminiKey(h http.Header, key string) { h.Set("X-Goog-Api-Key", key) }

// geminiPath puts the model's name where the client had it.
func geminiPath(m policy.Model, rest string) string {
	_, action := geminiRest(rest)
	name, version := strings.TrimPrefix(m.Sent, "models/"), "/v1beta/"
	if strings.HasPrefix(rest, stableGemini) {
		version = stableGemini
	}
	if strings.Contains(name, "/") { // such as tunedModels/x
		return version + (&url.URL{Path: name}).EscapedPath() + ":" + action
	}
	return version + "models/" + url.PathEscape(name) + ":" + action
}

// stableGemini begins the paths of the other version of Google's API, which its SDK for
// Python uses. A call goes to the version that it came by.
const stableGemini = "/v1/"

// geminiRest splits models/M:action.
func geminiRest(rest string) (model, action string) {
	model, action, _ = strings.Cut(strings.TrimPrefix(rest, stableGemini), ":")
	return strings.TrimPrefix(model, "models/"), action
}

// geminiError has the shape of google.rpc.Status.
func geminiError(f Refusal) []byte {
	return []byte(`{"error":{"code":` + strconv.Itoa(f.Status) + `,"message":` + Quote(f.Message) + `,"status":` + Quote(geminiWords[f.Kind]) + `}}`)
}

// geminiWords are google.rpc.Code's names for each kind of refusal.
var geminiWords = map[Kind]string{
	Invalid: "INVALID_ARGUMENT", Unauthenticated: "UNAUTHENTICATED", Forbidden: "PERMISSION_DENIED", NoModel: "PERMISSION_DENIED",
	NoMoney: "FAILED_PRECONDITION", TooFast: "RESOURCE_EXHAUSTED", NotFound: "NOT_FOUND", TooLarge: "INVALID_ARGUMENT",
	Unreachable: "UNAVAILABLE", Unavailable: "UNAVAILABLE",
}

// geminiFields are the top-level fields whose meaning for the price is known.
var geminiFields = fieldSet(`cached_content contents generation_config generate_content_request labels model
	safety_settings service_tier store system_instruction tool_config tools`)

// asksEvents tells whether any of the values asks for a stream: the server decides which
// one counts.
func asksEvents(alt []string) bool {
	return slices.ContainsFunc(alt, func(v string) bool { return strings.EqualFold(v, "sse") })
}

func readGemini(r *http.Request, body Object, rest string) (policy.Call, error) {
	model, action := geminiRest(rest)
	config := body.protoMember("generation_config")
	c := policy.Call{
		Wire:      policy.Gemini,
		Model:     model,
		Stream:    action == "streamGenerateContent" || r != nil && asksEvents(r.URL.Query()["alt"]),
		OutputCap: config.protoCount("max_output_tokens", 0),
		Outputs:   max(1, value(config.protoCount("candidate_count", 0))),
		Tier:      strings.TrimPrefix(strings.ToLower(body.asWord(body.proto("service_tier"), "service_tier")), "service_tier_"),
	}
	if c.Tier == "unspecified" {
		c.Tier = ""
	}
	for _, m := range body.members {
		if !geminiFields[Snake(m.name)] {
			c.Unknown = append(c.Unknown, m.name)
		}
	}
	if n := config.protoChild("thinking_config").protoCount("thinking_budget", -1); n != nil {
		c.ThinkingOpen = *n < 0
	}
	c.ThinkingLevel = !config.protoChild("thinking_config").proto("thinking_level").isNull()
	geminiReason(config, &c)
	config.words(config.proto("response_modalities"), "response_modalities", func(s string) {
		switch strings.ToUpper(s) {
		case "AUDIO":
			c.AudioOut = true
		case "IMAGE", "VIDEO": // at prices of their own
			c.Hosted = append(c.Hosted, policy.HostedTool{Type: "image_output"})
		}
	})
	if !body.proto("system_instruction").isNull() {
		c.Messages++
		geminiContent(body.protoMember("system_instruction"), &c)
	}
	body.oneOrList("contents", func(o Object) {
		c.Messages++
		geminiContent(o, &c)
	})
	if !empty(body.proto("cached_content")) {
		c.Hidden = append(c.Hidden, "cached_content")
	}
	geminiTools(body, &c)
	c.Defined = defined(body.Get("tools"))
	mode := body.protoMember("tool_config").protoMember("function_calling_config").word("mode")
	c.ToolChoice = strings.EqualFold(mode, "ANY")
	return c, *body.err
}

// geminiParts are the members of a part that bring in no content from elsewhere.
var geminiParts = fieldSet(`text thought thought_signature function_call executable_code code_execution_result
	tool_call tool_response video_metadata media_resolution part_metadata audio_transcription speech_metadata
	document_metadata spreadsheet_metadata audio_metadata media_processing`)

func geminiContent(content Object, c *policy.Call) {
	content.oneOrList("parts", func(p Object) { geminiPart(p, c, 0) })
}

// geminiTurns are the members of a part that are tool calls, or results of tools.
var geminiTurns = fieldSet("function_call function_response executable_code code_execution_result tool_call tool_response")

// geminiPart reads a part; a function's response may hold some of its own.
func geminiPart(p Object, c *policy.Call, depth int) {
	p.onlyWord(p.Get("text"), "text")
	for _, name := range []string{"inline_data", "file_data", "function_response"} {
		p.proto(name) // notes a fault where the name is written in another way than Google's
	}
	for _, m := range p.members {
		name := Snake(m.name)
		c.ToolTurns = c.ToolTurns || geminiTurns[name]
		switch {
		case geminiParts[name]:
		case name == "inline_data":
			geminiMedia(p.protoMember("inline_data"), false, c)
		case name == "file_data":
			geminiMedia(p.protoMember("file_data"), true, c)
		case name == "function_response" && depth == 0:
			p.protoMember("function_response").oneOrList("parts", func(q Object) { geminiPart(q, c, 1) })
		default:
			c.Hidden = append(c.Hidden, plain.Clip(m.name, 40))
			c.Files = append(c.Files, policy.Media{Type: plain.Clip(m.name, 40), Remote: true})
		}
	}
}

func geminiMedia(blob Object, remote bool, c *policy.Call) {
	kind := blob.asWord(blob.proto("mime_type"), "mime_type")
	if kind == "" && !remote {
		blob.fault("inline_data has no mime_type")
	}
	data := blob.Get("data")
	remote = remote || data.Kind() != '"'
	media := policy.Media{Type: plain.Clip(kind, 80), Remote: remote}
	if !remote {
		media.Bytes = base64Len(data)
	}
	switch {
	case strings.HasPrefix(kind, "image/") && remote:
		c.Images = append(c.Images, policy.Image{Remote: true})
	case strings.HasPrefix(kind, "image/"):
		c.Images = append(c.Images, storedImage(data))
	case strings.HasPrefix(kind, "audio/") && !remote:
		c.Audio = append(c.Audio, audioOf(data, kind))
	case strings.HasPrefix(kind, "audio/"):
		c.Audio = append(c.Audio, media)
	default:
		c.Files = append(c.Files, media)
	}
}

// geminiTools reads the tools. One that is no function runs at Google, and the request
// cannot bound its uses. The exception is a computer, which is the client's own.
func geminiTools(body Object, c *policy.Call) {
	read := func(t Object) {
		for _, m := range t.members {
			switch name := Snake(m.name); name {
			case "function_declarations":
				t.asList(t.proto("function_declarations"), name, func(f Object) {
					c.Tools++
					c.AddTool(f.word("name"))
				})
			case "computer_use":
				c.Tools++
				c.AddTool("")
			default:
				if m.value.isNull() {
					continue
				}
				c.Tools++
				c.AddTool("")
				c.Hosted = append(c.Hosted, policy.HostedTool{Type: plain.Clip(name, 60), Tool: true})
			}
		}
	}
	body.oneOrList("tools", read)
}

// editGemini changes the cap. The model stands in the path, but a count may name it once
// more.
func editGemini(body Object, e Edit) []Splice {
	var edits []Splice
	if request := body.protoChild("generate_content_request"); e.Model != "" && request.Get("model").Kind() == '"' {
		edits = append(edits, request.Set("model", Quote("models/"+e.Model)))
	}
	if e.Tier != "" {
		edits = append(edits, body.Set(body.protoName("service_tier"), Quote(e.Tier)))
	}
	if e.Cap == 0 && e.Thinking == 0 {
		return edits
	}
	config := body.protoChild("generation_config")
	thinking := `{"thinkingBudget":` + strconv.FormatInt(e.Thinking, 10) + `}`
	if config.Kind() != '{' {
		var texts []string
		if e.Cap > 0 {
			texts = append(texts, `"maxOutputTokens":`+strconv.FormatInt(e.Cap, 10))
		}
		if e.Thinking > 0 {
			texts = append(texts, `"thinkingConfig":`+thinking)
		}
		return append(edits, body.Set(body.protoName("generation_config"), "{"+strings.Join(texts, ",")+"}"))
	}
	if n := config.protoCount("max_output_tokens", 0); e.Cap > 0 && lowered(n, e.Cap) {
		edits = append(edits, config.Set(config.protoName("max_output_tokens"), strconv.FormatInt(e.Cap, 10)))
	}
	if own := config.protoChild("thinking_config"); e.Thinking > 0 && own.Kind() == '{' {
		edits = append(edits, own.Set(own.protoName("thinking_budget"), strconv.FormatInt(e.Thinking, 10)))
	} else if e.Thinking > 0 {
		edits = append(edits, config.Set(config.protoName("thinking_config"), thinking))
	}
	return edits
}
