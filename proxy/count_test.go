package proxy

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
)

// countedShape is a first request whose bytes do not fit the budget, and whose
// tokens do.
type countedShape struct {
	shape
	budget string
	path   string // where the count is asked for
	has    string // of the request, in what is asked
}

func countedShapes() []countedShape {
	claude, gemini, codex := claudeShape(true), geminiShape(), codexShape()
	plain := func(turn int, said []string) string {
		return strings.Replace(codex.body(turn, said), `,{"type":"web_search"}`, "", 1)
	}
	return []countedShape{
		{claude, "0.13", "/v1/messages/count_tokens", `"clear_thinking_20251015"`},
		{shape{path: codex.path, body: plain, how: codex.how, price: codex.price}, "0.05", "/v1/responses/input_tokens", `"instructions":`},
		{gemini, "0.06", "/v1beta/models/gemini-2.5-pro:countTokens", `"systemInstruction":`},
	}
}

// ask sends the shape's first turn, and waits until it is booked or refused.
func (s countedShape) ask(w *world) (status int, run ledger.Run) {
	w.t.Helper()
	status, _, _, err := w.post(s.shape.path, s.body(0, []string{prose(100, 3000)}), "Anthropic-Version", "2023-06-01")
	must(w.t, err)
	return status, w.booked(1)
}

// TestCount: where bytes do not fit, the provider is asked for the tokens, once,
// with the real key and nothing that it does not take; the call then fits, and
// costs no more than its hold.
func TestCount(t *testing.T) {
	for _, s := range countedShapes() {
		t.Run(s.path, func(t *testing.T) {
			w := newWorld(t, setup{budget: s.budget, prices: []string{}})
			w.provider.Set(s.how)
			status, run := s.ask(w)
			bill := w.provider.Bill()
			if status != 200 || len(bill) != 2 {
				t.Fatalf("%d after %d requests", status, len(bill))
			}
			asked, call := bill[0], bill[1]
			body := string(asked.Body)
			if asked.Path != s.path || asked.Status != 200 || asked.Charged || !strings.Contains(body, s.has) || strings.Contains(body, "max_tokens") || strings.Contains(body, `"stream"`) {
				t.Errorf("asked at %s with %.200s: %d", asked.Path, body, asked.Status)
			}
			for _, key := range []string{"X-Api-Key", "Authorization", "X-Goog-Api-Key"} {
				if asked.Header.Get(key) != call.Header.Get(key) {
					t.Errorf("%s differs between the count and the call", key)
				}
			}
			calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
			must(t, err)
			if c := calls[0]; c.Cost > c.Amount || run.Account.Overrun != 0 || int64(run.Account.Spent) != s.price.Micros(call.Usage) {
				t.Errorf("%s of %s, bill %+v", c.Cost, c.Amount, call.Usage)
			}
		})
	}
}

// TestNoCountToSpare: with money to spare nothing is counted, on any wire.
func TestNoCountToSpare(t *testing.T) {
	w := newWorld(t, setup{budget: "1000", prices: []string{}})
	shapes := append(countedShapes(), countedShape{shape: chatShape()})
	for _, s := range shapes {
		w.provider.Set(s.how)
		for range 3 {
			if status, _ := s.ask(w); status != 200 {
				t.Fatalf("%s: %d", s.shape.path, status)
			}
		}
	}
	if n := len(w.provider.Bill()); n != 3*len(shapes) || w.provider.Counted() != 0 {
		t.Errorf("%d requests, %d of them counts", n, w.provider.Counted())
	}
}

// TestCountFails: a count that is refused, hangs or is absurd is none, the call
// is refused as it is without, and for 30 seconds the provider is asked for
// none; then it is asked again.
func TestCountFails(t *testing.T) {
	for name, how := range map[string]fakeprovider.Behaviour{
		"refused": {CountStatus: 404}, "fails": {CountStatus: 500}, "hangs": {CountHangs: true},
		"too low": {CountPercent: 1}, "too high": {CountPercent: 900},
	} {
		for _, s := range countedShapes() {
			t.Run(name+s.path, func(t *testing.T) {
				var late atomic.Int64
				began := time.Now()
				w := newWorld(t, setup{budget: s.budget, prices: []string{}, change: func(o *Options) {
					o.Now = func() time.Time { return began.Add(time.Duration(late.Load())) }
					o.countPatience, o.noVocabulary = time.Second, true // within which even a busy provider hears the question
				}})
				w.provider.Set(how)
				for _, step := range []struct {
					at     time.Duration
					counts int
				}{{0, 1}, {countPause - time.Second, 1}, {countPause, 2}} {
					late.Store(int64(step.at))
					w.fund(strings.Repeat(string(rune('a'+step.counts))+step.at.String()[:1], 32), s.budget)
					if status, _ := s.ask(w); status != 402 || w.provider.Counted() != step.counts || len(w.calls()) != 0 {
						t.Errorf("after %s: %d, %d counts, %d calls", step.at, status, w.provider.Counted(), len(w.calls()))
					}
				}
			})
		}
	}
}

