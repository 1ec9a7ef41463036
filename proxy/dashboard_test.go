package proxy

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const operatorToken = "operator-token-0123456789abcdef0123456789abcdef"

// desk is the operator's side of a world, with a browser that has a session.
type desk struct {
	*world
	dashboard *Dashboard
	url       string
	browser   *http.Client
}

func newDesk(t *testing.T, w *world, change func(*DashboardOptions)) *desk {
	t.Helper()
	o := DashboardOptions{Ledger: w.ledger, Token: operatorToken, Live: w.gateway.Live, Version: "test", Logf: t.Logf}
	if change != nil {
		change(&o)
	}
	d, err := NewDashboard(o)
	must(t, err)
	front := httptest.NewServer(d)
	t.Cleanup(func() { d.Close(); front.Close() })
	jar, err := cookiejar.New(nil)
	must(t, err)
	k := &desk{world: w, dashboard: d, url: front.URL, browser: &http.Client{Jar: jar}}
	status, _, _ := k.get(d.Link())
	if status != http.StatusOK {
		t.Fatalf("the link answered %d", status)
	}
	return k
}

func (k *desk) get(path string, header ...string) (int, http.Header, string) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), http.MethodGet, k.url+path, nil)
	must(k.t, err)
	return k.do(req, header)
}

func (k *desk) post(path string, form url.Values, header ...string) (int, http.Header, string) {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), http.MethodPost, k.url+path, strings.NewReader(form.Encode()))
	must(k.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return k.do(req, header)
}

func (k *desk) do(req *http.Request, header []string) (int, http.Header, string) {
	k.t.Helper()
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := k.browser.Do(req)
	must(k.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(k.t, err)
	return resp.StatusCode, resp.Header, string(body)
}

func TestDashboardPagesShow(t *testing.T) {
	w := newWorld(t, setup{agent: "10"})
	status, _, body, err := w.post("/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
	must(t, err)
	if status != 200 {
		t.Fatal(body)
	}
	w.booked(1)
	k := newDesk(t, w, nil)
	for _, path := range []string{"", "/agent?agent=atlas", "/run?run=" + string(w.run), "/runs", "/events", "/audit", "?range=all&by=model", "?range=30d&by=run&per=hour", "/act?do=stop-run&run=" + string(w.run), "/act?do=topup-agent&agent=atlas"} {
		status, _, page := k.get("/dashboard" + path)
		if status != 200 || !strings.Contains(page, "</html>") {
			t.Errorf("%q: %d\n%s", path, status, page)
		}
	}
	status, h, svg := k.get("/dashboard/chart.svg?by=model&theme=dark")
	if status != 200 || h.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(svg, "<svg") {
		t.Errorf("chart: %d %s\n%.300s", status, h, svg)
	}
}
