package proxy

import (
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
)

// streamed is the shape of an agent that streams and names its own model.
func (s shape) streamed(name, from, to string, price fakeprovider.Price) shape {
	body := s.body
	s.name, s.price = name, price
	s.body = func(turn int, said []string) string {
		b := strings.Replace(body(turn, said), from, to, 1)
		if !strings.Contains(b, `"stream":true`) {
			b = strings.Replace(b, `{`, `{"stream":true,`, 1)
		}
		return b
	}
	return s
}

func (s shape) without(text string) shape {
	body := s.body
	s.body = func(turn int, said []string) string { return strings.Replace(body(turn, said), text, "", 1) }
	return s
}

// TestAgentsWithBrokenStreams: agents that ask again when a stream broke finish
// under $0.50 a task that costs $0.19, though one stream in ten breaks.
func TestAgentsWithBrokenStreams(t *testing.T) {
	mini := fakeprovider.Price{Input: 250_000, CacheRead: 25_000, Output: 2_000_000}
	for _, s := range []shape{
		claudeShape(true),
		codexShape().streamed("codex", `gpt-5"`, `gpt-5-mini"`, mini).without(`,{"type":"web_search"}`),
		codexShape().streamed("codex, with a web search", `gpt-5"`, `gpt-5-mini"`, mini),
		chatShape().streamed("pi", `gpt-4o"`, `gpt-5-mini"`, mini),
		chatShape().streamed("opencode", `gpt-4o"`, `gpt-5-mini","max_completion_tokens":32000`, mini),
	} {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, setup{budget: "0.50", prices: []string{}})
			prices := map[string]fakeprovider.Price{"claude-sonnet-4-5": s.price, "gpt-5-mini": s.price}
			how := s.how
			how.Fault, how.OneIn, how.After, how.ChunkTokens = fakeprovider.FaultCut, 10, 3, 20
			if s.name == claudeShape(true).name {
				how.OneIn = 6 // it makes nine calls
			}
			w.provider.Set(how)
			said, done, broke := []string{prose(100, 3000)}, ledger.Micros(0), 0
			for turn := 0; done < 190_000; {
				status, _, answer, err := w.post(s.path, s.body(turn, said), "Anthropic-Version", "2023-06-01")
				run := w.booked(1)
				if status != 200 {
					t.Fatalf("turn %d, %d broke: %d %.300s; spent %s", turn, broke, status, answer, run.Account.Spent)
				}
				bill := w.provider.Bill()
				done = w.billed(prices)
				if err != nil || bill[len(bill)-1].Usage.Output < how.OutputTokens {
					broke++ // and asks again
					continue
				}
				turn++
				said = append(said, prose(1000+turn, 800), prose(2000+turn, 3000))
			}
			run, err := w.ledger.Run(t.Context(), string(w.run))
			must(t, err)
			if done = w.billed(prices); run.Account.Spent < done {
				t.Errorf("booked %s of a bill of %s", run.Account.Spent, done)
			}
			t.Logf("%d calls, %d broke; the bill is %s, booked %s", run.Calls, broke, done, run.Account.Spent)
		})
	}
}
