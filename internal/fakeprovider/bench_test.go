package fakeprovider

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkServe is what an answer costs the provider itself, so that a
// benchmark of a gateway can tell the two apart.
func BenchmarkServe(b *testing.B) {
	prompt := strings.Repeat("all work and no play ", 100)
	for name, stream := range map[string]bool{"whole": false, "stream": true} {
		b.Run(name, func(b *testing.B) {
			p := New(Options{Lean: true, Behaviour: Behaviour{OutputTokens: 300}})
			body := chatDialect.body(prompt, stream, 0, false)
			b.ReportAllocs()
			for b.Loop() {
				w := &discard{header: http.Header{}}
				p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
			}
		})
	}
}

// discard is an answer that nobody reads.
type discard struct {
	io.Writer
	header http.Header
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) Flush()                      {}
