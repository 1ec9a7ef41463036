package proxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/memory"
)

// TestBodiesWaitForMemory: a body for which others leave none waits, and is
// refused for now; one that could never be held, for good.
func TestBodiesWaitForMemory(t *testing.T) {
	w := newWorld(t, setup{change: func(o *Options) { o.Memory = 4 << 20 }})
	half, rest := io.Pipe()
	first := make(chan int, 1)
	body := chatOf(1 << 20)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v1/chat/completions", half)
		req.Header.Set("Authorization", "Bearer "+w.token)
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			first <- 0
			return
		}
		resp.Body.Close()
		first <- resp.StatusCode
	}()
	_, err := io.WriteString(rest, body[:len(body)-10])
	must(t, err)
	w.awaitMemory(func(left int64) bool { return left < 5<<19 })
	status, h, answer, err := w.post("/v1/chat/completions", chatOf(3<<19))
	must(t, err)
	if status != 503 || h.Get("X-Aex-Code") != "gateway_busy" || h.Get("Retry-After") == "" {
		t.Errorf("while another has the memory: %d %q %.200s", status, h, answer)
	}
	if status, h, _, err := w.post("/v1/chat/completions", chatOf(3<<20)); err != nil || status != 413 || h.Get("X-Aex-Code") != "request_too_large" {
		t.Errorf("more than there is: %d %q %v", status, h, err)
	}
	if status, _, answer, err := w.post("/v1/chat/completions", hello); err != nil || status != 200 {
		t.Errorf("a small one: %d %.200s %v", status, answer, err)
	}
	_, err = io.WriteString(rest, body[len(body)-10:])
	must(t, errors.Join(err, rest.Close()))
	if got := <-first; got != 200 {
		t.Errorf("the first got %d", got)
	}
	if status, _, answer, err := w.post("/v1/chat/completions", chatOf(3<<19)); err != nil || status != 200 {
		t.Errorf("after it: %d %.200s %v", status, answer, err)
	}
}

// awaitMemory waits until what is left of the gateway's memory is enough.
func (w *world) awaitMemory(enough func(left int64) bool) {
	w.t.Helper()
	for !enough(w.gateway.memory.Left()) {
		runtime.Gosched()
		must(w.t, w.t.Context().Err())
	}
}

// chatOf is a request of about so many bytes.
func chatOf(bytes int) string {
	return `{"model":"gpt-4o-mini","max_tokens":16,"messages":[{"role":"user","content":"` + strings.Repeat("word ", bytes/5) + `"}]}`
}

// TestNothingBlowsUp: what is packed beyond what any text is packs is refused
// early, whether a client or a provider sends it.
func TestNothingBlowsUp(t *testing.T) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	must(t, err)
	_, err = io.WriteString(z, chatOf(60<<20))
	must(t, errors.Join(err, z.Close()))
	w := newWorld(t, setup{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			status, h, _, err := w.post("/v1/chat/completions", packed.String(), "Content-Encoding", "gzip")
			if err != nil || status != 413 || h.Get("X-Aex-Code") != "request_too_large" {
				t.Errorf("%d %q %v", status, h, err)
			}
		})
	}
	all.Wait()
	w.awaitMemory(func(left int64) bool { return left == memory.Default }) // the last is given back after the answer
}

// TestNothingPassesUnjudged: where an agent's policy judges answers, one that
// cannot be held to be judged does not reach the client, and is booked.
func TestNothingPassesUnjudged(t *testing.T) {
	caps := policy.Open()
	caps.DeniedTools = []string{"shell"}
	for name, c := range map[string]struct {
		stream string
		huge   int
		memory int64
	}{
		"a whole answer beyond the memory": {"false", 6 << 20, 4 << 20},
		"an event beyond the bound":        {"true", 9 << 20, 0},
		"an event beyond the memory":       {"true", 6 << 20, 4 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{caps: &caps, change: func(o *Options) { o.Memory = c.memory }, provider: fakeprovider.Options{
				Behaviour: fakeprovider.Behaviour{HugeEvent: c.huge, OutputTokens: 20}}})
			status, h, answer, err := w.post("/v1/chat/completions",
				`{"model":"gpt-4o-mini","max_tokens":50,"stream":`+c.stream+`,"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"look"}}]}`)
			switch {
			case c.stream == "false" && (status != 502 || h.Get("X-Aex-Code") != "answer_too_large"):
				t.Errorf("%d %q %.200s", status, h, answer)
			case c.stream == "true" && (err == nil || len(answer) > 1<<20):
				t.Errorf("%d, %d bytes, %v", status, len(answer), err)
			}
			run := w.booked(1)
			if bill := w.billed(parsePrices(t, wirePrices)); run.Account.Spent < bill {
				t.Errorf("booked %s of %s", run.Account.Spent, bill)
			}
		})
	}
}
