// Package browser drives the dashboard with a real Chromium.
package browser

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is one page of a browser, with all that it complained of and asked for.
type tab struct {
	*testing.T
	ctx  context.Context
	host string

	mu     sync.Mutex
	faults []string
	hosts  map[string]bool
}

func newTab(t *testing.T, w *world) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	if path := os.Getenv("CHROMIUM"); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	ctx, late := context.WithTimeout(ctx, 25*time.Minute)
	t.Cleanup(late)
	u, err := url.Parse(w.url)
	must(t, err)
	b := &tab{T: t, ctx: ctx, host: u.Host, hosts: map[string]bool{}}
	chromedp.ListenTarget(ctx, b.hear)
	b.do(network.Enable(), log.Enable(), runtime.Enable(), page.Enable())
	return b
}

// hear notes complaints, dialogs and requests to other hosts.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.faults = append(b.faults, "console: "+string(e.Type))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			b.faults = append(b.faults, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *page.EventJavascriptDialogOpening:
		b.faults = append(b.faults, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host != b.host && u.Scheme != "data" {
			b.hosts[e.Request.URL] = true
		}
	}
}

func (b *tab) do(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		var text string
		_ = chromedp.Run(b.ctx, chromedp.Evaluate(`document.location.href + "\n" + document.body.innerText.slice(0, 1500)`, &text))
		b.Fatalf("%v\n%s", err, text)
	}
}

// expect fails when the browser has complained, or gone elsewhere.
func (b *tab) expect(where string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.Errorf("%s: %s", where, f)
	}
	for u := range b.hosts {
		b.Errorf("%s: a request to another host: %s", where, u)
	}
	b.faults, b.hosts = nil, map[string]bool{}
}

// until waits for an expression to be true, across pages.
func (b *tab) until(what, expression string) {
	b.Helper()
	var is bool
	b.ask(what, `!!(`+expression+`)`, &is, func() bool { return is })
}

// ask evaluates an expression until its value is what is waited for.
func (b *tab) ask(what, expression string, value any, is func() bool) {
	b.Helper()
	within, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	look := time.NewTicker(40 * time.Millisecond)
	defer look.Stop()
	for {
		// A page that is just being replaced cannot be asked.
		if err := chromedp.Run(within, chromedp.Evaluate(expression, value)); err == nil && is() {
			return
		}
		select {
		case <-look.C:
		case <-within.Done():
			var text string
			_ = chromedp.Run(b.ctx, chromedp.Evaluate(`document.location.href + "\n" + document.body.innerText.slice(0, 1500)`, &text))
			b.Fatalf("%s did not come: %s\n%s", what, expression, text)
		}
	}
}

func (b *tab) text(selector string) (s string) {
	b.Helper()
	b.ask(selector, `document.querySelector(`+quoted(selector)+`).innerText`, &s, func() bool { return true })
	return s
}

// appearance sets the size of the window and the colour scheme.
func (b *tab) appearance(width int64, dark bool) {
	b.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(emulation.SetDeviceMetricsOverride(width, 900, 1, width < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

func (b *tab) shoot(name string) {
	b.Helper()
	var picture []byte
	b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		_, _, _, _, _, whole, err := page.GetLayoutMetrics().Do(ctx)
		if err != nil {
			return err
		}
		// A JPEG takes a fifth of the time; below this height rows only repeat.
		picture, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatJpeg).WithQuality(60).WithCaptureBeyondViewport(true).
			WithClip(&page.Viewport{Width: whole.Width, Height: min(whole.Height, 3200), Scale: 1}).Do(ctx)
		return err
	}))
	save(b.T, name, picture)
}

// settled waits until the pictures are there.
const settled = `document.readyState === "complete" && [...document.images].every(i => i.complete && i.naturalWidth > 0)`

