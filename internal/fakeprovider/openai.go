package fakeprovider

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// openAI is what the wires of OpenAI's API have in common.
type openAI struct{}

func (openAI) requestID(n int64) string { return ident("req_", n) }

func (openAI) authenticate(x *exchange) *refusal {
	if x.p.opt.Key == "" {
		return nil
	}
	key, ok := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || key == "":
		return &refusal{status: 401, kind: "invalid_request_error",
			message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."}
	case key != x.p.opt.Key:
		return &refusal{status: 401, kind: "invalid_request_error", code: "invalid_api_key",
			message: "Incorrect API key provided: " + masked(key) + ". You can find your API key at https://platform.openai.com/account/api-keys."}
	}
	return nil
}

// masked shows of a key what OpenAI's error shows.
func masked(key string) string {
	if len(key) < 16 {
		return "****"
	}
	return key[:4] + "********" + key[len(key)-4:]
}

func (openAI) headers(x *exchange, h http.Header) {
	h.Set("x-request-id", x.e.RequestID)
	h.Set("openai-version", "2020-10-01")
	h.Set("openai-organization", "org-fake")
	h.Set("openai-processing-ms", "12")
	h.Set("x-ratelimit-limit-requests", "10000")
	h.Set("x-ratelimit-remaining-requests", strconv.FormatInt(max(0, 10000-x.e.ID%10000), 10))
	h.Set("x-ratelimit-reset-requests", "6ms")
	h.Set("x-ratelimit-limit-tokens", "2000000")
	h.Set("x-ratelimit-remaining-tokens", "1999000")
	h.Set("x-ratelimit-reset-tokens", "30ms")
}

func (openAI) errorBody(x *exchange, no refusal) any {
	body := map[string]any{"error": openAIError(no)}
	if no.usage && x.plan != nil {
		body["usage"] = chatUsage(x, x.plan.usage.Output+x.plan.usage.AudioOut)
	}
	return body
}

func openAIError(no refusal) map[string]any {
	return map[string]any{"message": no.message, "type": no.kind, "param": orNull(no.param), "code": orNull(no.code)}
}

func (o openAI) errorEvent(s *stream) {
	s.send("", marshal(map[string]any{"error": openAIError(serverError)}))
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// tierOf is the tier that an answer names for the one asked.
func tierOf(asked string) string {
	switch asked {
	case "", "auto":
		return "default"
	case "fast":
		return "priority"
	}
	return asked
}

// tokenUsage is CompletionUsage of OpenAI's API.
type tokenUsage struct {
	Prompt            int64           `json:"prompt_tokens"`
	Completion        *int64          `json:"completion_tokens,omitempty"`
	Total             int64           `json:"total_tokens"`
	PromptDetails     json.RawMessage `json:"prompt_tokens_details,omitempty"`
	CompletionDetails json.RawMessage `json:"completion_tokens_details,omitempty"`
}

type promptDetails struct {
	Cached     int64 `json:"cached_tokens"`
	CacheWrite int64 `json:"cache_write_tokens,omitempty"`
	Audio      int64 `json:"audio_tokens"`
}

type completionDetails struct {
	Reasoning int64 `json:"reasoning_tokens"`
	Audio     int64 `json:"audio_tokens"`
	Accepted  int64 `json:"accepted_prediction_tokens"`
	Rejected  int64 `json:"rejected_prediction_tokens"`
}

// chatUsage is the usage of an answer that has come to so many output tokens.
func chatUsage(x *exchange, output int64) any {
	u, p := x.plan.usage, x.plan
	if x.b.ZeroUsage {
		var zero int64
		return tokenUsage{Completion: &zero}
	}
	t := tokenUsage{Prompt: p.prompt, Completion: &output, Total: p.prompt + output}
	if x.b.NullDetails {
		t.PromptDetails, t.CompletionDetails = json.RawMessage("null"), json.RawMessage("null")
		return t
	}
	t.PromptDetails = marshal(promptDetails{Cached: u.CacheRead, CacheWrite: u.CacheWrite5m + u.CacheWrite1h,
		Audio: u.AudioIn})
	t.CompletionDetails = marshal(completionDetails{Reasoning: min(p.reasoning, output), Audio: u.AudioOut})
	return t
}

// finalUsage is chatUsage, or what the behaviour leaves of it; keep is false
// when the field is not to be there at all.
func finalUsage(x *exchange) (usage any, keep bool) {
	switch {
	case x.b.NoUsage:
		return nil, false
	case x.b.NullUsage:
		return nil, true
	}
	return chatUsage(x, x.plan.usage.Output+x.plan.usage.AudioOut), true
}
