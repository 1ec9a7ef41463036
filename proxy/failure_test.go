package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
)

// A failure is free only when the provider itself says that it did not work.
// Something between may fail while the provider is at work: its errors look
// like anybody's, and cost what was held.
func TestFailuresThatCost(t *testing.T) {
	own := `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`
	w := newWorld(t, setup{})
	for _, tt := range []struct {
		status int
		body   string
		free   bool
	}{
		{502, `{"error":"bad gateway"}`, false},
		{502, own, false},
		{504, `{"timestamp":"x","path":"/","status":504,"error":"Gateway Timeout"}`, false},
		{504, `{"error":{"message":"upstream request timeout"}}`, false},
		{504, `<html>504</html>`, false},
		{524, `{"error":{"message":"a timeout occurred"}}`, false},
		{408, own, false},
		{503, `upstream connect error`, false},
		{500, own, true},
		{503, own, true},
		{529, own, true},
		{403, `<html>no</html>`, true},
	} {
		w.provider.Set(fakeprovider.Behaviour{Fault: fakeprovider.FaultStatus, Status: tt.status, Body: tt.body, Header: http.Header{"Content-Type": {"application/json"}}})
		status, _, answer, err := w.post("/v1/chat/completions", `{"model":"gpt-4o","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
		must(t, err)
		if status != tt.status || answer != tt.body {
			t.Errorf("%d %s reached the client as %d %s", tt.status, tt.body, status, answer)
		}
		w.booked(1)
		calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
		must(t, err)
		how, cost := ledger.Estimated, calls[0].Amount
		if tt.free {
			how, cost = ledger.Cancelled, 0
		}
		if c := calls[0]; c.How != string(how) || c.Cost != cost {
			t.Errorf("%d %s: %s at %s of %s", tt.status, tt.body, c.How, c.Cost, c.Amount)
		}
	}
}

// A request that no provider would take is its sender's fault; it ends nothing.
func TestAbsurdRequests(t *testing.T) {
	w := newWorld(t, setup{change: func(o *Options) {
		o.Broken = func(err error) { t.Errorf("the gateway broke: %v", err) }
	}})
	for _, absurd := range []string{`"max_tokens":1099511627776,"n":65536`, `"max_tokens":9223372036854775807`, `"max_tokens":99999999999999999999`, `"max_tokens":1099511627776,"n":1048576`, `"max_tokens":50,"n":9223372036854775807`} {
		status, h, answer, err := w.post("/v1/chat/completions", `{"model":"gpt-4o",`+absurd+`,"messages":[{"role":"user","content":"hi"}]}`)
		must(t, err)
		if status != 400 || h.Get("X-Aex-Code") != "invalid_request" {
			t.Errorf("%s: %d %s", absurd, status, answer)
		}
	}
	status, _, answer, err := w.post("/v1/chat/completions", `{"model":"gpt-4o","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
	must(t, err)
	if status != 200 {
		t.Errorf("the next call: %d %s", status, answer)
	}
}

// A router's fallbacks and plugins cost what nobody can foresee.
func TestFallbackModelsAndPlugins(t *testing.T) {
	request := func(more string) string {
		return `{"model":"gpt-4o","max_tokens":50,"messages":[{"role":"user","content":"hi"}]` + more + `}`
	}
	w := newWorld(t, setup{})
	for _, more := range []string{`,"models":["gpt-4o","o1-pro"]`, `,"plugins":[{"id":"web"}]`} {
		status, h, answer, err := w.post("/v1/chat/completions", request(more))
		must(t, err)
		if status != 403 || h.Get("X-Aex-Code") != "policy_denied" {
			t.Errorf("%s: %d %s", more, status, answer)
		}
	}
	if n := len(w.provider.Bill()); n != 0 {
		t.Errorf("%d of them went to the provider", n)
	}
}

// What a client sends in a header is content too.
func TestEncodingIsNotTold(t *testing.T) {
	const canary = "CANARY7731"
	w := newWorld(t, setup{})
	status, _, answer, err := w.post("/v1/chat/completions", `{}`, "Content-Encoding", canary)
	must(t, err)
	if status != 415 {
		t.Errorf("answered %d %s", status, answer)
	}
	w.booked(1)
	events, err := w.ledger.Events(t.Context(), ledger.EventFilter{})
	must(t, err)
	refusals := 0
	for _, e := range events.Events {
		if strings.Contains(strings.ToUpper(string(e.Body)), canary) {
			t.Errorf("event %s", e.Body)
		}
		if strings.Contains(string(e.Body), "unsupported_encoding") {
			refusals++
		}
	}
	if refusals != 1 {
		t.Errorf("%d events tell of the refusal", refusals)
	}
}