// axe finds faults of accessibility, and of layout.
func (b *tab) axe(where string) {
	b.Helper()
	script, err := os.ReadFile(os.Getenv("AXE"))
	must(b.T, err)
	var found string
	b.do(chromedp.Evaluate(string(script)+"; 0", nil), chromedp.Evaluate(`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 4).map(n => n.html + " " + n.failureSummary)}))))`,
		&found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var violations []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	must(b.T, json.Unmarshal([]byte(found), &violations))
	for _, v := range violations {
		b.Errorf("%s: axe: %s (%s): %s\n  %s", where, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n  "))
	}
	b.layout(where)
}

func (b *tab) open(w *world, path string) {
	b.Helper()
	b.do(chromedp.Navigate(w.url + path))
	b.until("the page of "+path, settled)
}

// firstRun is the newest run of the seed.
func firstRun(t *testing.T, w *world) string {
	t.Helper()
	var runs []struct {
		ID string `json:"run_id"`
	}
	must(t, json.Unmarshal([]byte(w.run("runs", "--json", "--limit", "40")), &runs))
	return runs[3].ID
}

// TestFollows sees a call stream and settle, without a reload.
func TestFollows(t *testing.T) {
	w := newWorld(t, usual)
	b := newTab(t, w)
	b.appearance(1280, false)
	b.open(w, strings.TrimPrefix(w.link(), w.url))
	b.until("the overview", `location.pathname === "/dashboard" && `+settled)
	b.until("a live stream", `document.getElementById("follow-text").textContent === "Live"`)
	before := b.text(`[data-figure="total-spent"]`)
	b.do(chromedp.Evaluate(`window.mark = 1; window.seen = new Set(); new MutationObserver(() => { const c = document.querySelector("#live tbody td:nth-child(4)"); if (c) seen.add(c.textContent); }).observe(document.getElementById("live"), {subtree: true, childList: true, characterData: true}); 0`, nil))
	done := w.call()
	b.until("the call", `document.querySelector("#live tbody tr") !== null && document.getElementById("live").textContent.includes("gpt-4o-mini")`)
	b.shoot("live.jpg")
	<-done
	b.until("the end of the call", `document.querySelector("#live tbody tr") === null`)
	b.until("the new total", `document.querySelector('[data-figure="total-spent"]').textContent !== `+quoted(before))
	b.until("that its tokens were seen to grow, and no reload", `window.mark === 1 && window.seen.size >= 3`)
	b.expect("live")
	if n := w.run("status", "--json"); !strings.Contains(n, `"calls"`) {
		t.Error(n)
	}
	// Pausing stops it.
	b.click("#follow", "")
	b.until("a paused page", `document.getElementById("follow").getAttribute("aria-pressed") === "false"`)
	b.expect("pause")
}

func quoted(s string) string {
	q, _ := json.Marshal(s) // a string always marshals
	return string(q)
}

// TestActs uses every filter and every action as an operator does.
func TestActs(t *testing.T) {
	w := newWorld(t, usual)
	b := newTab(t, w)
	b.appearance(1280, false)
	b.open(w, strings.TrimPrefix(w.link(), w.url))
	b.until("the overview", `location.pathname === "/dashboard" && `+settled)
	for _, name := range []string{"7 days", "30 days", "1 year", "everything", "24 hours", "by day", "by hour", "by month", "per model", "per run", "per agent"} {
		b.click(`div.seg a`, name)
		b.until(name, `[...document.querySelectorAll(".seg a[aria-current]")].some(a => a.textContent === `+quoted(name)+`) && `+settled)
		b.expect(name)
	}
	b.open(w, "/dashboard/events")
	b.enter(`input[name=agent]`, "atlas")
	b.choose(`select[name=action]`, "run.")
	b.choose(`select[name=range]`, "7d")
	b.click(`form.filter button`, "")
	b.until("filtered events", `location.search.includes("action=run.") && document.querySelectorAll("table.events tbody tr").length > 3 && [...document.querySelectorAll("table.events tbody tr")].every(r => r.textContent.includes("run.") && r.textContent.includes("atlas"))`)
	b.expect("events")

	run := strings.TrimSpace(w.openRun())
	b.open(w, "/dashboard/run?run="+run)
	b.press("Top up…", "Give it more", "0.25")
	b.until("the run's new budget", `document.querySelector(".done").textContent.includes("$0.75")`)
	b.press("Stop…", "Stop this run", "")
	b.until("the run's end", `document.querySelector(".done").textContent.includes("is ending")`)
	b.until("its outcome without a reload", `document.getElementById("state").textContent.trim() !== "open"`)

	b.open(w, "/dashboard/agent?agent=atlas")
	b.press("Pause…", "Pause this agent", "")
	b.until("a paused agent", `document.querySelector("h1").textContent.includes("paused")`)
	if out := w.run("agent", "inspect", "atlas", "--json"); !strings.Contains(out, `"paused": true`) {
		t.Errorf("aex agent inspect: %s", out)
	}
	b.press("Resume…", "Let it go on", "")
	b.until("a resumed agent", `!document.querySelector("h1").textContent.includes("paused")`)
	b.click("a", "Top up…")
	b.until("the form", `document.getElementById("amount") !== null`)
	b.enter("#amount", "1.2345678")
	b.click("main form button", "")
	b.until("a refused amount", `document.getElementById("wrong") !== null`)
	b.mu.Lock()
	b.faults = nil // the browser logs the 400 of that page
	b.mu.Unlock()
	b.axe("wrong amount")
	b.enter("#amount", "5.50")
	b.click("main form button", "")
	b.until("more money", `document.querySelector(".done").textContent.includes("$30.50")`)
	b.press("Rotate token…", "End the old tokens, make a new one", "")
	b.until("the token", `document.getElementById("token").value.length === 32`)
	b.expect("actions")
	events := w.run("events", "--limit", "200", "--json")
	for _, action := range []string{"run.topup", "run.state", "agent.set", "agent.topup", "token.rotate"} {
		if !strings.Contains(events, `"`+action+`"`) {
			t.Errorf("no event %s", action)
		}
	}
	b.click("button", "Sign out")
	b.until("signed out", `document.querySelector("h1").textContent === "Sign in"`)
}

// openRun starts a run that goes on by itself, and returns its id.
func (w *world) openRun() string {
	w.t.Helper()
	w.start("up", "run", "--agent", "atlas", "--budget", "0.50", "--", "sh", "-c", "echo up; exec sleep 300")
	var runs []struct {
		ID string `json:"run_id"`
	}
	must(w.t, json.Unmarshal([]byte(w.run("runs", "--json", "--open")), &runs))
	if len(runs) != 1 {
		w.t.Fatalf("%d runs are open", len(runs))
	}
	return runs[0].ID
}
