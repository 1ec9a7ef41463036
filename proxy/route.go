package proxy

import (
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// route is where a request goes: to a metered wire, or to a free answer.
type route struct {
	wire wire
	free string // name of the free answer; "" for a metered call
	rest string // what stands after the fixed part of the path
	groq bool   // below /openai/v1, as the Groq SDK asks
}

// metered are the paths, below the version segment, that cost money.
var metered = map[string]string{
	"/chat/completions": policy.Chat,
	"/responses":        policy.Responses,
	"/completions":      policy.Completions,
	"/embeddings":       policy.Embeddings,
	"/messages":         policy.Messages,
}

// find looks a request up in the allow-list: what is not in it is refused,
// because a route that is not governed is a hole. SDKs disagree on whether a
// base URL ends in /v1, so every path is served with it, without it and with
// it twice.
func find(method, path string) (route, bool) {
	rt := route{}
	if rest, ok := strings.CutPrefix(path, "/openai/v1/"); ok {
		rt.groq, path = true, "/v1/"+rest
	}
	if rest, ok := strings.CutPrefix(path, "/v1beta/"); ok {
		return findGemini(method, rest)
	}
	if rest, ok := strings.CutPrefix(path, stableGemini); ok && method == "POST" && strings.HasPrefix(rest, "models/") {
		rt, ok := findGemini(method, rest)
		rt.rest = stableGemini + rt.rest
		return rt, ok
	}
	for range 2 {
		path = "/" + strings.TrimPrefix(strings.TrimPrefix(path, "/"), "v1/")
	}
	if name, ok := metered[path]; ok && method == "POST" {
		rt.wire = wires[name]
		return rt, rt.wire != nil
	}
	switch {
	case method == "HEAD" && (path == "/" || path == "/api/hello"):
		rt.free = "hello"
	case method == "GET" && path == "/models":
		rt.free = "models"
	case method == "GET" && strings.HasPrefix(path, "/models/"):
		rt.free, rt.rest = "model", strings.TrimPrefix(path, "/models/")
	case method == "GET" && path == "/aex/budget":
		rt.free = "budget"
	case path == "/aex/runs" || strings.HasPrefix(path, "/aex/runs/"):
		rt.free, rt.rest = "runs", strings.TrimPrefix(strings.TrimPrefix(path, "/aex/runs"), "/")
	case method == "GET" && path == "/responses":
		rt.free, rt.wire = "websocket", wires[policy.Responses]
	case method == "POST" && path == "/messages/count_tokens":
		rt.free, rt.wire = "count_tokens", wires[policy.Messages]
	default:
		return rt, false
	}
	return rt, true
}

// stableGemini is the other version of Google's API, which its SDK for Python
// asks for. A call goes up to the version that it came by.
const stableGemini = "/v1/"

// findGemini splits models/M:method.
func findGemini(method, rest string) (route, bool) {
	rt := route{wire: wires[policy.Gemini], rest: rest}
	if method == "GET" && rest == "models" {
		return route{free: "gemini_models"}, true
	}
	model, action, ok := strings.Cut(rest, ":")
	if !ok || method != "POST" || !strings.HasPrefix(model, "models/") || rt.wire == nil {
		return rt, false
	}
	switch action {
	case "generateContent", "streamGenerateContent":
		return rt, true
	case "countTokens":
		rt.free = "count_tokens"
		return rt, true
	}
	return rt, false
}

// dialectOf is the wire whose error shape a caller on an unknown path expects.
func dialectOf(path string) wire {
	name := policy.Chat
	switch {
	case strings.Contains(path, "/messages"):
		name = policy.Messages
	case strings.HasPrefix(path, "/v1beta"), strings.HasPrefix(path, "/v1/models/") && strings.Contains(path, ":"):
		name = policy.Gemini
	}
	if w := wires[name]; w != nil {
		return w
	}
	return chat{}
}
