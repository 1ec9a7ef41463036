package proxy

import (
	"strings"
	"sync"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// TestCountTooLowForFour: of a provider that counts a fifth too low, the calls
// that were in flight when the first such bill came are all that goes beyond the
// budget. Each is booked as it was billed, and nothing is let through after them.
func TestCountTooLowForFour(t *testing.T) {
	s := claudeShape(true)
	w := newWorld(t, setup{budget: "0.235", prices: []string{}})
	w.provider.Set(fakeprovider.Behaviour{CountPercent: 80, CacheWrite5m: 1 << 20, OutputTokens: 1000, Fault: fakeprovider.FaultHangHeaders})
	body := s.body(0, []string{prose(100, 3000)})
	body = replaced(t, body, `"max_tokens":32000`, `"max_tokens":100`)
	body = replaced(t, body, `"thinking":{"budget_tokens":31999,"type":"enabled"}`, `"thinking":{"type":"disabled"}`)
	var clients sync.WaitGroup
	var refused sync.Map
	for i := range 4 {
		clients.Go(func() {
			for range 5 {
				status, h, _, err := w.post(s.path, body, "Anthropic-Version", "2023-06-01")
				if err != nil || status != 200 {
					refused.Store(i, h.Get("X-Aex-Code"))
					return
				}
			}
		})
	}
	must(t, w.provider.Hung(t.Context(), 4))
	w.provider.Set(fakeprovider.Behaviour{CountPercent: 80, CacheWrite5m: 1 << 20, OutputTokens: 1000})
	w.provider.Release()
	clients.Wait()
	run := w.booked(8)
	bill := w.billed(paysShapes())
	if n := len(w.calls()); n != 4 || run.Account.Overrun == 0 || run.Account.Spent+run.Account.Overrun != bill || run.Account.Reserved != 0 {
		t.Errorf("%d calls, spent %s and overrun %s of %s", n, run.Account.Spent, run.Account.Overrun, bill)
	}
	if n := w.provider.Counted(); n > 8 {
		t.Errorf("%d counts", n)
	}
	refused.Range(func(_, code any) bool {
		if code != "budget_exceeded" && code != "call_exceeds_budget" {
			t.Errorf("refused with %v", code)
		}
		return true
	})
}

// replaced is the text with a part of it replaced, which it must have.
func replaced(t *testing.T, text, part, by string) string {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Fatalf("there is no %s in %.300s", part, text)
	}
	return strings.Replace(text, part, by, 1)
}
