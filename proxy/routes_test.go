package proxy

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// A path that names its provider leads there, whatever a library puts between.
func TestPathsThatNameAProvider(t *testing.T) {
	w := newWorld(t, setup{prices: []string{"gpt-4o-mini=0.15/0.60", "mistral-small-latest=1/2", "x/y=1/2", "gemini-2.5-flash=0.30/2.50"}})
	chat := func(model string) string {
		return `{"model":"` + model + `","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`
	}
	for _, c := range []struct{ path, model, sent string }{
		{"/p/mistral/v1/chat/completions", "mistral-small-latest", "/v1/chat/completions"},
		{"/p/mistral/chat/completions", "mistral-small-latest", "/v1/chat/completions"},
		{"/p/mistral/v1/v1/chat/completions", "mistral-small-latest", "/v1/chat/completions"},
		{"/p/openrouter/v1/chat/completions", "x/y", "/api/v1/chat/completions"},
		{"/p/openrouter/api/v1/chat/completions", "x/y", "/api/v1/chat/completions"},
		{"/p/groq/openai/v1/chat/completions", "gpt-4o-mini", "/openai/v1/chat/completions"},
		{"/openai/v1/openai/v1/chat/completions", "gpt-4o-mini", "/openai/v1/chat/completions"},
		{"/v1beta/openai/chat/completions", "gemini-2.5-flash", "/v1beta/openai/chat/completions"},
		{"/p/google/v1beta/models/gemini-2.5-flash:generateContent", "", "/v1beta/models/gemini-2.5-flash:generateContent"},
	} {
		body := chat(c.model)
		if c.model == "" {
			body = `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":20}}`
		}
		before := len(w.provider.Bill())
		status, h, answer, err := w.post(c.path, body)
		must(t, err)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s %.200s", c.path, status, h.Get("X-Aex-Code"), answer)
			continue
		}
		w.booked(1)
		if sent := w.provider.Bill()[before].Path; sent != c.sent {
			t.Errorf("%s went to %s, not %s", c.path, sent, c.sent)
		}
	}
	for path, code := range map[string]string{
		"/p/nobody/v1/chat/completions":    "model_not_priced",
		"/p/anthropic/v1/chat/completions": "model_not_priced",
		"/p/mistral/v1/files":              "endpoint_not_governed",
	} {
		if _, h, answer, err := w.post(path, chat("gpt-4o-mini")); err != nil || h.Get("X-Aex-Code") != code {
			t.Errorf("%s: %v %s %.200s", path, err, h.Get("X-Aex-Code"), answer)
		}
	}
	w.checkAudit()
}

// What is done with a stored response is free, and its own run's alone.
func TestStoredResponses(t *testing.T) {
	w := newWorld(t, setup{prices: []string{"gpt-5-mini=0.25/2"}})
	_, _, answer, err := w.post("/v1/responses", `{"model":"gpt-5-mini","input":"hi","store":true}`)
	must(t, err)
	spent := w.booked(1).Account.Spent
	_, rest, _ := strings.Cut(answer, `"id": "`)
	id, _, _ := strings.Cut(rest, `"`)
	if id == "" {
		t.Fatalf("no id in %.300s", answer)
	}
	get := func(method, path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, nil)
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+w.token)
		resp, err := client.Do(req)
		must(t, err)
		defer resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("X-Aex-Code")
	}
	if status, code := get("GET", "/v1/responses/"+id); status != http.StatusOK {
		t.Errorf("its own: %d %s", status, code)
	}
	for _, c := range [][2]string{{"DELETE", ""}, {"POST", "/cancel"}, {"GET", "/input_items"}} { // which the provider itself refuses
		if status, code := get(c[0], "/v1/responses/"+id+c[1]); status != http.StatusNotFound || code != "" {
			t.Errorf("%s %s: %d %s", c[0], c[1], status, code)
		}
	}
	if status, code := get("GET", "/v1/responses/resp_of_another"); status != http.StatusNotFound || code != "response_not_found" {
		t.Errorf("another's: %d %s", status, code)
	}
	for _, path := range []string{"/v1/responses/" + id + "/x", "/v1/responses/" + id + "/input_items/y", "/v1/responsesx"} {
		if _, code := get("GET", path); code != "endpoint_not_governed" {
			t.Errorf("%s: %s", path, code)
		}
	}
	r, err := w.ledger.Run(t.Context(), string(w.run))
	must(t, err)
	if r.Account.Spent != spent {
		t.Errorf("it cost %s", r.Account.Spent-spent)
	}
	for range 4 {
		if n := <-w.notices; n.Run != w.run || n.Code == "" {
			t.Errorf("a refusal is told as %+v", n)
		}
	}
}

