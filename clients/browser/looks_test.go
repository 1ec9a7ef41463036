package browser

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// pageMax is how many bytes a page has at most.
const pageMax = 100_000

// visit is a page that is looked at.
type visit struct{ name, path string }

// visits are all pages of a world.
func (w *world) visits(t *testing.T) []visit {
	return []visit{
		{"overview", "/dashboard"}, {"month", "/dashboard?range=30d&by=model"}, {"runs-chart", "/dashboard?range=7d&by=run"},
		{"agents", "/dashboard/agents"}, {"groups", "/dashboard/groups"}, {"groups-used", "/dashboard/groups?sort=used&q=a"}, {"group", "/dashboard/group?group=acme/search"},
		{"group-root", "/dashboard/group?group=acme&range=30d&by=group"}, {"group-agents", "/dashboard/agents?group=acme"}, {"topup-group", "/dashboard/act?do=topup-group&group=acme/search"},
		{"agents-left", "/dashboard/agents?sort=left&q=a"}, {"agent", "/dashboard/agent?agent=atlas"},
		{"run", "/dashboard/run?run=" + firstRun(t, w)}, {"runs", "/dashboard/runs"}, {"events", "/dashboard/events"},
		{"denials", "/dashboard/events?action=policy.deny"}, {"audit", "/dashboard/audit"}, {"topup", "/dashboard/act?do=topup-agent&agent=atlas"},
	}
}

// TestLooks visits every page at three widths in both schemes, with few agents
// and with many.
func TestLooks(t *testing.T) {
	for _, s := range []struct {
		name  string
		scene scene
	}{{"3", few}, {"10000", many}} {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s.scene)
			b := newTab(t, w)
			b.appearance(1440, false)
			b.signIn(w, s.name)
			pages := w.visits(t)
			if s.scene.agents == len(agents) {
				pages = append(pages, visit{"hostile", "/dashboard/agent?agent=" + url.QueryEscape(hostile)}, visit{"hostile-group", "/dashboard/group?group=" + url.QueryEscape(hostileGroup)}, visit{"pause-hostile", "/dashboard/act?do=pause-agent&agent=" + url.QueryEscape(hostile)})
			}
			for _, size := range []int64{390, 768, 1440} {
				for _, dark := range []bool{false, true} {
					b.appearance(size, dark)
					for _, p := range pages {
						b.lookAt(w, s.name, p, size, dark)
					}
				}
			}
			for _, p := range pages {
				if n := len(w.read(t, p.path)); n >= pageMax {
					t.Errorf("%s has %d bytes", p.name, n)
				}
			}
		})
	}
}

// lookAt keeps a picture of a page and looks for faults of layout; axe looks at
// each page of few agents in each scheme, and on a phone.
func (b *tab) lookAt(w *world, scene string, p visit, size int64, dark bool) {
	b.Helper()
	b.open(w, p.path)
	if p.name == "audit" {
		b.until("a verified ledger", `document.querySelector(".verdict") !== null`)
	}
	where := fmt.Sprintf("%s-%s-%d-%s", p.name, scene, size, map[bool]string{false: "light", true: "dark"}[dark])
	b.shoot(where + ".jpg")
	if scene == "3" && (size == 1440 || size == 390 && !dark) {
		b.axe(where)
	} else {
		b.layout(where)
	}
	b.expect(where)
}

// signIn looks at the page that asks who is there, and comes in by a link.
func (b *tab) signIn(w *world, scene string) {
	b.Helper()
	b.open(w, "/dashboard")
	if got := b.text("h1"); got != "Sign in" {
		b.Errorf("without a session the page says %q", got)
	}
	b.axe("sign-in")
	b.shoot("sign-in-" + scene + ".jpg")
	b.mu.Lock()
	b.faults = nil // the browser logs the 401 of that page
	b.mu.Unlock()
	b.open(w, strings.TrimPrefix(w.link(), w.url))
	b.until("the overview", `location.pathname === "/dashboard" && `+settled)
}

// read is a page as it is sent.
func (w *world) read(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+path, nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+w.operator(t))
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d", path, resp.StatusCode)
	}
	return string(text)
}

