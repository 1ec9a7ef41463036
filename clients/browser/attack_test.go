package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// rebound is a name that the attacker's own server has, and that leads to the
// gateway once the page is there.
const rebound = "rebound.example"

// attack is what the page tries against TARGET with the token that it has
// somehow learnt, and with the operator's cookie where the browser sends it.
// Each attempt reports what it could read; "" is nothing.
const attack = `(async (target, token) => {
	const read = {};
	const attempt = async (name, f) => {
		try { read[name] = String(await f() ?? ""); } catch { read[name] = ""; }
	};
	const chat = JSON.stringify({model: "gpt-4o-mini", messages: [{role: "user", content: "from a page"}]});
	const opaque = async (path, o) => { const r = await fetch(target + path, {mode: "no-cors", credentials: "include", ...o}); return r.status < 400 ? r.text() : ""; };
	const open = async (path, o) => { const r = await fetch(target + path, o); return r.status < 400 ? r.status + " " + await r.text() : ""; };
	const pages = ["/v1/models", "/v1/aex/budget", "/dashboard", "/dashboard/runs", "/dashboard/live", "/metrics", "/health", "/"];
	for (const path of pages) {
		await attempt("cors GET " + path, () => open(path, {credentials: "include"}));
		await attempt("cors GET with the token " + path, () => open(path, {headers: {authorization: "Bearer " + token}}));
		await attempt("no-cors GET " + path, () => opaque(path));
	}
	for (const type of ["application/json", "text/plain"]) {
		await attempt("cors POST as " + type, () => open("/v1/chat/completions", {method: "POST", headers: {authorization: "Bearer " + token, "content-type": type}, body: chat}));
		await attempt("simple POST as " + type, () => open("/v1/chat/completions?key=" + token, {method: "POST", headers: {"content-type": "text/plain"}, body: chat}));
	}
	for (const path of ["/v1/chat/completions?key=" + token, "/v1beta/models/gemini-2.5-flash:generateContent?key=" + token, "/v1/aex/runs?key=" + token, "/dashboard/act?do=pause-agent&agent=atlas"])
		await attempt("no-cors POST " + path, () => opaque(path, {method: "POST", body: chat}));
	await attempt("beacon", () => { navigator.sendBeacon(target + "/v1/chat/completions?key=" + token, chat); });
	await attempt("XMLHttpRequest", () => new Promise((done) => {
		const x = new XMLHttpRequest();
		x.open("GET", target + "/v1/models?key=" + token); x.withCredentials = true;
		x.onload = () => done(x.status < 400 ? x.responseText : ""); x.onerror = () => done(""); x.send();
	}));
	for (const path of ["/v1/responses?key=" + token, "/dashboard/live"])
		await attempt("WebSocket " + path, () => new Promise((done) => {
			const s = new WebSocket(target.replace("http", "ws") + path);
			s.onopen = () => { s.send(chat); done("open"); }; s.onmessage = (m) => done(m.data); s.onerror = () => done("");
		}));
	for (const path of ["/dashboard/live", "/dashboard/events", "/v1/aex/budget?key=" + token])
		await attempt("EventSource " + path, () => new Promise((done) => {
			const s = new EventSource(target + path, {withCredentials: true});
			s.onopen = () => done("open"); s.onmessage = (m) => done(m.data); s.onerror = () => { s.close(); done(""); };
		}));
	await attempt("script", () => new Promise((done) => {
		const s = document.createElement("script");
		s.src = target + "/v1/models?key=" + token; s.onload = () => done("ran"); s.onerror = () => done(""); document.head.append(s);
	}));
	await attempt("image", () => new Promise((done) => {
		const i = new Image();
		i.src = target + "/dashboard/chart.svg"; i.onload = () => done("shown"); i.onerror = () => done("");
	}));
	await attempt("frame", () => new Promise((done) => {
		const f = document.createElement("iframe");
		f.src = target + "/dashboard";
		f.onload = () => { let text = ""; try { text = f.contentDocument.body.innerText; } catch {} done(/Sign in|atlas|spent/i.test(text) ? text : ""); };
		document.body.append(f);
	}));
	const form = (action, fields, enctype) => new Promise((done) => {
		const frame = document.createElement("iframe"), f = document.createElement("form");
		frame.name = "f" + Math.random(); document.body.append(frame);
		Object.assign(f, {method: "post", action: target + action, target: frame.name, enctype: enctype || "application/x-www-form-urlencoded"});
		for (const [name, value] of Object.entries(fields)) { const i = document.createElement("input"); i.name = name; i.value = value; f.append(i); }
		document.body.append(f);
		frame.onload = () => { let text = ""; try { if (frame.contentWindow.location.href !== "about:blank") text = frame.contentDocument.body.innerText; } catch {} done(/topped|paused|choices|atlas/i.test(text) ? text : ""); };
		f.submit();
	});
	await attempt("form pauses", () => form("/dashboard/act", {do: "pause-agent", agent: "atlas"}));
	await attempt("form tops up", () => form("/dashboard/act", {do: "topup-agent", agent: "atlas", amount: "100"}));
	await attempt("form rotates", () => form("/dashboard/act?do=rotate-token&agent=atlas", {do: "rotate-token", agent: "atlas"}));
	await attempt("form signs out", () => form("/dashboard/logout", {}));
	await attempt("form calls", () => form("/v1/chat/completions?key=" + token, {'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"': '"}]}'}, "text/plain"));
	return JSON.stringify(read);
})`

