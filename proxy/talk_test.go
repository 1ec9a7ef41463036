package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/bound"
	"pgregory.net/rapid"
)

// chatter is a conversation drawn at random: what it says, and how it asks.
type chatter struct {
	wire, model string
	said        []string
	system      string
	tools       int
	marked      int  // the block that has the cache marker
	thinking    int  // tokens; 0: none
	options     bool // a tool choice, another output format
	stream      bool
	cap         int
}

// drawChatter begins a conversation.
func drawChatter(t *rapid.T) chatter {
	text := func(label string, most int) string {
		return prose(rapid.IntRange(0, 1000).Draw(t, label), rapid.IntRange(1, most).Draw(t, label+" bytes"))
	}
	k := chatter{wire: rapid.SampledFrom([]string{policy.Chat, policy.Responses, policy.Messages, policy.Gemini}).Draw(t, "wire"),
		said: []string{text("first", 4000)}, system: text("system", 30_000), tools: rapid.IntRange(0, 4).Draw(t, "tools"),
		stream: rapid.Bool().Draw(t, "stream"), cap: rapid.SampledFrom([]int{300, 2000, 9000, 32_000}).Draw(t, "cap")}
	k.switchModel(t)
	return k
}

func (k *chatter) switchModel(t *rapid.T) {
	k.model = rapid.SampledFrom(map[string][]string{
		policy.Chat: {"gpt-4o", "gpt-4o-mini"}, policy.Responses: {"gpt-5", "gpt-5-mini"},
		policy.Messages: {"claude-sonnet-4-5", "claude-haiku-4-5"}, policy.Gemini: {"gemini-2.5-pro", "gemini-2.5-flash"},
	}[k.wire]).Draw(t, "model")
}

// goOn changes the conversation as programs do between two calls.
func (k *chatter) goOn(t *rapid.T) {
	k.said = append(k.said, prose(rapid.IntRange(0, 1000).Draw(t, "answer"), 200), prose(rapid.IntRange(0, 1000).Draw(t, "said"), rapid.IntRange(1, 6000).Draw(t, "bytes")))
	k.marked = rapid.IntRange(0, len(k.said)-1).Draw(t, "marker")
	switch rapid.IntRange(0, 9).Draw(t, "change") {
	case 0:
		k.switchModel(t)
	case 1:
		k.thinking = rapid.SampledFrom([]int{0, 1024, 4000}).Draw(t, "thinking")
	case 2:
		k.options = !k.options
	case 3: // compacted: what was said at first goes
		k.said = k.said[len(k.said)/2/2*2:]
		k.marked = 0
	case 4:
		k.tools = rapid.IntRange(0, 4).Draw(t, "tools")
	case 5:
		k.system = k.system[:len(k.system)/2]
	}
}

// request is the next call.
func (k *chatter) request() (path, body string) {
	b := m{"model": k.model}
	var turns, tools []m
	for i, text := range k.said {
		turns = append(turns, k.turn(i, text))
	}
	for i := range k.tools {
		tools = append(tools, k.tool(fmt.Sprintf("f%d", i)))
	}
	if len(tools) > 0 {
		b["tools"] = tools
	}
	switch k.wire {
	case policy.Chat:
		path, b["messages"], b["max_tokens"] = "/v1/chat/completions", append([]m{{"role": "system", "content": k.system}}, turns...), k.cap
		if k.options {
			b["response_format"] = m{"type": "json_object"}
		}
	case policy.Responses:
		path, b["input"], b["instructions"], b["max_output_tokens"] = "/v1/responses", turns, k.system, k.cap
		if k.options {
			b["text"] = m{"verbosity": "low"}
		}
	case policy.Messages:
		path, b["messages"], b["system"], b["max_tokens"] = "/v1/messages", turns, []m{{"type": "text", "text": k.system}}, k.cap
		if k.thinking > 0 && k.thinking < k.cap {
			b["thinking"] = m{"type": "enabled", "budget_tokens": k.thinking}
		}
		if k.options && k.tools > 0 {
			b["tool_choice"] = m{"type": "none"}
		}
	case policy.Gemini:
		delete(b, "model")
		config := m{"maxOutputTokens": k.cap}
		if k.thinking > 0 {
			config["thinkingConfig"] = m{"thinkingBudget": k.thinking}
		}
		if k.options {
			config["topK"] = 3
		}
		path, b["contents"], b["systemInstruction"], b["generationConfig"] = "/v1beta/models/"+k.model+":generateContent", turns, m{"parts": []m{{"text": k.system}}}, config
		if len(tools) > 0 {
			b["tools"] = []m{{"functionDeclarations": tools}}
		}
	}
	if k.stream && k.wire != policy.Gemini {
		b["stream"] = true
	}
	return path, jsonOf(b)
}

