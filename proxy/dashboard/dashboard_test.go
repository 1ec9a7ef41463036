package dashboard

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
)

const operatorToken = "operator-token-0123456789abcdef0123456789abcdef"

// desk is the operator's side of a world, with a browser that has a session.
type desk struct {
	*world
	dashboard *Dashboard
	url       string
	browser   *http.Client
}

func newDesk(t *testing.T, w *world, change func(*Options)) *desk {
	t.Helper()
	o := Options{Ledger: w.ledger, Token: operatorToken, Live: w.gateway.Live, Version: "test", Logf: t.Logf}
	if change != nil {
		change(&o)
	}
	d, err := New(o)
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
	status, body, err := w.postWithin(t.Context(), "/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
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

func TestDashboardLetsOnlyTheOperatorIn(t *testing.T) {
	w := newWorld(t, setup{agent: "10"})
	k := newDesk(t, w, nil)
	stranger := *k
	stranger.browser = &http.Client{}
	for _, path := range []string{"", "/agent?agent=atlas", "/run?run=" + string(w.run), "/runs", "/events", "/audit", "/chart.svg", "/stream", "/act?do=stop-run&run=" + string(w.run)} {
		status, _, body := stranger.get("/dashboard" + path)
		if status != http.StatusUnauthorized || strings.Contains(body, "atlas") {
			t.Errorf("a stranger gets %d for %q", status, path)
		}
	}
	if _, _, body := stranger.get("/dashboard"); !strings.Contains(body, "aex dashboard") {
		t.Errorf("the page does not say how to get in: %s", body)
	}
	for name, header := range map[string][]string{
		"an agent's token": {"Authorization", "Bearer " + w.token}, "no token": {"Authorization", "Bearer "}, "half a token": {"Authorization", "Bearer " + operatorToken[:20]},
		"a made-up session": {"Cookie", sessionCookie + "=AAAAAAAAAAAAAAAAAAAAAAAAAA"}, "another host": {"Authorization", "Bearer " + operatorToken, "Host", "evil.example"},
	} {
		if status, _, _ := stranger.get("/dashboard", header...); status != http.StatusUnauthorized && status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _, _ := stranger.get("/dashboard", "Authorization", "Bearer "+operatorToken); status != http.StatusOK {
		t.Errorf("the operator's token: %d", status)
	}
	link := k.dashboard.Link()
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		if status, _, _ := stranger.get(link); status != want {
			t.Errorf("use %d of a link: %d", i+1, status)
		}
	}
	if status, _, _ := k.post("/dashboard/link", nil); status != http.StatusUnauthorized {
		t.Errorf("a session gets a link: %d", status)
	}
	status, _, body := stranger.post("/dashboard/link", nil, "Authorization", "Bearer "+operatorToken)
	if status != http.StatusOK || !strings.Contains(body, "/dashboard/login?code=") {
		t.Errorf("the token gets no link: %d %s", status, body)
	}
}

// The clock ends links and sessions.
func TestDashboardSessionsEnd(t *testing.T) {
	w := newWorld(t, setup{agent: "10"})
	var late atomic.Int64
	k := newDesk(t, w, func(o *Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	})
	link := k.dashboard.Link()
	late.Store(int64(linkLife + time.Second))
	if status, _, _ := k.get(link); status != http.StatusUnauthorized {
		t.Errorf("an old link: %d", status)
	}
	if status, _, _ := k.get("/dashboard"); status != http.StatusOK {
		t.Errorf("a young session: %d", status)
	}
	late.Store(int64(sessionLife + time.Minute))
	if status, _, _ := k.get("/dashboard"); status != http.StatusUnauthorized {
		t.Errorf("an old session: %d", status)
	}
}

var csrfField = regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`)

// csrf is what our own form would send.
func (k *desk) csrf() string {
	k.t.Helper()
	_, _, page := k.get("/dashboard/act?do=pause-agent&agent=atlas")
	m := csrfField.FindStringSubmatch(page)
	if m == nil {
		k.t.Fatalf("no form: %s", page)
	}
	return m[1]
}

func TestDashboardActsOnlyForItsOwnPages(t *testing.T) {
	w := newWorld(t, setup{agent: "10"})
	k := newDesk(t, w, nil)
	token := k.csrf()
	pause := func(csrf string, header ...string) int {
		status, _, _ := k.post("/dashboard/act", url.Values{"do": {"pause-agent"}, "agent": {"atlas"}, "csrf": {csrf}}, header...)
		return status
	}
	for name, status := range map[string]int{
		"no token": pause(""), "another token": pause(strings.Repeat("0", 64)),
		"another origin": pause(token, "Origin", "http://evil.example"), "no origin of its own": pause(token, "Origin", "null"),
		"another site": pause(token, "Sec-Fetch-Site", "cross-site"), "another port": pause(token, "Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site"),
		"a bearer with an origin": pause(token, "Origin", "http://evil.example", "Authorization", "Bearer "+operatorToken),
	} {
		if status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _, _ := k.get("/dashboard/act?do=pause-agent&agent=atlas&csrf=" + token); status != http.StatusOK {
		t.Errorf("the confirmation: %d", status)
	}
	if a, err := w.ledger.Agent(t.Context(), "atlas"); err != nil || a.Paused {
		t.Fatalf("something of these paused the agent: %v %v", a.Paused, err)
	}
	if status := pause(token, "Origin", k.url); status != http.StatusOK {
		t.Errorf("our own page: %d", status)
	}
	if a, err := w.ledger.Agent(t.Context(), "atlas"); err != nil || !a.Paused {
		t.Errorf("the agent is not paused: %v", err)
	}
	events, err := w.ledger.Events(t.Context(), ledger.EventFilter{Action: "agent.set"})
	must(t, err)
	if len(events.Events) == 0 {
		t.Error("no event tells of it")
	}
	reader := newDesk(t, w, func(o *Options) { o.ReadOnly = true })
	if status, _, _ := reader.get("/dashboard/act?do=pause-agent&agent=atlas"); status != http.StatusForbidden {
		t.Errorf("a page that only shows has actions: %d", status)
	}
}

func TestDashboardActions(t *testing.T) {
	w := newWorld(t, setup{agent: "10", budget: "1"})
	k := newDesk(t, w, nil)
	token := k.csrf()
	do := func(do, agent, run, amount string) (int, string) {
		status, _, page := k.post("/dashboard/act", url.Values{"do": {do}, "agent": {agent}, "run": {run}, "amount": {amount}, "csrf": {token}})
		return status, page
	}
	must(t, w.ledger.SetRunState(t.Context(), w.run, ledger.RunExhausted))
	if _, _, page := k.get("/dashboard/run?run=" + string(w.run)); !strings.Contains(page, "out of money") {
		t.Error("the run does not ask")
	}
	if status, page := do("topup-run", "", string(w.run), "0.25"); status != 200 || !strings.Contains(page, "budget of $1.25 and is open") {
		t.Errorf("top up: %d %s", status, page)
	}
	for _, wrong := range []string{"", "0", "-1", "1e3", "0.0000001", "99999999999999"} {
		if status, _ := do("topup-agent", "atlas", "", wrong); status != http.StatusBadRequest {
			t.Errorf("top up by %q: %d", wrong, status)
		}
	}
	if status, page := do("topup-agent", "atlas", "", "2.50"); status != 200 || !strings.Contains(page, "$12.50") {
		t.Errorf("top up: %d %s", status, page)
	}
	status, page := do("rotate-token", "atlas", "", "")
	found := regexp.MustCompile(`value="([0-9a-f]{32})" readonly`).FindStringSubmatch(page)
	if status != 200 || found == nil {
		t.Fatalf("rotate: %d %s", status, page)
	}
	if id, err := w.ledger.Authenticate(t.Context(), ledger.HashToken(found[1])); err != nil || id.Agent != "atlas" {
		t.Errorf("the new token: %v %v", id, err)
	}
	if status, _ := do("stop-run", "", string(w.run), ""); status != 200 {
		t.Errorf("stop: %d", status)
	}
	if r, err := w.ledger.Run(t.Context(), string(w.run)); err != nil || r.State != ledger.RunEnding {
		t.Errorf("the run is %s: %v", r.State, err)
	}
	for _, unknown := range [][3]string{{"stop-run", "", "ffff"}, {"pause-agent", "nobody", ""}, {"explode", "atlas", ""}} {
		if status, _ := do(unknown[0], unknown[1], unknown[2], ""); status != http.StatusNotFound {
			t.Errorf("%v: %d", unknown, status)
		}
	}
}

// A page gets a call as it streams, and is told when the ledger has changed.
func TestDashboardStreamsCalls(t *testing.T) {
	w := newWorld(t, setup{agent: "10", behaviour: fakeprovider.Behaviour{Fault: fakeprovider.FaultHang, After: 8}})
	k := newDesk(t, w, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url+"/dashboard/stream", nil)
	must(t, err)
	resp, err := k.browser.Do(req)
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	until := func(mark string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), mark) {
				return
			}
		}
		t.Fatalf("the stream ended without %q: %v", mark, lines.Err())
	}
	until("No call is on its way")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _, _ = w.postWithin(ctx, "/v1/chat/completions", `{"model":"gpt-4o-mini","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"hi"}]}`)
	}()
	until(">gpt-4o-mini<")
	w.provider.Release()
	<-ended
	until("No call is on its way")
	until("event: change")
	k.dashboard.Close()
	for lines.Scan() { //nolint:revive // ends when the dashboard has ended it
	}
}
