package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

const hello = `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}]}`

func asJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return b
}

// writeModels writes a models.yaml in which UPSTREAM stands for the provider.
func writeModels(t *testing.T, text, upstream string) string {
	t.Helper()
	if text == "" {
		return ""
	}
	file := filepath.Join(t.TempDir(), "models.yaml")
	must(t, os.WriteFile(file, []byte(strings.ReplaceAll(text, "UPSTREAM", upstream)), 0o600))
	return file
}

func TestCallIsBookedAsBilled(t *testing.T) {
	w := newWorld(t, setup{})
	calls := []string{
		hello,
		`{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"n":3,"max_tokens":20}`,
		`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}],"stream":true}`,
		`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}],"stream":true,"stream_options":{"include_usage":true}}`,
		`{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]}`,
	}
	for _, body := range calls {
		status, _, answer, err := w.post("/v1/chat/completions", body)
		must(t, err)
		if status != 200 {
			t.Fatalf("%s: %d %s", body, status, answer)
		}
	}
	run := w.booked(len(calls))
	if bill := w.billed(parsePrices(t, wirePrices)); run.Account.Spent != bill || bill == 0 {
		t.Errorf("ledger %s, bill %s", run.Account.Spent, bill)
	}
	if run.Account.Reserved != 0 {
		t.Errorf("%s is still reserved", run.Account.Reserved)
	}
}

// The client gets the provider's bytes but for the usage that aex asked for.
func TestBytesAreTheProviders(t *testing.T) {
	w := newWorld(t, setup{})
	for _, body := range []string{
		hello,
		`{"stream":true,"model":"gpt-4o-mini","messages":[{"role":"user","content":"né 你好"}],"stream_options":{"include_usage":true}}`,
	} {
		_, _, answer, err := w.post("/v1/chat/completions", body)
		must(t, err)
		bill := w.provider.Bill()
		if sent := string(bill[len(bill)-1].Response); sent != answer {
			t.Errorf("the provider sent\n%s\nand the client got\n%s", sent, answer)
		}
		if got := string(bill[len(bill)-1].Body); got != body {
			t.Errorf("the client sent\n%s\nand the provider got\n%s", body, got)
		}
	}
	_, _, answer, err := w.post("/v1/chat/completions", strings.Replace(hello, "{", `{"stream":true,`, 1))
	must(t, err)
	if strings.Contains(answer, "usage") {
		t.Errorf("the client did not ask for usage and got\n%s", answer)
	}
	if !strings.HasSuffix(answer, "data: [DONE]\n\n") {
		t.Errorf("the stream does not end as the provider's: %q", answer)
	}
}

func TestRealKeyStaysInTheGateway(t *testing.T) {
	w := newWorld(t, setup{})
	_, h, answer, err := w.post("/v1/chat/completions", hello)
	must(t, err)
	if strings.Contains(answer+fmt.Sprint(h), realKey) {
		t.Error("the key reached the client")
	}
	e := w.provider.Bill()[0]
	if got := e.Header.Get("Authorization"); got != fakeprovider.Fingerprint("Bearer "+realKey) {
		t.Errorf("the provider got %q instead of the real key", got)
	}
	if strings.Contains(fmt.Sprint(e.Header, e.Query, string(e.Body)), w.token) {
		t.Error("the run's token reached the provider")
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, setup{})
	for _, tt := range []struct {
		name, path, body string
		header           []string
		status           int
		code, says       string
	}{
		{"wrong token", "/v1/chat/completions", hello, []string{"Authorization", "Bearer nope"}, 401, "invalid_token", "token"},
		{"no such route", "/v1/files", `{}`, nil, 403, "endpoint_not_governed", "models.yaml"},
		{"unpriced model", "/v1/chat/completions", strings.Replace(hello, "gpt-4o-mini", "nobodys-model", 1), nil, 403, "model_not_priced", "--price nobodys-model="},
		{"not JSON", "/v1/chat/completions", `{"model":`, nil, 400, "invalid_request", "JSON"},
		{"not an object", "/v1/chat/completions", `[]`, nil, 400, "invalid_request", "object"},
		{"model twice", "/v1/chat/completions", `{"model":"gpt-4o-mini","model":"gpt-4o","messages":[]}`, nil, 400, "invalid_request", "twice"},
		{"model in another case", "/v1/chat/completions", `{"Model":"gpt-4o","model":"gpt-4o-mini","messages":[]}`, nil, 400, "invalid_request", "another case"},
		{"negative cap", "/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":-1,"messages":[]}`, nil, 400, "invalid_request", "max_tokens"},
		{"cap is text", "/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":"abc","messages":[]}`, nil, 400, "invalid_request", "max_tokens"},
		{"brotli", "/v1/chat/completions", hello, []string{"Content-Encoding", "br"}, 415, "unsupported_encoding", "gzip"},
		{"page of another origin", "/v1/chat/completions", hello, []string{"Origin", "https://example.com"}, 403, "origin_refused", "web pages"},
		{"own provider key", "/v1/chat/completions", hello, []string{"X-Aex-Provider-Key", "sk-own"}, 403, "policy_denied", "allow_passthrough"},
	} {
		status, h, answer, err := w.post(tt.path, tt.body, tt.header...)
		must(t, err)
		if status != tt.status || h.Get("X-Aex-Code") != tt.code || !strings.Contains(answer, tt.says) || !strings.Contains(answer, `"message":"aex: `) {
			t.Errorf("%s: %d %s %s", tt.name, status, h.Get("X-Aex-Code"), answer)
		}
		if h.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: x-should-retry is %q", tt.name, h.Get("X-Should-Retry"))
		}
	}
	if n := len(w.provider.Bill()); n != 0 {
		t.Errorf("%d refused calls reached the provider", n)
	}
}

func TestHostMustBeOurs(t *testing.T) {
	w := newWorld(t, setup{})
	req, err := http.NewRequest("POST", w.url+"/v1/chat/completions", strings.NewReader(hello))
	must(t, err)
	req.Host = "evil.example:80"
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := client.Do(req)
	must(t, err)
	resp.Body.Close()
	if resp.Header.Get("X-Aex-Code") != "host_refused" {
		t.Errorf("a request for another host got %d %s", resp.StatusCode, resp.Header.Get("X-Aex-Code"))
	}
}

// Every spelling of a base URL leads to the same call.
func TestBaseURLSpellings(t *testing.T) {
	w := newWorld(t, setup{})
	for _, path := range []string{"/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions", "/openai/v1/chat/completions"} {
		if status, _, answer, err := w.post(path, hello); err != nil || status != 200 {
			t.Errorf("%s: %d %s %v", path, status, answer, err)
		}
	}
}
