package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/proxy/memory"
)

// connect is a connection to the gateway of which a test says every byte.
func (w *world) connect() *net.TCPConn {
	w.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(w.t, err)
	w.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// headOf is that of a chat completion of so many bytes.
func (w *world) headOf(length int) string {
	return fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		strings.TrimPrefix(w.url, "http://"), w.token, length)
}

// TestSlowUploads: a body that holds memory that others could have, and does not
// come on, gives it back.
func TestSlowUploads(t *testing.T) {
	w := newWorld(t, setup{change: func(o *Options) { o.Memory, o.grace = 4<<20, 50*time.Millisecond }})
	c := w.connect()
	_, err := io.WriteString(c, w.headOf(3<<19)+`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"`)
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	if resp.StatusCode != 408 || resp.Header.Get("X-Aex-Code") != "request_too_slow" || resp.Header.Get("X-Should-Retry") != "" {
		t.Errorf("%d %q", resp.StatusCode, resp.Header)
	}
	resp.Body.Close()
	w.awaitMemory(func(left int64) bool { return left == 4<<20 })
	if status, _, answer, err := w.post("/v1/chat/completions", chatOf(3<<19)); err != nil || status != 200 {
		t.Errorf("after it: %d %.200s %v", status, answer, err)
	}
}

// TestOnlyUploadsAreHurried: neither a body that holds none of the memory that is
// shared, nor the answer to one that does.
func TestOnlyUploadsAreHurried(t *testing.T) {
	const grace = 50 * time.Millisecond
	for name, c := range map[string]struct {
		body          string
		upload, think time.Duration
	}{
		"a small body":               {hello, 4 * grace, 0},
		"the answer to a larger one": {chatOf(33 << 10), 0, 1500 * time.Millisecond}, // such a body has a second
	} {
		w := newWorld(t, setup{change: func(o *Options) { o.grace = grace }, provider: fakeprovider.Options{Behaviour: fakeprovider.Behaviour{DelayHeaders: c.think}}})
		w.converse(w.connect(), c.body, c.upload)
		if run := w.booked(1); run.Account.Spent == 0 || w.calls()[0].Gone {
			t.Errorf("%s: booked %s", name, run.Account.Spent)
		}
	}
}

// converse sends a body in two halves, and reads the whole answer.
func (w *world) converse(c net.Conn, body string, between time.Duration) {
	w.t.Helper()
	_, err := io.WriteString(c, w.headOf(len(body))+body[:len(body)/2])
	must(w.t, err)
	<-time.After(between) // it is the time that is tested
	_, err = io.WriteString(c, body[len(body)/2:])
	must(w.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(w.t, err)
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		w.t.Errorf("a body of %d bytes: %d %.200s %v", len(body), resp.StatusCode, answer, err)
	}
}

// TestASlowEndIsAnEnd: an answer whose end comes long after its last bytes ends
// well, though its client had a while for those.
func TestASlowEndIsAnEnd(t *testing.T) {
	const within = 50 * time.Millisecond
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, chatEvents(chatTokens))
		_ = http.NewResponseController(w).Flush()
		<-time.After(4 * within) // it is the time that is tested
	}))
	t.Cleanup(there.Close)
	models := fmt.Sprintf("version: 1\nproviders:\n  there: {base_url: %q, type: openai_compatible, key_env: OPENAI_API_KEY}\nmodels:\n  gpt-4o-mini: {provider: there}\n", there.URL)
	w := newWorld(t, setup{models: models, change: func(o *Options) { o.readWithin = within }})
	w.converse(w.connect(), strings.Replace(chatOf(100<<10), `"max_tokens"`, `"stream":true,"max_tokens"`, 1), 0)
	w.booked(1)
}

// TestClientsThatDoNotRead: who holds memory that others could have, and reads
// nothing of the answer, has left.
func TestClientsThatDoNotRead(t *testing.T) {
	w := newWorld(t, setup{change: func(o *Options) { o.readWithin = 50 * time.Millisecond }, provider: fakeprovider.Options{
		Behaviour: fakeprovider.Behaviour{HugeEvent: 32 << 20, OutputTokens: 20}}})
	c := w.connect()
	body := strings.Replace(chatOf(200<<10), `"max_tokens"`, `"stream":true,"max_tokens"`, 1)
	_, err := io.WriteString(c, w.headOf(len(body))+body)
	must(t, err)
	run := w.booked(1)
	if bill := w.billed(parsePrices(t, wirePrices)); run.Account.Spent < bill || run.Account.Reserved != 0 {
		t.Errorf("booked %s of %s, %s held", run.Account.Spent, bill, run.Account.Reserved)
	}
	w.awaitMemory(func(left int64) bool { return left == memory.Default })
}