// operator is the operator's token.
func (w *world) operator(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.home, "operator.token"))
	must(t, err)
	return strings.TrimSpace(string(b))
}

// TestTables sorts, searches, saves and dates as an operator does, among ten
// thousand agents.
func TestTables(t *testing.T) {
	w := newWorld(t, many)
	b := newTab(t, w)
	b.appearance(1440, false)
	b.do(emulation.SetTimezoneOverride("Asia/Tokyo"))
	b.open(w, strings.TrimPrefix(w.link(), w.url))
	b.until("the overview", `location.pathname === "/dashboard" && `+settled)

	// the others of the chart have a legend and a list
	b.open(w, "/dashboard?range=all")
	b.until("the others", `document.querySelector(".legend details summary").textContent.includes("others") && document.querySelectorAll(".legend > span").length === 7`)
	b.do(chromedp.Evaluate(`document.querySelector(".legend details").open = true; 0`, nil))
	b.until("their list", `document.querySelectorAll(".others li").length > 50`)

	b.everyAgent(w)
	b.tree(w)

	// a table sorts, either way, and is saved
	b.open(w, "/dashboard?range=30d&by=model")
	b.click("#spend-body .sort", "Calls")
	numbers := `[...document.querySelectorAll("#spend-body tbody tr")].map(r => Number(r.querySelectorAll("td.num")[[...r.querySelectorAll("td.num")].length > 6 ? 4 : 2].textContent.replaceAll(",", "")))`
	b.until("the most calls first", numbers+`.every((n, i, all) => i === 0 || all[i - 1] >= n)`)
	b.click("#spend-body .sort", "Calls")
	b.until("the fewest calls first", numbers+`.every((n, i, all) => i === 0 || all[i - 1] <= n)`)
	b.do(chromedp.Evaluate(`URL.createObjectURL = (blob) => { blob.text().then(t => window.saved = t); return "blob:none"; }; HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; }; 0`, nil))
	b.click("#speeds button.csv", "")
	b.until("a saved table", `window.savedAs === "aex-latency.csv" && window.saved && window.saved.startsWith("Model,Calls,p50")`)

	// days of one's own, beside the days before
	b.until("the time before", `document.querySelector("#spend-body .note").textContent.includes("before cost")`)
	b.do(chromedp.Evaluate(`(() => { const day = (n) => new Date(Date.now() - n * 864e5).toISOString().slice(0, 10); document.querySelector("input[name=from]").value = day(9); document.querySelector("input[name=to]").value = day(3); document.querySelector(".days button").click(); })()`, nil))
	b.until("seven days", `location.search.includes("from=") && document.querySelector(".figure.lead h2").textContent.includes(" to ") && `+settled)
	b.until("the seven before", `document.querySelector("#spend-body .note").textContent.includes("before cost $")`)

	// local time, kept from page to page
	b.open(w, "/dashboard/events")
	b.until("UTC at first", `document.getElementById("zone").textContent === "UTC"`)
	b.do(chromedp.Evaluate(`window.utc = document.querySelector("time[data-form]").textContent; 0`, nil))
	b.click("#zone", "")
	b.until("local time", `document.getElementById("zone").textContent === "Local time" && document.querySelector("time[data-form]").textContent !== window.utc`)
	b.open(w, "/dashboard/runs")
	b.until("local time still", `document.getElementById("zone").textContent === "Local time"`)

	// a run's calls are on a time line
	b.open(w, "/dashboard/run?run="+firstRun(t, w))
	b.until("a time line", `document.querySelectorAll(".calls svg.span .part").length > 0 && document.querySelectorAll(".calls .tag").length > 0`)
	b.expect("tables")
}

// lefts is what the agents' table says is left, and rising whether it rises from
// an amount on; who has no limit is not among them.
const (
	lefts  = `[...document.querySelectorAll(".agents tbody td[data-label=left]")].map(td => Number(td.textContent.replace(/[$,]/g, ""))).filter(n => !Number.isNaN(n))`
	rising = `((from) => { const all = ` + lefts + `; return all.length === 50 && all[0] >= from && all.every((n, i) => i === 0 || all[i - 1] <= n); })`
)

