package proxy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// shape is a conversation as a real agent has it: more is said each turn, and
// all that was said before comes again.
type shape struct {
	name, path string
	body       func(turn int, said []string) string
	how        fakeprovider.Behaviour
	price      fakeprovider.Price
	input      int64 // pico-dollars a token, the dearest that a request can cause
	least      int64 // output tokens of the least hold
	prompts    int64 // how often the prompt is read: once, and once more a use of a tool
	found      int64
}

// prose is a text of n bytes that no other is like.
func prose(seed, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%x ", uint32(seed*7919+i)*2654435761)
	}
	return b.String()[:n]
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

type m = map[string]any

// claudeShape is Claude Code's: system and tools of 60 kB, the cache marker on
// the newest message, thinking up to a token below the cap.
func claudeShape(caches bool) shape {
	marker := m{"type": "ephemeral"}
	body := func(_ int, said []string) string {
		var messages []m
		for i, text := range said {
			block := m{"type": "text", "text": text}
			if i == len(said)-1 {
				block["cache_control"] = marker
			}
			messages = append(messages, m{"role": []string{"user", "assistant"}[i%2], "content": []m{block}})
		}
		return jsonOf(m{
			"model": "claude-sonnet-4-5", "max_tokens": 32000, "stream": true, "thinking": m{"type": "enabled", "budget_tokens": 31999},
			"system":             []m{{"type": "text", "text": prose(1, 40_000), "cache_control": marker}},
			"tools":              []m{{"name": "Bash", "description": prose(2, 20_000), "input_schema": m{"type": "object"}}},
			"context_management": m{"edits": []m{{"type": "clear_thinking_20251015", "keep": "all"}}}, "messages": messages,
		})
	}
	return shape{
		name: fmt.Sprintf("claude, caches %t", caches), path: "/v1/messages?beta=true", body: body, input: 3_750_000, least: 2048, prompts: 1,
		how:   fakeprovider.Behaviour{OutputTokens: 300, ReasoningTokens: 200, Caches: caches},
		price: fakeprovider.Price{Input: 3_000_000, CacheRead: 300_000, CacheWrite5m: 3_750_000, CacheWrite1h: 6_000_000, Output: 15_000_000},
	}
}

// codexShape is Codex's: no cap, and a web search in every request.
func codexShape() shape {
	body := func(_ int, said []string) string {
		var input []m
		for i, text := range said {
			kind := []string{"input_text", "output_text"}[i%2]
			input = append(input, m{"type": "message", "role": []string{"user", "assistant"}[i%2], "content": []m{{"type": kind, "text": text}}})
		}
		return jsonOf(m{"model": "gpt-5", "stream": true, "store": false, "instructions": prose(3, 30_000), "input": input,
			"tools": []m{{"type": "function", "name": "shell", "description": prose(4, 10_000), "parameters": m{"type": "object"}}, {"type": "web_search"}}})
	}
	return shape{name: "codex", path: "/v1/responses", body: body, how: fakeprovider.Behaviour{OutputTokens: 300, ReasoningTokens: 200},
		price: fakeprovider.Price{Input: 1_250_000, Output: 10_000_000}, input: 1_250_000, least: 1024, prompts: 2, found: 30_000}
}

func chatShape() shape {
	body := func(_ int, said []string) string {
		messages := []m{{"role": "system", "content": prose(5, 92_000)}}
		for i, text := range said {
			messages = append(messages, m{"role": []string{"user", "assistant"}[i%2], "content": text})
		}
		return jsonOf(m{"model": "gpt-4o", "messages": messages})
	}
	return shape{name: "gpt-4o", path: "/v1/chat/completions", body: body, how: fakeprovider.Behaviour{OutputTokens: 300},
		price: fakeprovider.Price{Input: 2_500_000, Output: 10_000_000}, input: 2_500_000, least: 1024, prompts: 1}
}

func geminiShape() shape {
	body := func(_ int, said []string) string {
		var contents []m
		for i, text := range said {
			contents = append(contents, m{"role": []string{"user", "model"}[i%2], "parts": []m{{"text": text}}})
		}
		return jsonOf(m{"systemInstruction": m{"parts": []m{{"text": prose(6, 60_000)}}}, "contents": contents,
			"generationConfig": m{"thinkingConfig": m{"thinkingBudget": -1}}})
	}
	return shape{name: "gemini", path: "/v1beta/models/gemini-2.5-pro:generateContent", body: body,
		how:   fakeprovider.Behaviour{OutputTokens: 300, ReasoningTokens: 200},
		price: fakeprovider.Price{Input: 1_250_000, Output: 10_000_000}, input: 1_250_000, least: 1536, prompts: 1}
}