func (k *chatter) turn(i int, text string) m {
	role := []string{"user", "assistant"}[i%2]
	switch k.wire {
	case policy.Messages:
		block := m{"type": "text", "text": text}
		if i == k.marked {
			block["cache_control"] = m{"type": "ephemeral"}
		}
		return m{"role": role, "content": []m{block}}
	case policy.Responses:
		return m{"type": "message", "role": role, "content": []m{{"type": []string{"input_text", "output_text"}[i%2], "text": text}}}
	case policy.Gemini:
		return m{"role": []string{"user", "model"}[i%2], "parts": []m{{"text": text}}}
	}
	return m{"role": role, "content": text}
}

func (k *chatter) tool(name string) m {
	switch k.wire {
	case policy.Messages:
		return m{"name": name, "input_schema": m{"type": "object"}}
	case policy.Responses:
		return m{"type": "function", "name": name, "parameters": m{"type": "object"}}
	case policy.Gemini:
		return m{"name": name, "description": "does " + name}
	}
	return m{"type": "function", "function": m{"name": name}}
}

// TestConversationsCostWithinTheirHolds: whatever a conversation does between two
// calls, a call that is bounded by earlier ones, or by an exact count, never costs
// more than its hold, and what is booked is the bill.
func TestConversationsCostWithinTheirHolds(t *testing.T) {
	w := newWorld(t, setup{provider: fakeprovider.Options{BytesPerToken: 3}, prices: []string{}, change: func(o *Options) { o.noVocabulary = true }})
	runs, calls, refused := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		w.fund(fmt.Sprintf("%064x", runs), rapid.SampledFrom([]string{"0.01", "0.03", "0.10", "0.30"}).Draw(t, "budget"))
		k := drawChatter(t)
		for range rapid.IntRange(2, 8).Draw(t, "turns") {
			w.provider.Set(fakeprovider.Behaviour{OutputTokens: rapid.Int64Range(1, 40_000).Draw(t, "out"), ChunkTokens: 2000, Caches: true})
			before, path := len(w.calls()), ""
			path, body := k.request()
			status, _, answer, err := w.post(path, body, "Anthropic-Version", "2023-06-01")
			must(w.t, err)
			run := w.booked(1)
			if status == 402 {
				refused++
				return
			}
			if status != 200 {
				t.Fatalf("%d %.300s", status, answer)
			}
			booked, err := bookedCalls(w.t.Context(), w.ledger, w.run, 1)
			must(w.t, err)
			e := w.answered(before + 1)[before]
			if c := booked[0]; c.How != string(ledger.Settled) || c.Usage != ledger.Usage(e.Usage) || c.Cost > c.Amount || run.Account.Overrun != 0 {
				t.Fatalf("%s: %s at %s of %s, bill %+v, overrun %s", strings.TrimPrefix(path, "/v1"), c.How, c.Cost, c.Amount, e.Usage, run.Account.Overrun)
			}
			calls++
			k.goOn(t)
		}
	})
	for _, m := range w.gateway.registry.Load().Models() {
		if w.gateway.paid.Distrusts(bound.CounterOf(m)) {
			t.Errorf("the counts of %s were given up", m.Name)
		}
	}
	t.Logf("%d conversations, %d calls, %d refused, %d counts", runs, calls, refused, w.provider.Counted())
	if w.provider.Counted() < 10 || refused < 5 || calls < 100 {
		t.Errorf("the draw does not reach where money is short: %d counts, %d refused of %d", w.provider.Counted(), refused, calls)
	}
}