// TestCountOfAShortPrompt: a few words are fewer tokens than their JSON has bytes by
// twelve. Such a count is not used, and the provider counts the next prompt.
func TestCountOfAShortPrompt(t *testing.T) {
	for i, s := range countedShapes() {
		w := newWorld(t, setup{budget: "0.05", prices: []string{}, change: func(o *Options) { o.noVocabulary = true }})
		w.provider.Set(fakeprovider.Behaviour{CountPercent: 10})
		short := []m{
			{"model": "claude-sonnet-4-5", "max_tokens": 32000, "messages": []m{{"role": "user", "content": prose(7, 200)}}},
			{"model": "gpt-5", "input": prose(7, 200)}, {"contents": []m{{"parts": []m{{"text": prose(7, 200)}}}}},
		}[i]
		_, _, _, err := w.post(s.shape.path, jsonOf(short), "Anthropic-Version", "2023-06-01")
		must(t, err)
		if n := w.provider.Counted(); n != 1 {
			t.Fatalf("%s: a short prompt was counted %d times", s.path, n)
		}
		w.provider.Set(s.how)
		w.booked(1)
		w.fund(strings.Repeat("0123", 16), s.budget)
		if status, _ := s.ask(w); status != 200 || w.provider.Counted() != 2 {
			t.Errorf("%s: the next prompt: %d, %d counts", s.path, status, w.provider.Counted())
		}
	}
}

// TestCountTooLow: who counts a fifth too low is believed once. What that cost
// is booked, overrun and all, and from then on only bytes bound that model's
// prompts there, whoever calls.
func TestCountTooLow(t *testing.T) {
	for _, s := range countedShapes() {
		t.Run(s.path, func(t *testing.T) {
			w := newWorld(t, setup{budget: s.budget, prices: []string{}})
			how := s.how
			how.CountPercent, how.OutputTokens = 80, 100_000
			w.provider.Set(how)
			status, run := s.ask(w)
			bill := s.price.Micros(w.calls()[0].Usage)
			if status != 200 || run.Account.Overrun == 0 || int64(run.Account.Spent+run.Account.Overrun) != bill {
				t.Fatalf("%d: spent %s and overrun %s of %d", status, run.Account.Spent, run.Account.Overrun, bill)
			}
			if status, _ = s.ask(w); status != 402 {
				t.Errorf("after an overrun: %d", status)
			}
			w.fund(strings.Repeat("0123", 16), s.budget)
			if status, _ = s.ask(w); status != 402 || w.provider.Counted() != 1 || len(w.calls()) != 1 {
				t.Errorf("another run: %d, %d counts, %d calls", status, w.provider.Counted(), len(w.calls()))
			}
		})
	}
}

// TestDearerTier: a provider that bills a dearer tier than was asked for does so
// once at a hold for the standard one. It is booked, and then the dearest is held.
func TestDearerTier(t *testing.T) {
	s := codexShape()
	for _, tier := range []string{`"max_output_tokens":50000,`, `"max_output_tokens":50000,"service_tier":"default",`} {
		w := newWorld(t, setup{budget: "0.20", prices: []string{}})
		w.provider.Set(fakeprovider.Behaviour{OutputTokens: 100_000, ServedTier: "priority"})
		body := "{" + tier + strings.Replace(s.body(0, []string{prose(100, 3000)}), `,{"type":"web_search"}`, "", 1)[1:]
		var held []ledger.Micros
		for i := range 2 {
			if i > 0 {
				w.fund(strings.Repeat("0123", 16), "0.20")
			}
			status, _, answer, err := w.post(s.path, body)
			must(t, err)
			run := w.booked(1)
			price := fakeprovider.Price{Input: 2 * s.price.Input, Output: 2 * s.price.Output}
			if spent := run.Account.Spent + run.Account.Overrun; status == 200 && int64(spent) != price.Micros(w.calls()[i].Usage) {
				t.Errorf("call %d: booked %s for %+v", i, spent, w.calls()[i].Usage)
			}
			if status != 200 || i == 0 && run.Account.Overrun == 0 || i > 0 && run.Account.Overrun > 0 {
				t.Fatalf("call %d: %d, overrun %s: %.300s", i, status, run.Account.Overrun, answer)
			}
			calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
			must(t, err)
			held = append(held, calls[0].Amount)
			if i > 0 && calls[0].Cost > calls[0].Amount {
				t.Errorf("the second cost %s of %s", calls[0].Cost, calls[0].Amount)
			}
		}
		t.Logf("held %v", held)
	}
}