// TestPagesCannotReach runs an enemy's page in the browser in which the operator
// is signed in, from another origin and by DNS rebinding: it reads nothing, and
// nothing changes.
func TestPagesCannotReach(t *testing.T) {
	w := newWorld(t, usual)
	gateway, err := url.Parse(w.url)
	must(t, err)
	page := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(rw, "<!doctype html><title>enemy</title><body>enemy")
	}))
	defer page.Close()
	b := &tab{T: t, ctx: reboundBrowser(t), host: gateway.Host, hosts: map[string]bool{}}

	// The operator is signed in.
	b.open(w, strings.TrimPrefix(w.link(), w.url))
	b.until("the overview", `location.pathname === "/dashboard" && `+settled)
	before := w.standing()

	pageURL, err := url.Parse(page.URL)
	must(t, err)
	_, pagePort, err := net.SplitHostPort(pageURL.Host)
	must(t, err)
	for _, from := range []struct{ name, page, target string }{
		{"another origin", "http://enemy.example:" + pagePort, w.url},
		{"another port of the same host", page.URL, w.url},
		{"another origin, by a name", "http://enemy.example:" + pagePort, "http://" + rebound + ":" + gateway.Port()},
		// After rebinding, the page's own origin is the gateway's address.
		{"rebinding", "http://" + rebound + ":" + gateway.Port(), "http://" + rebound + ":" + gateway.Port()},
	} {
		b.do(chromedp.Navigate(from.page))
		var text string
		b.do(chromedp.Evaluate(fmt.Sprintf("%s(%q, %q)", attack, from.target, w.token), &text,
			func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		var read map[string]string
		must(t, json.Unmarshal([]byte(text), &read))
		if len(read) < 40 {
			t.Errorf("%s: only %d attempts were made", from.name, len(read))
		}
		for attempt, got := range read {
			if got != "" {
				t.Errorf("%s: %s read %.200q", from.name, attempt, got)
			}
		}
		if after := w.standing(); after != before {
			t.Errorf("%s: something changed:\n%s\nwas\n%s", from.name, after, before)
		}
	}

	// The same browser and the same address work for who may: the attempts were
	// refused, not broken.
	b.open(w, "/dashboard")
	b.until("the operator's overview", `document.querySelector("h1").textContent !== "Sign in" && document.body.innerText.includes("atlas")`)
	<-w.call()
	if after := w.standing(); after == before {
		t.Error("a call of the agent's own changed nothing: the comparison cannot fail")
	}
}

// reboundBrowser is a browser for which the enemy's names lead to this machine.
func reboundBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", "MAP "+rebound+" 127.0.0.1, MAP enemy.example 127.0.0.1"))
	if path := os.Getenv("CHROMIUM"); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	ctx, late := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(late)
	return ctx
}

// standing is all that an attack could change: agents with their money, tokens
// and state, runs, and the provider's bill.
func (w *world) standing() string {
	w.t.Helper()
	resp, err := http.Get(w.provider + "/_fake/bill")
	must(w.t, err)
	defer resp.Body.Close()
	var bill struct {
		Entries []json.RawMessage `json:"entries"`
	}
	must(w.t, json.NewDecoder(resp.Body).Decode(&bill))
	return fmt.Sprintf("%d calls\n%s\n%s", len(bill.Entries), w.run("agent", "inspect", "atlas", "--json"), w.run("runs", "--json", "--limit", "3"))
}
