//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

const answerCanary = "canary-of-an-answer-7d1f"

// chatter answers each request in full, and goes on talking on the connection.
func chatter(t *testing.T) (url string) {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				defer r.Body.Close()
				body := `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}`
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%sHTTP/9.9 %s", len(body), body, answerCanary)
				_, _ = conn.Read(make([]byte, 1)) // until aex has closed it
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// What Go's transport has to say of a provider's connection begins with bytes
// of the answer. Nothing of it reaches the terminal: only aex's own lines do.
func TestAnswerBytesStayOffTheTerminal(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	s.url = chatter(t)
	for range 5 { // the transport notices what is left over when it looks again
		r := s.do(append([]string{"run", "--agent", "x", "--budget", "1", "--price", price, "--"}, bot("once", filepath.Join(t.TempDir(), "pid"))...)...)
		if r.code != 0 || !strings.Contains(r.stderr, "1 call") {
			t.Fatalf("exit %d\n%s", r.code, r.stderr)
		}
		if strings.Contains(r.stderr+r.stdout, answerCanary) || strings.Contains(r.stderr, "Unsolicited") {
			t.Fatalf("bytes of an answer are on the terminal:\n%s", r.stderr)
		}
	}
}
