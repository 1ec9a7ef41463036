package proxy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A thinking budget falls with the cap under every name that it has, and what is
// told of it is what was sent: a provider refuses a budget that its cap leaves no
// room for.
func TestThinkingFallsByEveryName(t *testing.T) {
	const (
		chat      = `{"model":"gpt-4o","max_tokens":16000,"messages":[{"role":"user","content":"hello"}],%s}`
		responses = `{"model":"gpt-4o","max_output_tokens":16000,"input":"hello",%s}`
		messages  = `{"model":"claude-sonnet-4-5","max_tokens":32000,"messages":[{"role":"user","content":"hello"}],%s}`
		gemini    = `{"contents":[{"role":"user","parts":[{"text":"hello"}]}],%s}`
	)
	for _, c := range []struct{ path, body, said string }{
		{"/v1/chat/completions", chat, `"reasoning":{"max_tokens":15000}`},
		{"/v1/chat/completions", chat, `"thinking":{"type":"enabled","budget_tokens":15000}`},
		{"/v1/chat/completions", chat, `"thinking_budget":15000`},
		{"/v1/chat/completions", chat, `"reasoning":{"max_tokens":12000},"thinking":{"type":"enabled","budget_tokens":15000}`},
		{"/v1/chat/completions", chat, `"thinking":{"type":"enabled","token_budget":15000}`},
		{"/v1/chat/completions", chat, `"thinking_token_budget":15000`},
		{"/v1/chat/completions", chat, `"chat_template_kwargs":{"enable_thinking":true,"thinking_budget":15000}`},
		{"/v1/chat/completions", chat, `"extra_body":{"google":{"thinking_config":{"thinking_budget":15000,"include_thoughts":true}}}`},
		{"/v1/chat/completions", chat, `"extra_body":{"google":{"thinkingConfig":{"thinkingBudget":-1}}}`},
		{"/v1/chat/completions", chat, `"google":{"thinking_config":{"thinking_budget":15000}}`},
		{"/v1/responses", responses, `"reasoning":{"max_tokens":15000}`},
		{"/v1/messages", messages, `"thinking":{"type":"enabled","budget_tokens":31999}`},
		{"/v1beta/models/gemini-2.5-pro:generateContent", gemini, `"generationConfig":{"maxOutputTokens":60000,"thinkingConfig":{"thinkingBudget":20000}}`},
		{"/v1beta/models/gemini-2.5-pro:generateContent", gemini, `"generation_config":{"max_output_tokens":60000,"thinking_config":{"thinking_budget":20000}}`},
		{"/v1beta/models/gemini-2.5-pro:generateContent", gemini, `"generationConfig":{"maxOutputTokens":"60000","thinkingConfig":{"thinkingBudget":"-1"}}`},
	} {
		w := newWorld(t, setup{budget: "0.05", prices: []string{}})
		status, h, answer, err := w.post(c.path, fmt.Sprintf(c.body, c.said), "Anthropic-Version", "2023-06-01")
		must(t, err)
		w.booked(1)
		told := regexp.MustCompile(`thinking (\d+)`).FindStringSubmatch(h.Get("X-Aex-Changed"))
		if status != 200 || told == nil {
			t.Errorf("%s: %d %s; changed: %s", c.said, status, answer, h.Get("X-Aex-Changed"))
			continue
		}
		budget, _ := strconv.Atoi(told[1])
		room, _ := strconv.Atoi(h.Get("X-Aex-Clamped-Max-Tokens"))
		sent := w.provider.Bill()
		got := string(sent[len(sent)-1].Body)
		for _, was := range []string{"15000", "12000", "31999", "20000", `"-1"`, ":-1"} {
			if strings.Contains(got, was) {
				t.Errorf("%s: a budget of %s was sent as it was: %s", c.said, was, got)
			}
		}
		if !strings.Contains(got, ":"+told[1]) && !strings.Contains(got, ": "+told[1]) || budget+1024 > room {
			t.Errorf("%s: told of %d within a cap of %d, sent %s", c.said, budget, room, got)
		}
	}
}

// A model of Gemini 2.5 that was to choose how much it thinks gets a figure, by
// whatever name it is called; one that does not think gets none, which its
// provider would refuse.
func TestWhoGetsAFigureForThinking(t *testing.T) {
	const models = `version: 1
models:
  mine: {provider: google, provider_model: gemini-2.5-pro}
`
	for model, want := range map[string]bool{
		"gemini-2.5-pro": true, "gemini-2.5-flash": true, "mine": true, "gemini-2.5-flash-lite": false, "gemini-2.5-flash-image": false,
		"gemini-2.5-flash-preview-tts": false, "gemini-2.5-pro-preview-tts": false, "gemini-3-pro-preview": false, "gemini-2.0-flash": false,
	} {
		w := newWorld(t, setup{budget: "0.04", prices: []string{}, models: models})
		status, h, answer, err := w.post("/v1beta/models/"+model+":generateContent", `{"contents":[{"parts":[{"text":"hello"}]}],"generationConfig":{"maxOutputTokens":60000}}`)
		must(t, err)
		w.booked(1)
		if sent := w.calls(); status != 200 || strings.Contains(string(sent[len(sent)-1].Body), "thinkingBudget") != want || strings.Contains(h.Get("X-Aex-Changed"), "thinking") != want {
			t.Errorf("%s: %d %s, changed: %s", model, status, answer, h.Get("X-Aex-Changed"))
		}
	}
}
