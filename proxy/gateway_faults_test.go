package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// An overrun is booked in full, in its own column, whatever the budget.
func TestOverrun(t *testing.T) {
	for _, tt := range []struct {
		name    string
		budget  string
		overrun bool
	}{{"within the budget", "1", false}, {"beyond the budget", "0.0007", true}} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, setup{budget: tt.budget})
			// The model named in the answer is dearer than the one asked for.
			w.provider.Set(fakeprovider.Behaviour{ServedModel: "gpt-4o", OutputTokens: 300})
			status, _, _, err := w.post("/v1/chat/completions", strings.Replace(hello, "{", `{"max_tokens":300,`, 1))
			must(t, err)
			if status != 200 {
				t.Fatalf("status %d", status)
			}
			run := w.booked(1)
			bill := w.billed(parsePrices(t, wirePrices))
			if got := run.Account.Spent + run.Account.Overrun; got != bill {
				t.Errorf("booked %s of a bill of %s", got, bill)
			}
			if (run.Account.Overrun > 0) != tt.overrun {
				t.Errorf("overrun %s", run.Account.Overrun)
			}
			status, h, _, err := w.post("/v1/chat/completions", hello)
			must(t, err)
			if tt.overrun && (status != 402 || h.Get("X-Aex-Code") != "budget_exceeded") {
				t.Errorf("after an overrun: %d %s", status, h.Get("X-Aex-Code"))
			}
		})
	}
}

// A POST that carries an Idempotency-Key is not repeated by Go's transport when
// a reused connection breaks: one provider request for one hold.
func TestPostIsNeverRepeated(t *testing.T) {
	w := newWorld(t, setup{})
	for i := range 2 { // the second goes over the connection that the first left
		if i == 1 {
			w.provider.Next(fakeprovider.Behaviour{Fault: fakeprovider.FaultDropReused})
		}
		status, _, _, err := w.post("/v1/chat/completions", hello, "Idempotency-Key", fmt.Sprintf("key-%d", i))
		if i == 1 && err == nil && status != 502 {
			t.Errorf("the broken call was answered %d", status)
		}
	}
	run := w.booked(2)
	if n := len(w.provider.Bill()); n != 2 {
		t.Errorf("2 calls made %d provider requests", n)
	}
	if bill := w.billed(parsePrices(t, wirePrices)); run.Account.Spent < bill {
		t.Errorf("booked %s of a bill of %s", run.Account.Spent, bill)
	}
}

// panicWriter panics in the midst of the relay, as a bug would.
type panicWriter struct {
	http.ResponseWriter
}

func (p panicWriter) Write(b []byte) (int, error) { panic("a bug in the relay") }

// A panic books the call before it goes on.
func TestPanicIsBooked(t *testing.T) {
	w := newWorld(t, setup{})
	req, err := http.NewRequest("POST", "/v1/chat/completions", strings.NewReader(hello))
	must(t, err)
	req.Host = "127.0.0.1"
	req.Header.Set("Authorization", "Bearer "+w.token)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		w.gateway.ServeHTTP(panicWriter{discard{}}, req)
	}()
	run := w.booked(1)
	if bill := w.billed(parsePrices(t, wirePrices)); run.Account.Spent < bill || run.Account.Reserved != 0 {
		t.Errorf("after a panic: booked %s, reserved %s, bill %s", run.Account.Spent, run.Account.Reserved, bill)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) WriteHeader(int)             {}
func (discard) Write(b []byte) (int, error) { return len(b), nil }

// A lone call with a huge cap gets half of what is there, and others find room
// beside it: nothing is refused while money is unspent.
func TestHugeCaps(t *testing.T) {
	prices := []string{"gpt-4o=1/15"}
	w := newWorld(t, setup{budget: "0.50", prices: prices})
	w.provider.Set(fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders, OutputTokens: 100})
	body := `{"model":"gpt-4o","max_tokens":128000,"messages":[{"role":"user","content":"think hard"}]}`
	type answer struct {
		status  int
		clamped string
	}
	answers := make(chan answer, 4)
	var calls sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	send := func() {
		calls.Go(func() {
			status, h, _, _ := w.postWithin(ctx, "/v1/chat/completions", body)
			answers <- answer{status, h.Get("X-Aex-Clamped-Max-Tokens")}
		})
	}
	for n := 1; n <= 3; n++ {
		send()
		must(t, w.provider.Hung(ctx, n))
	}
	send() // the fourth waits for money
	w.provider.Set(fakeprovider.Behaviour{OutputTokens: 100})
	w.provider.Release()
	calls.Wait()
	close(answers)
	most := 0
	for a := range answers {
		var cap int
		_, _ = fmt.Sscan(a.clamped, &cap)
		most = max(most, cap)
		if a.status != 200 {
			t.Errorf("a call was answered %d", a.status)
		}
	}
	if most < 16_000 {
		t.Errorf("the lone call got a cap of %d", most)
	}
	run := w.booked(4)
	if bill := w.billed(parsePrices(t, prices)); run.Account.Spent != bill || bill > 500_000 {
		t.Errorf("ledger %s, bill %s", run.Account.Spent, bill)
	}
}

