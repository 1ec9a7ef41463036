package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/policy"
)

// capOf is a wire's own field for its cap, as it stands before the figure.
var capOf = map[string]string{
	policy.Chat: `"max_tokens":`, policy.Responses: `"max_output_tokens":`, policy.Completions: `"max_tokens":`,
	policy.Messages: `"max_tokens":`, policy.Gemini: `"maxOutputTokens":`,
}

// A cap that the money does not pay for is lowered in the wire's own field, and
// told in the header and in the event; the provider, which goes to its cap,
// then never bills more than the hold. --no-clamp refuses instead.
func TestClamp(t *testing.T) {
	for _, noClamp := range []bool{false, true} {
		setup := exchangeWorld(0)
		setup.budget = "0.10" // some 49,000 tokens of output
		setup.change = func(o *Options) { o.NoClamp = noClamp }
		for _, d := range dialects {
			if d.wire == policy.Embeddings {
				continue // no output, so no cap
			}
			t.Run(fmt.Sprintf("%s/no-clamp=%t", d.wire, noClamp), func(t *testing.T) {
				w := newWorld(t, setup)
				w.provider.Set(fakeprovider.Behaviour{OutputTokens: 100_000, ChunkTokens: 1000})
				body := strings.Replace(d.request("seen", false, ""), capOf[d.wire]+"60", capOf[d.wire]+"90000", 1)
				status, h, answer, err := w.post(d.path("seen", false), body, "Anthropic-Version", "2023-06-01")
				must(t, err)
				run := w.booked(1)
				if noClamp {
					if status != 402 || h.Get("X-Aex-Code") != "call_exceeds_budget" || len(w.provider.Bill()) != 0 || run.Account.Reserved != 0 {
						t.Errorf("%d %s %s", status, h.Get("X-Aex-Code"), answer)
					}
					return
				}
				if status != 200 {
					t.Fatalf("%d %s", status, answer)
				}
				clamped := h.Get("X-Aex-Clamped-Max-Tokens")
				e := w.provider.Bill()[0]
				if want := strings.Replace(body, "90000", clamped, 1); clamped == "" || string(e.Body) != want {
					t.Errorf("clamped to %q; the provider got\n%s\nwant\n%s", clamped, e.Body, want)
				}
				calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
				must(t, err)
				c := calls[0]
				if fmt.Sprint(c.Clamped) != clamped || c.Usage.Output != c.Clamped || c.Cost > c.Amount || run.Account.Spent != c.Cost {
					t.Errorf("clamped %d, out %d, %s of %s", c.Clamped, c.Usage.Output, c.Cost, c.Amount)
				}
				// Half of what is there, whatever the input took.
				if half := int64(50_000 * 1_000_000 / 2_030_000); c.Clamped < half || c.Clamped > half+1 {
					t.Errorf("a lone caller got %d tokens, half of the money pays for %d", c.Clamped, half)
				}
			})
		}
	}
}

// A cap that fits is nobody's business; one that the client left out is added
// where it has to be, under the name that the provider knows.
func TestClampAddsACap(t *testing.T) {
	w := newWorld(t, setup{budget: "0.05"})
	_, h, _, err := w.post("/v1/chat/completions", strings.Replace(hello, "gpt-4o-mini", "gpt-4o", 1))
	must(t, err)
	w.booked(1)
	clamped := h.Get("X-Aex-Clamped-Max-Tokens")
	if got := string(w.provider.Bill()[0].Body); clamped == "" || !strings.HasPrefix(got, `{"max_completion_tokens":`+clamped+`,"model"`) {
		t.Errorf("clamped to %q: the provider got %s", clamped, got)
	}
	_, h, _, err = w.post("/v1/chat/completions", strings.Replace(hello, "{", `{"max_tokens":20,`, 1))
	must(t, err)
	if got := string(w.provider.Bill()[1].Body); h.Get("X-Aex-Clamped-Max-Tokens") != "" || !strings.Contains(got, `"max_tokens":20,`) {
		t.Errorf("a cap that fits became %s", got)
	}
}

