package fakeprovider

import (
	"encoding/json"
	"net/http"
	"strings"
)

// gemini is POST /v1beta/models/M:generateContent and :streamGenerateContent,
// after Google's Generative Language API reference. Its JSON takes a field by
// either of its names, as protobuf's does.
type gemini struct {
	model  string
	stream bool
	array  bool // without alt=sse a stream is a JSON array
}

type geminiRequest struct {
	Contents []geminiContent `json:"contents"`
	System   *geminiContent  `json:"systemInstruction"`
	System2  *geminiContent  `json:"system_instruction"`
	Tools    []struct {
		Functions []json.RawMessage `json:"functionDeclarations"`
		Snake     []json.RawMessage `json:"function_declarations"`
	} `json:"tools"`
	ToolConfig  geminiTools `json:"toolConfig"`
	ToolConfig2 geminiTools `json:"tool_config"`
	Config      struct {
		MaxOutputTokens *int64          `json:"maxOutputTokens"`
		CandidateCount  *int64          `json:"candidateCount"`
		MaxSnake        *int64          `json:"max_output_tokens"`
		CandidateSnake  *int64          `json:"candidate_count"`
		Schema          json.RawMessage `json:"responseSchema"`
	} `json:"generationConfig"`
	// Wrapped is how countTokens takes a whole request.
	Wrapped *geminiRequest `json:"generateContentRequest"`
}

type geminiTools struct {
	Calling  geminiCalling `json:"functionCallingConfig"`
	Calling2 geminiCalling `json:"function_calling_config"`
}

type geminiCalling struct {
	Mode     string   `json:"mode"`
	Allowed  []string `json:"allowedFunctionNames"`
	Allowed2 []string `json:"allowed_function_names"`
}

type geminiContent struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text    string          `json:"text"`
	Inline  *geminiMedia    `json:"inlineData"`
	Inline2 *geminiMedia    `json:"inline_data"`
	File    *geminiMedia    `json:"fileData"`
	File2   *geminiMedia    `json:"file_data"`
	Call    json.RawMessage `json:"functionCall"`
	Call2   json.RawMessage `json:"function_call"`
	Answer  json.RawMessage `json:"functionResponse"`
	Answer2 json.RawMessage `json:"function_response"`
}

type geminiMedia struct {
	MimeType string `json:"mimeType"`
}

// geminiRoute is a path with a method of a model in it.
func geminiRoute(r *http.Request) route {
	_, tail, _ := strings.Cut(r.URL.Path, "/models/")
	model, method, _ := strings.Cut(tail, ":")
	g := gemini{model: model}
	versioned := strings.HasPrefix(r.URL.Path, "/v1beta/models/") || strings.HasPrefix(r.URL.Path, "/v1/models/")
	if !versioned {
		return route{name: "none", wire: g}
	}
	switch method {
	case "generateContent":
		return route{wireGemini, g, (*exchange).generate}
	case "streamGenerateContent":
		g.stream, g.array = true, r.URL.Query().Get("alt") != "sse"
		return route{wireGemini, g, (*exchange).generate}
	case "countTokens":
		return route{countTokens, g, countGemini}
	case "embedContent", "batchEmbedContents":
		return route{wireEmbeddings, geminiEmbeddings{g, method == "batchEmbedContents"}, (*exchange).generate}
	}
	return route{name: "none", wire: g}
}

func (gemini) requestID(n int64) string { return ident("", n) }

func (gemini) authenticate(x *exchange) *refusal {
	key := firstOf(x.r.Header.Get("X-Goog-Api-Key"), x.r.URL.Query().Get("key"))
	switch want := x.p.opt.Key; {
	case want == "" || key == want:
		return nil
	case key == "":
		return &refusal{status: 403, message: "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."}
	}
	return &refusal{status: 400, code: "API_KEY_INVALID", message: "API key not valid. Please pass a valid API key."}
}

func (gemini) headers(_ *exchange, h http.Header) {
	h.Set("Server-Timing", "gfet4t7; dur=12")
	h.Set("Vary", "Origin, X-Origin, Referer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// geminiStatus are Google's names of statuses.
var geminiStatus = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
	429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}

func geminiError(no refusal) map[string]any {
	e := map[string]any{"code": no.status, "message": no.message, "status": firstOf(geminiStatus[no.status], "UNKNOWN")}
	if no.code == "API_KEY_INVALID" {
		e["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
			"reason": no.code, "domain": "googleapis.com",
			"metadata": map[string]any{"service": "generativelanguage.googleapis.com"}}}
	}
	return map[string]any{"error": e}
}