// everyAgent looks at all agents, by what is left and by name, a page at a time,
// found by name, and as CSV.
func (b *tab) everyAgent(w *world) {
	b.Helper()
	var last float64
	b.open(w, "/dashboard/agents")
	b.until("fifty of ten thousand", `document.querySelectorAll(".agents tbody tr").length === 50 && document.querySelector("#agents .note").textContent.startsWith("10,000 agents, 1 to 50")`)
	b.click(".agents thead a", "Left")
	b.until("the order by what is left", `location.search.includes("sort=left") && document.querySelector("[aria-sort=ascending]").textContent.includes("Left")`)
	b.until("the least left first", rising+`(0)`)
	b.do(chromedp.Evaluate(lefts+`.at(-1)`, &last))
	b.click(".pages a", "Next")
	b.until("the next page", `location.search.includes("page=2") && document.querySelector("#agents .note").textContent.includes("51 to 100")`)
	b.until("what is left goes on from the page before", rising+fmt.Sprintf(`(%v)`, last))
	b.click(".agents thead a", "Agent")
	b.until("names in order", `location.search.includes("sort=name") && [...document.querySelectorAll(".agents tbody th > a.name")].every((a, i, all) => i === 0 || all[i - 1].textContent < a.textContent)`)
	b.enter("input[name=q]", "worker-0123")
	b.click("form.filter button", "")
	b.until("ten agents", `document.querySelectorAll(".agents tbody tr").length === 10`)
	b.do(chromedp.Evaluate(`fetch("/dashboard/agents?format=csv").then(r => r.text()).then(t => window.lines = t.trim().split("\n")); 0`, nil))
	b.until("all of them as CSV", `window.lines && window.lines.length === 10001 && window.lines[0].startsWith("agent,window,budget_usd,spent_usd")`)
}

// tree looks at a tree of hundreds of groups, its agents, and groups in another
// order.
func (b *tab) tree(w *world) {
	b.Helper()
	b.open(w, "/dashboard/groups?q=team-07")
	b.until("one team of many groups", `document.querySelector("#groups .note").textContent.startsWith("6 of 246 groups") && document.querySelectorAll(".groups tbody tr").length === 6`)
	b.open(w, "/dashboard/groups")
	b.until("fifty of a tree", `document.querySelectorAll(".groups tbody tr").length === 50 && document.querySelector(".groups th.in1 a").textContent === "search"`)
	b.click(".pages a", "Next")
	b.until("the next page of groups", `document.querySelector("#groups .note").textContent.includes("51 to 100")`)
	b.open(w, "/dashboard/groups?sort=spent")
	b.until("who spent most first", `[...document.querySelectorAll(".groups td[data-label=spent]")].map(td => Number(td.textContent.replace(/[$,]/g, ""))).every((n, i, all) => i === 0 || all[i - 1] >= n)`)
	b.open(w, "/dashboard/group?group=team-07")
	b.click("#inside a.name", "unit-3")
	b.until("a unit of fifty agents", `document.querySelector("h1 bdi").textContent === "team-07/unit-3" && document.querySelectorAll("#agents li").length === 20`)
	b.click("#agents > .row a", "All, with those of groups inside")
	b.until("all fifty", `document.querySelectorAll(".agents tbody tr").length === 50 && document.querySelector("#agents .note").textContent.startsWith("50 of 10,000")`)
}

// TestEnemiesAreText sees an agent of a hostile name on its page.
func TestEnemiesAreText(t *testing.T) {
	w := newWorld(t, usual)
	b := newTab(t, w)
	b.appearance(1440, false)
	b.open(w, strings.TrimPrefix(w.link(), w.url))
	b.until("the overview", `location.pathname === "/dashboard" && `+settled)
	b.open(w, "/dashboard/agent?agent="+url.QueryEscape(hostile))
	b.until("the name as text", `document.querySelector("h1 bdi").textContent.startsWith("<script>alert(1)</script>")`)
	b.until("no scripts but ours", `[...document.scripts].every(s => /\/dashboard\/(live|tables)\.js$/.test(s.src)) && document.querySelector("img[src=x]") === null`)
}
