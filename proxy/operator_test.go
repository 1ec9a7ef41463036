package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestTheOperatorsTokenIsAHeader: an address ends up in logs and histories, so
// that a token in it opens nothing.
func TestTheOperatorsTokenIsAHeader(t *testing.T) {
	w := newWorld(t, setup{})
	const token = "operators-token"
	stopped := 0
	w.gateway.Front(AdminOptions{Token: token, Stop: func() { stopped++ }})
	front := httptest.NewServer(w.gateway.server.Handler)
	t.Cleanup(front.Close)
	for _, c := range []struct {
		method, path, header, value string
		status                      int
	}{
		{http.MethodPost, "/admin/stop?key=" + token, "", "", 401},
		{http.MethodPost, "/admin/stop?token=" + token, "", "", 401},
		{http.MethodGet, "/metrics?key=" + token, "", "", 401},
		{http.MethodPost, "/admin/stop", "Authorization", "Bearer " + token + "x", 401},
		{http.MethodPost, "/admin/stop", "Authorization", "Bearer " + w.token, 401},
		{http.MethodPost, "/admin/stop", "Authorization", "Bearer " + token, 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, front.URL+c.path, nil)
		must(t, err)
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		resp, err := client.Do(req)
		must(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s %s %s: %d", c.method, c.path, c.value, resp.StatusCode)
		}
	}
	if stopped != 1 {
		t.Errorf("stopped %d times", stopped)
	}
}
