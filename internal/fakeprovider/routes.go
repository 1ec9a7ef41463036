package fakeprovider

import (
	"net/http"
	"strings"
)

// The wires, by the names that the gateway gives them too.
const (
	wireChat        = "chat"
	wireResponses   = "responses"
	wireCompletions = "completions"
	wireEmbeddings  = "embeddings"
	wireImages      = "images"

	wireTranscriptions = "transcriptions"
	wireMessages       = "messages"
	wireGemini         = "gemini"
)

// wire is one provider API's dialect.
type wire interface {
	// requestID is the id that the provider gives the n-th request.
	requestID(n int64) string
	// authenticate checks the key where this provider looks for it.
	authenticate(x *exchange) *refusal
	// headers sets the headers of any answer.
	headers(x *exchange, h http.Header)
	// read understands a request. The call may be partly known with a refusal.
	read(x *exchange) (*call, *refusal)
	// whole is the answer's JSON value when it is not streamed.
	whole(x *exchange) any
	// events sends a streamed answer.
	events(s *stream)
	// errorBody is a refusal's JSON value.
	errorBody(x *exchange, no refusal) any
	// errorEvent ends a stream with the provider's own error event.
	errorEvent(s *stream)
}

// refusal is a request that is not served.
type refusal struct {
	status  int
	kind    string // OpenAI's error type; the others go by the status
	code    string
	param   string
	message string
	usage   bool // with usage in the body
}

func badRequest(param, message string) refusal {
	return refusal{status: http.StatusBadRequest, kind: "invalid_request_error", param: param, message: message}
}

// route is what is at a path.
type route struct {
	name  string // a wire, or what is listed on the bill
	wire  wire
	serve func(*exchange) // nil: nothing is there
}

// openAIPrefixes are those of providers that speak OpenAI's dialects: OpenAI,
// DeepSeek (none), Groq, OpenRouter, Gemini, Fireworks.
var openAIPrefixes = []string{"/v1/", "/openai/v1/", "/api/v1/", "/v1beta/openai/", "/inference/v1/", "/"}

var openAIWires = map[string]wire{
	"chat/completions": chat{}, "responses": responses{}, "completions": completions{}, "embeddings": embeddings{},
	"images/generations": pictures{}, "images/edits": pictures{}, "audio/transcriptions": transcripts{},
}

var openAINames = map[string]string{
	"chat/completions": wireChat, "responses": wireResponses, "completions": wireCompletions,
	"embeddings": wireEmbeddings, "images/generations": wireImages, "images/edits": wireImages, "audio/transcriptions": wireTranscriptions,
}

// findRoute is what a request asks for; one for nothing has no serve.
func findRoute(r *http.Request) route {
	path, post := r.URL.Path, r.Method == http.MethodPost
	if post && strings.Contains(path, "/models/") && strings.Contains(path, ":") {
		return geminiRoute(r)
	}
	if path == "/v1/messages" && post {
		return route{wireMessages, messages{}, (*exchange).generate}
	}
	if path == "/v1/messages/count_tokens" && post {
		return route{countTokens, messages{}, countMessages}
	}
	for _, prefix := range openAIPrefixes {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		if w, ok := openAIWires[rest]; ok && post {
			return route{openAINames[rest], w, (*exchange).generate}
		}
		if beside, ok := besideRoutes[rest]; ok && post {
			return beside
		}
		if id, ok := strings.CutPrefix(rest, "responses/"); ok && id != "" {
			return route{"responses.get", responses{}, storedResponse}
		}
		if (rest == "models" || strings.HasPrefix(rest, "models/")) && r.Method == http.MethodGet {
			return listing(r)
		}
	}
	if strings.HasPrefix(path, "/v1beta/models") && r.Method == http.MethodGet {
		return route{"models", gemini{}, listGemini}
	}
	return route{name: "none", wire: speakerOf(r)}
}

// listing is GET models in the dialect of who asks.
func listing(r *http.Request) route {
	switch w := speakerOf(r).(type) {
	case messages:
		return route{"models", w, listMessages}
	case gemini:
		return route{"models", w, listGemini}
	default:
		return route{"models", w, listOpenAI}
	}
}

// speakerOf is the dialect of a request that its path does not tell.
func speakerOf(r *http.Request) wire {
	switch {
	case r.Header.Get("Anthropic-Version") != "" || r.Header.Get("X-Api-Key") != "":
		return messages{}
	case r.Header.Get("X-Goog-Api-Key") != "" || r.URL.Query().Has("key") ||
		strings.HasPrefix(r.URL.Path, "/v1beta/models"):
		return gemini{}
	}
	return chat{}
}
