package proxy

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// TestRefusalShapes: a refusal has the shape that each provider's SDK reads.
func TestRefusalShapes(t *testing.T) {
	f := refusal.New("budget_exceeded", "spent \"all\" of it")
	for name, want := range map[string]string{
		policy.Chat:     `{"error":{"message":"aex: spent \"all\" of it","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
		policy.Messages: `{"type":"error","error":{"type":"billing_error","message":"aex: spent \"all\" of it"},"request_id":null}`,
		policy.Gemini:   `{"error":{"code":402,"message":"aex: spent \"all\" of it","status":"FAILED_PRECONDITION"}}`,
	} {
		if got := string(wire.Named(name).Refuse(f.Refusal)); got != want {
			t.Errorf("%s refuses with %s, want %s", name, got, want)
		}
	}
	for _, w := range wire.All() {
		name := w.Name
		for _, code := range refusal.Codes() {
			if _, err := wire.Parse(w.Refuse(refusal.New(code, "x\x00\"\\\n").Refusal)); err != nil {
				t.Errorf("%s: refusal of %s: %v", name, code, err)
			}
		}
	}
}

// TestPaths: each wire knows its place below the provider's base URL.
func TestPaths(t *testing.T) {
	for _, c := range []struct{ wire, sent, rest, want string }{
		{policy.Chat, "m", "", "/chat/completions"},
		{policy.Responses, "m", "", "/responses"},
		{policy.Completions, "m", "", "/completions"},
		{policy.Embeddings, "m", "", "/embeddings"},
		{policy.Messages, "m", "", "/v1/messages"},
		{policy.Gemini, "gemini-x", "models/alias:generateContent", "/v1beta/models/gemini-x:generateContent"},
		{policy.Gemini, "gemini-x", "/v1/models/alias:generateContent", "/v1/models/gemini-x:generateContent"},
		{policy.Gemini, "models/gemini-x", "models/a:streamGenerateContent", "/v1beta/models/gemini-x:streamGenerateContent"},
		{policy.Gemini, "tunedModels/x?y", "models/a:countTokens", "/v1beta/tunedModels/x%3Fy:countTokens"},
		{policy.Gemini, "a?b#c", "models/a:countTokens", "/v1beta/models/a%3Fb%23c:countTokens"},
	} {
		if got := wire.Named(c.wire).Path(policy.Model{Sent: c.sent}, c.rest); got != c.want {
			t.Errorf("%s: path of %s is %s, want %s", c.wire, c.sent, got, c.want)
		}
	}
}

var errAny = errors.New("any error")

// TestUnsafeRequests: what two JSON readers could take differently is refused
// where a decision depends on it.
func TestUnsafeRequests(t *testing.T) {
	for _, c := range []struct {
		wire, body string
		want       error
	}{
		{policy.Chat, `{"model":"a","messages":[]}`, nil},
		{policy.Chat, `{"model":"a","model":"b","messages":[]}`, errAny},
		{policy.Chat, `{"model":"a","Model":"b","messages":[]}`, errAny},
		{policy.Chat, `{"model":"a","mod\u0065l":"b","messages":[]}`, errAny},
		{policy.Chat, `{"model":"a","messages":[],"max_tokens":1.5}`, errAny},
		{policy.Chat, `{"model":"a","messages":[],"max_tokens":-1}`, errAny},
		{policy.Chat, `{"model":"a","messages":[],"max_tokens":"9"}`, errAny},
		{policy.Chat, `{"model":"a","messages":[],"n":0}`, errAny},
		{policy.Chat, `{"model":"a","messages":[],"metadata":{"x":1,"x":2}}`, nil},
		{policy.Chat, `{"model":"a","messages":[{"content":[{"type":"text","Type":"image_url"}]}]}`, errAny},
		{policy.Responses, `{"model":"a","input":7}`, errAny},
		{policy.Responses, `{"model":"a","input":"x","max_output_tokens":16,"MAX_output_tokens":9}`, errAny},
		{policy.Messages, `{"model":"a","messages":"x"}`, errAny},
		{policy.Messages, `{"model":"a","messages":[],"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":0}]}`, errAny},
		{policy.Gemini, `{"contents":[],"generationConfig":{},"generation_config":{}}`, errAny},
		{policy.Gemini, `{"contents":[],"generationConfig":{"maxOutputTokens":5,"max_output_tokens":6}}`, errAny},
		{policy.Embeddings, `{"input":"x","stream":true}`, errAny},
	} {
		doc, err := wire.Parse([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		_, err = wire.Named(c.wire).Read(httptest.NewRequest("POST", "/", nil), doc.Object(new(error)), "models/m:generateContent")
		if (err != nil) != (c.want != nil) {
			t.Errorf("%s %s: error %v, want %v", c.wire, c.body, err, c.want)
		}
	}
}