func (gemini) errorBody(x *exchange, no refusal) any {
	body := geminiError(no)
	if no.usage && x.plan != nil {
		body["usageMetadata"] = geminiUsage(x, x.plan.usage.Output)
	}
	return body
}

func (gemini) errorEvent(s *stream) {
	if s.send("", marshal(geminiError(refusal{status: 503, message: "The model is overloaded. Please try again later."}))) && s.array {
		s.raw([]byte("]"))
	}
}

func (g gemini) read(x *exchange) (*call, *refusal) {
	var q geminiRequest
	if err := json.Unmarshal(x.body, &q); err != nil {
		no := badRequest("", "Invalid JSON payload received. "+err.Error())
		return nil, &no
	}
	if q.Wrapped != nil {
		q = *q.Wrapped
	}
	c := &call{model: g.model, stream: g.stream, cap: -1, outputs: 1}
	if len(q.Contents) == 0 {
		no := badRequest("", "* GenerateContentRequest.contents: contents is not specified\n")
		return c, &no
	}
	for _, limit := range []*int64{q.Config.MaxOutputTokens, q.Config.MaxSnake} {
		if limit != nil {
			c.cap = *limit
		}
	}
	for _, count := range []*int64{q.Config.CandidateCount, q.Config.CandidateSnake} {
		if count != nil {
			c.outputs = *count
		}
	}
	if c.outputs < 1 || c.outputs > 8 {
		no := badRequest("", "The specified candidate count is out of range.")
		return c, &no
	}
	n := counter{perToken: x.p.opt.BytesPerToken}
	for _, system := range []*geminiContent{q.System, q.System2} {
		if system != nil {
			n.geminiContent(*system)
		}
	}
	c.loop.choice = geminiChoice(&q)
	for _, content := range q.Contents {
		if said, answer := n.geminiContent(content); answer != "" {
			c.loop.result(answer)
		} else {
			c.loop.told(said)
		}
	}
	n.raw(q.Config.Schema)
	for _, t := range q.Tools {
		functions := append(t.Functions, t.Snake...)
		for _, f := range functions {
			n.raw(f)
			c.tools = append(c.tools, nameIn(f))
		}
		c.toolCount += int64(max(1, len(functions)))
	}
	c.take(&n)
	return c, nil
}

// geminiChoice is the calling mode as OpenAI would put it.
func geminiChoice(q *geminiRequest) json.RawMessage {
	var calling geminiCalling
	for _, given := range []geminiCalling{q.ToolConfig.Calling, q.ToolConfig.Calling2, q.ToolConfig2.Calling, q.ToolConfig2.Calling2} {
		if given.Mode != "" {
			calling = given
		}
	}
	switch calling.Mode {
	case "ANY":
		if names := append(calling.Allowed, calling.Allowed2...); len(names) > 0 {
			return marshal(map[string]any{"name": names[0]})
		}
		return json.RawMessage(`"any"`)
	case "NONE":
		return json.RawMessage(`"none"`)
	}
	return nil
}

// geminiContent counts a content and returns what it says, and what a function
// answered in it.
func (n *counter) geminiContent(content geminiContent) (said, answer string) {
	n.messages++
	for _, part := range content.Parts {
		n.text(part.Text)
		n.raw(part.Call)
		n.raw(part.Call2)
		n.raw(part.Answer)
		n.raw(part.Answer2)
		if part.Inline != nil || part.Inline2 != nil || part.File != nil || part.File2 != nil {
			n.image(imageGemini)
		}
		said += part.Text
		if len(part.Answer)+len(part.Answer2) > 0 {
			answer += texts(part.Answer) + texts(part.Answer2) + " "
		}
	}
	return said, answer
}

// countGemini is POST :countTokens.
func countGemini(x *exchange) {
	x.count(wireGemini, func(prompt int64) any {
		return map[string]any{"totalTokens": prompt, "promptTokensDetails": modality("TEXT", prompt)}
	})
}