// Counts and moderations cost nothing; embeddings of Google's cost what they tell.
func TestRoutesBesideCalls(t *testing.T) {
	w := newWorld(t, setup{prices: []string{"gpt-5-mini=0.25/2", "gemini-embedding-001=0.15/0"}})
	for path, body := range map[string]string{
		"/v1/responses/input_tokens": `{"model":"gpt-5-mini","input":"hi"}`,
		"/v1/moderations":            `{"model":"omni-moderation-latest","input":"hi"}`,
	} {
		if status, h, answer, err := w.post(path, body); err != nil || status != http.StatusOK {
			t.Errorf("%s: %v %d %s %.200s", path, err, status, h.Get("X-Aex-Code"), answer)
		}
	}
	part := `{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"some words to embed"}]}}`
	for action, body := range map[string]string{"embedContent": part, "batchEmbedContents": `{"requests":[` + part + `,` + part + `]}`} {
		status, h, answer, err := w.post("/v1beta/models/gemini-embedding-001:"+action, body)
		must(t, err)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s %.200s", action, status, h.Get("X-Aex-Code"), answer)
		}
		w.booked(1)
	}
	status, _, answer, err := w.post("/v1beta/models/gemini-embedding-001:batchEmbedContents", `{"requests":[{"model":"models/other","content":{}}]}`)
	if err != nil || status != http.StatusBadRequest {
		t.Errorf("another model in the batch: %v %d %.200s", err, status, answer)
	}
	r, err := w.ledger.Run(t.Context(), string(w.run))
	must(t, err)
	if bill := w.billed(parsePrices(t, []string{"gpt-5-mini=0.25/2", "gemini-embedding-001=0.15/0"})); r.Account.Spent != bill || bill == 0 {
		t.Errorf("booked %s, billed %s", r.Account.Spent, bill)
	}
	if !slices.ContainsFunc(w.provider.Bill(), func(e fakeprovider.Entry) bool { return e.Path == "/v1/moderations" }) {
		t.Error("the moderation did not reach the provider")
	}
}

// A model is told of as the API does that was asked: libraries of Google's ask
// for its limits before the first call.
func TestAModelIsToldOf(t *testing.T) {
	w := newWorld(t, setup{})
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, nil)
		must(t, err)
		req.Header.Set("X-Goog-Api-Key", w.token)
		resp, err := client.Do(req)
		must(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, string(answer)
	}
	for path, want := range map[string][]string{
		"/v1beta/models/gemini-2.5-flash": {`"name":"models/gemini-2.5-flash"`, `"inputTokenLimit":1`, `"outputTokenLimit":6`, `"supportedGenerationMethods":["generateContent",`},
		"/v1beta/models":                  {`"name":"models/gemini-2.5-flash"`, `"inputTokenLimit":1`},
		"/v1/models/gpt-4o-mini":          {`"id":"gpt-4o-mini"`, `"object":"model"`, `"type":"model"`, `"display_name":"gpt-4o-mini"`},
		"/v1/models":                      {`"object":"list"`, `"has_more":false`, `"first_id":"`},
	} {
		status, answer := get(path)
		if status != http.StatusOK {
			t.Errorf("%s: %d %.300s", path, status, answer)
		}
		for _, part := range want {
			if !strings.Contains(answer, part) {
				t.Errorf("%s has no %s: %.300s", path, part, answer)
			}
		}
	}
	if status, answer := get("/v1beta/models/of-nobody"); status != http.StatusForbidden || !strings.Contains(answer, `"status":`) {
		t.Errorf("one that there is not: %d %.300s", status, answer)
	}
}