// What has no upper bound is refused under a budget, in the wire's own shape,
// and passes where the request bounds it, where the agent reserves for it, or
// where no money is limited.
func TestUnboundedUnderABudget(t *testing.T) {
	const (
		said     = `"messages":[{"role":"user","content":"hello"}]`
		chatBody = `{"model":"gpt-4o-mini","max_tokens":20,` + said
		answers  = `{"model":"gpt-4o-mini","max_output_tokens":20,"input":"hello"`
		claude   = `{"model":"claude-sonnet-4-5","max_tokens":20,` + said
		flash    = `{"contents":[{"role":"user","parts":[{"text":"hello"}]}],"generationConfig":{"maxOutputTokens":20}`
	)
	type hosted struct {
		name, path, body   string
		bounded            bool // by the request itself
		reserved, unbudged bool // passes with an agent that reserves; without a budget
	}
	cases := []hosted{
		{"chat web search", "/v1/chat/completions", chatBody + `,"web_search_options":{}}`, true, true, true},
		{"responses web search", "/v1/responses", answers + `,"tools":[{"type":"web_search"}]}`, true, true, true},
		{"responses web search, bounded", "/v1/responses", answers + `,"max_tool_calls":2,"tools":[{"type":"web_search"}]}`, true, true, true},
		{"responses code interpreter", "/v1/responses", answers + `,"max_tool_calls":2,"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}`, false, true, false},
		{"responses code interpreter beside a function", "/v1/responses", answers + `,"tools":[{"type":"code_interpreter","container":{"type":"auto"}},{"type":"function","name":"f"}]}`, true, true, false},
		{"responses code interpreter that must be used", "/v1/responses", answers + `,"tool_choice":{"type":"code_interpreter"},"tools":[{"type":"code_interpreter","container":{"type":"auto"}},{"type":"function","name":"f"}]}`, false, true, false},
		{"responses mcp", "/v1/responses", answers + `,"tools":[{"type":"mcp","server_label":"x","server_url":"https://example.com"}]}`, true, true, true},
		{"responses in the background", "/v1/responses", answers + `,"background":true}`, false, false, false},
		{"messages web search", "/v1/messages", claude + `,"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, true, true, true},
		{"messages web search, bounded", "/v1/messages", claude + `,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]}`, true, true, true},
		{"messages mcp servers", "/v1/messages", claude + `,"mcp_servers":[{"type":"url","url":"https://example.com","name":"x"}]}`, true, true, true},
		{"messages fallbacks", "/v1/messages", claude + `,"fallbacks":[{"model":"claude-opus-4-5"}]}`, false, false, false},
		{"gemini search", "/v1beta/models/gemini-2.5-flash:generateContent", flash + `,"tools":[{"googleSearch":{}}]}`, true, true, true},
	}
	for name, world := range map[string]struct {
		setup setup
		may   func(hosted) bool
	}{
		"budget":   {setup{}, func(c hosted) bool { return c.bounded }},
		"reserves": {setup{caps: reserves()}, func(c hosted) bool { return c.reserved }},
		"no limit": {setup{budget: "none"}, func(c hosted) bool { return c.unbudged }},
	} {
		t.Run(name, func(t *testing.T) {
			world.setup.prices = []string{}
			w := newWorld(t, world.setup)
			for _, c := range cases {
				before := len(w.provider.Bill())
				status, h, answer, err := w.post(c.path, c.body, "Anthropic-Version", "2023-06-01")
				must(t, err)
				switch sent := len(w.provider.Bill()) > before; {
				case world.may(c) != (status == 200):
					t.Errorf("%s: %d %s", c.name, status, answer)
				case status != 200 && (sent || status != 403 || h.Get("X-Aex-Code") != "policy_denied" || !strings.Contains(answer, "aex: ")):
					t.Errorf("%s: %d %s %s; sent: %t", c.name, status, h.Get("X-Aex-Code"), answer, sent)
				}
			}
			if name == "no limit" {
				return
			}
			run := w.booked(len(cases))
			if run.Account.Overrun != 0 || run.Account.Reserved != 0 {
				t.Errorf("overrun %s, reserved %s", run.Account.Overrun, run.Account.Reserved)
			}
		})
	}
}

// reserves has the provider's own tools reserved for.
func reserves() *policy.Capabilities {
	caps := policy.Open()
	caps.ReserveHostedTools = true
	return &caps
}
