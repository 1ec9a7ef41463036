package wire

import (
	"net/http"
	"strings"
)

// What the wires of OpenAI's APIs have in common.

// Unversioned is a path without its version segment. SDKs disagree on whether a
// base URL ends in /v1, so every path is served with it, without it and with
// it twice.
func Unversioned(path string) string {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	for range 2 {
		if strings.HasPrefix(path, "/v1/") {
			path = strings.TrimPrefix(path, "/v1")
		}
	}
	return path
}

func bearer(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }

// asksUsage tells whether the client wants usage in the stream.
func asksUsage(body Object) bool {
	options := body.Get("stream_options")
	return options.Kind() == '{' && options.Object(new(error)).Get("include_usage").Truth()
}

// openAIWords are OpenAI's for each kind: its error.type and error.code.
var openAIWords = map[Kind]string{
	Invalid: "invalid_request_error", Unauthenticated: "invalid_api_key", Forbidden: "permission_denied",
	NoModel: "model_not_found", NoMoney: "insufficient_quota", TooFast: "rate_limit_exceeded",
	NotFound: "invalid_request_error", TooLarge: "invalid_request_error",
	Unreachable: "api_connection_error", Unavailable: "server_error",
}

// openAIError has the shape that OpenAI's SDKs read.
func openAIError(f Refusal) []byte {
	word := Quote(openAIWords[f.Kind])
	return []byte(`{"error":{"message":` + Quote(f.Message) + `,"type":` + word + `,"param":null,"code":` + word + `}}`)
}
