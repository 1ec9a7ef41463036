package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
)

// dial is a connection to the gateway's own server, which Shutdown closes.
func (w *world) dial() net.Conn {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	served := make(chan error, 1)
	go func() { served <- w.gateway.Serve(l) }()
	w.t.Cleanup(func() {
		if err := w.gateway.Shutdown(ended()); err != nil {
			w.t.Error(err)
		}
		if err := <-served; err != nil {
			w.t.Error(err)
		}
	})
	c, err := net.Dial("tcp", l.Addr().String())
	must(w.t, err)
	w.t.Cleanup(func() { _ = c.Close() }) // before the others: nothing waits for it if Shutdown does
	return c
}

// ended is a context whose time is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (w *world) head(length int, more string) string {
	return fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n", w.token, length, more)
}

// A client that sends half a request, or reads half an answer, and then
// nothing, does not keep a gateway that closes from closing.
func TestShutdownWaitsForNoClient(t *testing.T) {
	closes := func(t *testing.T, w *world) {
		t.Helper()
		closed := make(chan error, 1)
		go func() { closed <- w.gateway.Shutdown(ended()) }()
		select {
		case err := <-closed:
			must(t, err)
		case <-time.After(30 * time.Second):
			t.Fatal("the gateway waits for its client")
		}
	}
	t.Run("half a body", func(t *testing.T) {
		w := newWorld(t, setup{})
		c := w.dial()
		_, err := io.WriteString(c, w.head(1000, "Expect: 100-continue\r\n"))
		must(t, err)
		line, err := bufio.NewReader(c).ReadString('\n') // the gateway reads
		must(t, err)
		if !strings.Contains(line, " 100 ") {
			t.Fatalf("answered %q", line)
		}
		_, err = io.WriteString(c, "{")
		must(t, err)
		closes(t, w)
	})
	t.Run("half an answer", func(t *testing.T) {
		w := newWorld(t, setup{provider: fakeprovider.Options{Behaviour: fakeprovider.Behaviour{OutputTokens: 4, HugeEvent: 48 << 20}}})
		c := w.dial()
		body := `{"model":"gpt-4o","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`
		_, err := io.WriteString(c, w.head(len(body), "")+body)
		must(t, err)
		_, err = c.Read(make([]byte, 1)) // the rest does not fit into the connection
		must(t, err)
		closes(t, w)
		if run := w.booked(1); run.Account.Spent == 0 || run.Account.Reserved != 0 {
			t.Errorf("spent %s, reserved %s", run.Account.Spent, run.Account.Reserved)
		}
	})
}

// What a call leaves in the ledger when it dies without a word is booked by the
// gateway itself; a call on its way is not touched.
func TestHoldsThatNoCallOwnsAreSwept(t *testing.T) {
	swept := make(chan string, 10)
	w := newWorld(t, setup{
		provider: fakeprovider.Options{Behaviour: fakeprovider.Behaviour{Fault: fakeprovider.FaultHangHeaders}},
		change: func(o *Options) {
			o.sweepEvery = 300 * time.Millisecond
			o.Logf = func(format string, args ...any) { swept <- fmt.Sprintf(format, args...) }
		},
	})
	answered := make(chan int, 1)
	go func() {
		status, _, _, _ := w.post("/v1/chat/completions", `{"model":"gpt-4o","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
		answered <- status
	}()
	must(t, w.provider.Hung(t.Context(), 1))
	hold, refused, err := w.ledger.Admit(t.Context(), ledger.Admission{Token: ledger.HashToken(w.token), Least: 1000, Most: 1000})
	must(t, err)
	if refused != nil {
		t.Fatal(refused)
	}
	select {
	case line := <-swept:
		if !strings.Contains(line, string(hold.ID)) {
			t.Errorf("said %q of hold %s", line, hold.ID)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was swept")
	}
	w.provider.Release()
	if status := <-answered; status != 200 {
		t.Errorf("the call on its way was answered %d", status)
	}
	run := w.booked(1)
	if want := 1000 + w.billed(parsePrices(t, wirePrices)); run.Account.Spent != want || run.Account.Reserved != 0 {
		t.Errorf("spent %s of %s, reserved %s", run.Account.Spent, want, run.Account.Reserved)
	}
}

// What a call took is free again when its client has hung up and it is booked.
func TestHungUpCallsLeaveNothing(t *testing.T) {
	w := newWorld(t, setup{change: func(o *Options) { o.Linger = time.Hour }})
	body := `{"model":"gpt-4o-mini","stream":true,"max_tokens":20,"messages":[{"role":"user","content":"` + strings.Repeat("x", 100_000) + `"}]}`
	calls := 0
	hangUp := func(n int) {
		for range n {
			calls++
			ctx, cancel := context.WithCancel(t.Context())
			w.provider.Set(fakeprovider.Behaviour{Fault: fakeprovider.FaultHang, After: 4})
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _, _, _ = w.postWithin(ctx, "/v1/chat/completions", body)
			}()
			must(t, w.provider.Hung(t.Context(), 1))
			cancel()
			<-done
			w.provider.Release()
			w.booked(1)
			must(t, w.provider.Wait(t.Context(), calls))
		}
	}
	inUse := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	hangUp(10)
	before := inUse()
	hangUp(150)
	bill := uint64(150 * len(body)) // the provider keeps each request
	if after := inUse(); after > before+bill+8<<20 {
		t.Errorf("150 calls of 100 kB that were hung up leave %d kB", (after-before-bill)>>10)
	}
}