// talked is how a conversation went until no call was let through.
type talked struct {
	calls       int
	left, least int64 // micro-dollars: what there was, and what the next call needs as one who knows all would hold it
	last        int64 // what the last call cost
}

// talk has a conversation of at most so many turns. left is what is unspent then.
func (s shape) talk(w *world, most int, left func() int64) (k talked) {
	t, said := w.t, []string{prose(100, 3000)}
	for k.left = left(); k.calls < most; k.calls++ {
		status, h, answer, err := w.post(s.path, s.body(k.calls, said), "Anthropic-Version", "2023-06-01")
		must(t, err)
		if k.left = left(); status == 402 {
			return k
		}
		if status != 200 {
			t.Errorf("%s, turn %d: %d %s %.300s", s.name, k.calls, status, h.Get("X-Aex-Code"), answer)
			return k
		}
		u := usageIn(t, s, answer)
		prompt := u.Input + u.CacheRead + u.CacheWrite5m + 1000 // and what the next turn says
		k.least = (prompt*s.prompts+s.found)*s.input/1_000_000 + s.least*s.price.Output/1_000_000
		if s.found > 0 {
			k.least += 10_000 // the fee of a search
		}
		k.last = s.price.Micros(u)
		said = append(said, prose(1000+k.calls, 800), prose(2000+k.calls, 3000))
	}
	return k
}

// usageIn is the usage that an answer told its client.
func usageIn(t *testing.T, s shape, answer string) (u fakeprovider.Usage) {
	t.Helper()
	last := func(field string) (n int64) {
		at := strings.LastIndex(answer, `"`+field+`":`)
		if at >= 0 {
			_, err := fmt.Sscan(strings.TrimLeft(answer[at+len(field)+3:], " "), &n)
			must(t, err)
		}
		return n
	}
	switch {
	case strings.Contains(s.path, "messages"):
		u = fakeprovider.Usage{Input: last("input_tokens"), CacheRead: last("cache_read_input_tokens"), CacheWrite5m: last("cache_creation_input_tokens"), Output: last("output_tokens")}
	case strings.Contains(s.path, "gemini"):
		u = fakeprovider.Usage{Input: last("promptTokenCount"), Output: last("candidatesTokenCount") + last("thoughtsTokenCount")}
	case strings.Contains(s.path, "responses"):
		u = fakeprovider.Usage{Input: last("input_tokens"), Output: last("output_tokens")}
	default:
		u = fakeprovider.Usage{Input: last("prompt_tokens"), Output: last("completion_tokens")}
	}
	if u.Input+u.CacheRead+u.CacheWrite5m == 0 || u.Output == 0 {
		t.Fatalf("no usage in %.500s", answer)
	}
	return u
}

func shapes() []shape {
	return []shape{claudeShape(true), claudeShape(false), codexShape(), chatShape(), geminiShape()}
}

// paysShapes are the prices of all shapes' models.
func paysShapes() map[string]fakeprovider.Price {
	return map[string]fakeprovider.Price{"claude-sonnet-4-5": claudeShape(true).price, "gpt-5": codexShape().price, "gpt-4o": chatShape().price, "gemini-2.5-pro": geminiShape().price}
}

// TestShapesSpendTheirBudget: conversations of real agents under $0.50 end only
// when what is left is below 1.15 times the least sound hold that one who knows
// the true prompt would take; ledger and bill agree, nothing is overrun.
func TestShapesSpendTheirBudget(t *testing.T) {
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, setup{budget: "0.50", prices: []string{}})
			w.provider.Set(s.how)
			k := s.talk(w, 1000, w.unspent)
			run, err := w.ledger.Run(t.Context(), string(w.run))
			must(t, err)
			if bill := w.billed(paysShapes()); run.Account.Spent != bill || run.Account.Overrun != 0 {
				t.Errorf("spent %s and overrun %s of a bill of %s", run.Account.Spent, run.Account.Overrun, bill)
			}
			oracle := int64(run.Account.Spent)
			for k.last > 0 && 500_000-oracle >= k.least {
				oracle += k.last
			}
			t.Logf("%d counts, %d calls, $%.4f left; the oracle's least hold is $%.4f; spent %.1f %%, the oracle %.1f %%",
				w.provider.Counted(), k.calls, float64(k.left)/1e6, float64(k.least)/1e6, float64(run.Account.Spent)/5000, float64(oracle)/5000)
			if k.calls == 0 || k.left*100 >= k.least*115 {
				t.Errorf("%d calls; %d micro-dollars are left, and %d would do", k.calls, k.left, k.least)
			}
		})
	}
}
