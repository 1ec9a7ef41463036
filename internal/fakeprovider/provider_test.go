package fakeprovider

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// start serves a provider for one test.
func start(t *testing.T, o Options) (*Provider, string) {
	t.Helper()
	p := New(o)
	srv := httptest.NewServer(p)
	t.Cleanup(func() { p.Release(); srv.CloseClientConnections(); srv.Close() })
	return p, srv.URL
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// post sends a request and reads its whole answer; err is what broke the body.
func post(t *testing.T, url, body string, header ...string) (status int, got string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}