// An agent that loops is stopped before the provider's bill passes the budget,
// and what is left is less than a call.
func TestLoopEndsWithinBudget(t *testing.T) {
	for _, callers := range []int{1, 20} {
		t.Run(fmt.Sprintf("%d callers", callers), func(t *testing.T) {
			prices := []string{"gpt-4o-mini=0.60/2.40"}
			w := newWorld(t, setup{budget: "0.05", prices: prices})
			w.provider.Set(fakeprovider.Behaviour{OutputTokens: 300})
			body := fmt.Sprintf(`{"model":"gpt-4o-mini","max_tokens":1024,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("word ", 400))
			var loops sync.WaitGroup
			for range callers {
				loops.Go(func() {
					for {
						status, h, _, err := w.post("/v1/chat/completions", body)
						if err != nil || status == 402 && h.Get("X-Aex-Code") == "budget_exceeded" {
							return
						}
						if status != 200 && status != 402 && status != 429 {
							t.Errorf("status %d", status)
							return
						}
					}
				})
			}
			loops.Wait()
			run, err := w.ledger.Run(t.Context(), string(w.run))
			must(t, err)
			bill := w.billed(parsePrices(t, prices))
			if run.Account.Spent != bill || bill > 50_000 {
				t.Errorf("ledger %s, bill %s", run.Account.Spent, bill)
			}
			// The least this call is worth: its input bound and 1,024 tokens.
			if left := ledger.Micros(50_000) - bill; left > 2400*1024/1000+ledger.Micros(len(body)+200)*6/10 {
				t.Errorf("%s of $0.05 is left", left)
			}
			if run.State != ledger.RunExhausted {
				t.Errorf("the run is %s", run.State)
			}
		})
	}
}

// A tool that the policy denies is denied in answers too: a whole answer is
// withheld, a stream aborted; both are booked.
func TestAnswerMayNotCallDeniedTools(t *testing.T) {
	caps := policy.Open()
	caps.DeniedTools = []string{"rm*"}
	w := newWorld(t, setup{caps: &caps})
	tools := `"tools":[{"type":"function","function":{"name":"ls","parameters":{}}}],"messages":[{"role":"user","content":"hello"}]}`
	w.provider.Set(fakeprovider.Behaviour{ToolCalls: []fakeprovider.ToolCall{{Name: "rm_all", Args: "{}"}}})
	status, h, answer, err := w.post("/v1/chat/completions", `{"model":"gpt-4o-mini",`+tools)
	must(t, err)
	if status != 403 || h.Get("X-Aex-Code") != "policy_denied" || strings.Contains(answer, "tool_calls") {
		t.Errorf("whole: %d %s", status, answer)
	}
	_, _, answer, err = w.post("/v1/chat/completions", `{"model":"gpt-4o-mini","stream":true,`+tools)
	if err == nil || strings.Contains(answer, "rm_all") {
		t.Errorf("stream: %v %s", err, answer)
	}
	run := w.booked(2)
	if bill := w.billed(parsePrices(t, wirePrices)); run.Account.Spent < bill || bill == 0 {
		t.Errorf("booked %s of a bill of %s", run.Account.Spent, bill)
	}
	w.provider.Set(fakeprovider.Behaviour{ToolCalls: []fakeprovider.ToolCall{{Name: "ls", Args: "{}"}}})
	status, _, answer, err = w.post("/v1/chat/completions", `{"model":"gpt-4o-mini",`+tools)
	must(t, err)
	if status != 200 || !strings.Contains(answer, `"ls"`) {
		t.Errorf("an allowed tool: %d %s", status, answer)
	}
}

// models.yaml opens routes at a fixed price, or free.
func TestOpenedRoutes(t *testing.T) {
	w := newWorld(t, setup{models: "version: 1\nroutes:\n  \"GET /v1/models/*\": free\n  \"POST /v1/images/generations\": {usd_per_call: \"0.04\"}\n"})
	w.provider.Next(fakeprovider.Behaviour{Fault: fakeprovider.FaultStatus, Status: 200, Body: `{"data":[]}`})
	status, _, answer, err := w.post("/v1/images/generations", `{"prompt":"a cat"}`)
	must(t, err)
	run := w.booked(1)
	if run.Account.Spent != 40_000 && status < 400 {
		t.Errorf("%d %s: booked %s for a call of $0.04", status, answer, run.Account.Spent)
	}
	if status, h, _, err := w.post("/v1/audio/speech", `{}`); err != nil || h.Get("X-Aex-Code") != "endpoint_not_governed" {
		t.Errorf("a route that is not opened: %d %v", status, err)
	}
	if status, h, _, err := w.post("/v1/images/generations/../../files", `{}`); err != nil || status < 300 || h.Get("X-Aex-Code") == "" && status < 400 {
		t.Errorf("a path out of the route: %d %v", status, err)
	}
}
