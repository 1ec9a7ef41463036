package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
)

// serial calls again and again on one connection, as soon as it has an answer.
func (w *world) serial(calls int, body func(n int) string, each func(n int, resp *http.Response)) {
	w.t.Helper()
	one := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer one.CloseIdleConnections()
	for n := range calls {
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/v1/chat/completions", strings.NewReader(body(n)))
		must(w.t, err)
		req.Header.Set("Authorization", "Bearer "+w.token)
		resp, err := one.Do(req)
		must(w.t, err)
		answer, err := io.ReadAll(resp.Body)
		must(w.t, err)
		must(w.t, resp.Body.Close())
		if resp.StatusCode != 200 {
			w.t.Fatalf("call %d was answered %d %s", n+1, resp.StatusCode, answer)
		}
		each(n, resp)
	}
}

// Who makes one call at a time is never told that there are two.
func TestOneCallAtATime(t *testing.T) {
	w := newWorld(t, setup{provider: fakeprovider.Options{Lean: true}})
	one := ledger.Limits{Concurrency: 1}
	_, err := w.ledger.SetAgent(t.Context(), w.agent, ledger.AgentChange{Limits: &one})
	must(t, err)
	for _, stream := range []bool{false, true} {
		w.serial(300, func(n int) string {
			return fmt.Sprintf(`{"model":"gpt-4o-mini","stream":%v,"max_tokens":20,"messages":[{"role":"user","content":"call %d"}]}`, stream, n)
		}, func(int, *http.Response) {})
	}
}

// What a lone caller may still spend is not cut by its own call before: that is
// booked, or out of the way.
func TestLoneCallerGetsItsShare(t *testing.T) {
	w := newWorld(t, setup{budget: "1", prices: []string{"gpt-4o=3/15"}, provider: fakeprovider.Options{Lean: true}})
	least := 0
	for _, stream := range []bool{false, true} {
		w.serial(100, func(int) string {
			return fmt.Sprintf(`{"model":"gpt-4o","stream":%v,"max_tokens":128000,"messages":[{"role":"user","content":"hi"}]}`, stream)
		}, func(n int, resp *http.Response) {
			lowered, err := strconv.Atoi(resp.Header.Get("X-Aex-Clamped-Max-Tokens"))
			must(t, err)
			if least == 0 {
				least = lowered * 9 / 10 // each call costs a few tokens' worth
			}
			if lowered < least {
				t.Errorf("call %d got %d tokens", n+1, lowered)
			}
		})
	}
}

// An answer without text is one where text is not what was asked for.
func TestEqualEmbeddingsAreNoLoop(t *testing.T) {
	w := newWorld(t, setup{prices: append([]string{"text-embedding-3-small=0.02/0"}, wirePrices...)})
	for range 2 {
		status, _, answer, err := w.post("/v1/embeddings", `{"model":"text-embedding-3-small","input":"same"}`)
		must(t, err)
		if n := <-w.notices; status != 200 || n.Fruitless {
			t.Errorf("%d, fruitless %v: %s", status, n.Fruitless, answer)
		}
	}
	w.provider.Set(fakeprovider.Behaviour{OutputTokens: -1})
	_, _, _, err := w.post("/v1/chat/completions", `{"model":"gpt-4o","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`)
	must(t, err)
	if n := <-w.notices; !n.Fruitless {
		t.Error("an empty answer to a question is worth something")
	}
}

// A run that was suspended longer than its token lives goes on; a token of
// somebody else does not.
func TestTokenOfTheOwnRunIsExtended(t *testing.T) {
	var late atomic.Int64
	var own, stranger = ledger.HashToken(strings.Repeat("ab", 32)), strings.Repeat("cd", 32)
	now := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	var w *world
	w = newWorld(t, setup{now: now, change: func(o *Options) {
		o.Extend = func(ctx context.Context, h ledger.TokenHash) error {
			if h != own {
				return ledger.ErrNotFound
			}
			return w.ledger.ExtendToken(ctx, h, now().Add(time.Hour))
		}
	}})
	_, err := w.ledger.OpenRun(t.Context(), ledger.NewRun{Agent: w.agent, Budget: usd(t, "1"), Program: "other", Token: ledger.HashToken(stranger), Expires: now().Add(time.Hour), Metered: true})
	must(t, err)
	late.Store(int64(48 * time.Hour))
	for token, want := range map[string]int{w.token: 200, stranger: 401} {
		status, _, answer, err := w.post("/v1/chat/completions", `{"model":"gpt-4o","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`, "Authorization", "Bearer "+token)
		must(t, err)
		if status != want {
			t.Errorf("%d %s, want %d", status, answer, want)
		}
	}
}
