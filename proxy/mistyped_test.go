package proxy

import (
	"net/http"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// TestUsageUnderAnotherContentType: what an answer tells is booked also where it says
// of itself that it is a stream and is none, or the other way round.
func TestUsageUnderAnotherContentType(t *testing.T) {
	w := newWorld(t, setup{})
	const usage = `"usage":{"prompt_tokens":20000,"completion_tokens":10000,"total_tokens":30000}`
	const whole = `{"id":"c","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}],` + usage + "}\n"
	const stream = `data: {"id":"c","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}` + "\n\n" +
		`data: {"id":"c","model":"gpt-4o-mini","choices":[],` + usage + "}\n\ndata: [DONE]\n\n"
	for i, c := range []struct{ asks, answer, kind string }{
		{`,"stream":true`, stream, "application/json"},
		{`,"stream":true`, stream, "text/plain"},
		{`,"stream":true`, stream, "text/event-stream; a=1; a=2"},
		{"", whole, "text/event-stream"},
		{`,"stream":true`, whole, "text/event-stream"},
	} {
		w.provider.Next(fakeprovider.Behaviour{Fault: fakeprovider.FaultStatus, Status: http.StatusOK, Body: c.answer, Header: http.Header{"Content-Type": {c.kind}}})
		body := `{"model":"gpt-4o-mini","max_tokens":5,"messages":[{"role":"user","content":"x"}]` + c.asks + "}"
		status, _, answer, err := w.post("/v1/chat/completions", body)
		if err != nil || status != http.StatusOK || len(answer) == 0 {
			t.Fatalf("%s: %d %v %s", c.kind, status, err, answer)
		}
		// 20,000 at $0.15 a million, and 10,000 at $0.60
		if account := w.booked(1).Account; int64(account.Spent+account.Overrun) != int64(i+1)*9000 {
			t.Errorf("%s%s: spent %s, overrun %s", c.kind, c.asks, account.Spent, account.Overrun)
		}
	}
}
