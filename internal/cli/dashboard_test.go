package cli

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"math"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/dashboard"
	"github.com/Auro-rium/aex/v3/proxy/metrics"
)

// enemy is an agent's name that is a formula, a script, a quote, and turns the
// direction of writing.
const enemy = "=cmd|' /C calc'!A1<script>alert(1)</script>\"\u202e"

// enemyModel is what a provider may call its model.
const enemyModel = "@SUM(1+1)\x00\x1b[31m<img src=x onerror=alert(2)>\u202e\u2066\u061c\u009b31m\x9b\n# HELP x"

// spentHome is a home with a ledger that has spent odd amounts.
func spentHome(t *testing.T) (home string, l *ledger.Ledger) {
	t.Helper()
	home = t.TempDir()
	clock := time.Now().Add(-50 * time.Hour)
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home, Now: func() time.Time { return clock }})
	noError(t, err)
	t.Cleanup(func() { noError(t, l.Close()) })
	for i, name := range []string{"atlas", enemy} {
		budget := ledger.Micros(3_000_000)
		createAnyway(t, l, home, name, budget)
		agents := ledger.HashToken("agent's " + name)
		noError(t, l.AddToken(t.Context(), ledger.NewToken{Hash: agents, Agent: name, Scope: ledger.Execution}))
		runs := ledger.HashToken("run's " + name)
		_, err := l.OpenRun(t.Context(), ledger.NewRun{Agent: name, Program: "bot", Token: runs, Expires: clock.Add(100 * time.Hour), Metered: true})
		noError(t, err)
		for n := range 40 {
			clock = clock.Add(37 * time.Minute)
			token := agents
			if n%3 > 0 {
				token = runs
			}
			spend(t, l, token, ledger.Micros(17+13*n+7*i), []string{"gpt-4o-mini", enemyModel, ""}[n%3], strings.Repeat("x", 10_000))
		}
		clock = time.Now().Add(-50 * time.Hour)
	}
	clock = time.Now()
	// One call in ten is estimated, one is dearer than its budget can take.
	_, err = l.SetAgent(t.Context(), "atlas", ledger.AgentChange{Budget: pointer(pointer(ledger.Micros(30_000)))})
	noError(t, err)
	spend(t, l, ledger.HashToken("agent's atlas"), 40_000, "gpt-4o-mini", "")
	return home, l
}

func pointer[T any](v T) *T { return &v }

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func spend(t *testing.T, l *ledger.Ledger, token ledger.TokenHash, cost ledger.Micros, model, request string) {
	t.Helper()
	ctx := t.Context()
	hold, refused, err := l.Admit(ctx, ledger.Admission{Token: token, Most: 500, Least: 500, Call: ledger.CallInfo{Wire: "chat", ModelAsked: "gpt-4o-mini", Provider: "openai"}})
	noError(t, err)
	if refused != nil {
		t.Fatalf("refused: %+v", refused)
	}
	_, err = l.Settle(ctx, hold.ID, ledger.Settlement{
		How: ledger.Settled, Cost: cost, Usage: ledger.Usage{Input: 10, CacheRead: 3, Output: 5}, ModelServed: model, RequestID: request,
		Status: 200, Ending: "complete", Latency: 1200 * time.Millisecond, FirstToken: 90 * time.Millisecond,
	})
	noError(t, err)
}

// output runs a command in this process and returns what it prints.
func output(t *testing.T, home string, args ...string) string {
	t.Helper()
	r, w, err := os.Pipe()
	noError(t, err)
	a := &app{stdin: os.Stdin, stdout: &results{file: w}, stderr: os.Stderr, environ: []string{"AEX_HOME=" + home, "HOME=" + home}, now: time.Now}
	root := a.root()
	root.SetArgs(args)
	printed := make(chan string)
	go func() {
		b, _ := io.ReadAll(r) // a pipe of our own
		printed <- string(b)
	}()
	err = root.ExecuteContext(t.Context())
	noError(t, w.Close())
	out := <-printed
	if err != nil {
		t.Fatalf("aex %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// fetch gets a page as the operator.
func fetch(t *testing.T, home string, l *ledger.Ledger, path string) string {
	t.Helper()
	pages, err := dashboard.New(dashboard.Options{Ledger: l, Token: "operator", Logf: t.Logf})
	noError(t, err)
	defer pages.Close()
	r := httptest.NewRequest("GET", "http://localhost"+path, nil)
	r.Header.Set("Authorization", "Bearer operator")
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("%s: %d\n%s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func scrape(t *testing.T, l *ledger.Ledger) string {
	t.Helper()
	w := httptest.NewRecorder()
	metrics.Prometheus(l, nil).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("metrics: %d\n%s", w.Code, w.Body)
	}
	return w.Body.String()
}

// figure reads an amount that a page marks.
func figure(t *testing.T, page, name string) ledger.Micros {
	t.Helper()
	m := regexp.MustCompile(`data-figure="` + name + `">\$([0-9.]+)<`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no %s", name)
	}
	v, err := ledger.ParseUSD(m[1])
	noError(t, err)
	return v
}

// metricSum adds up a metric's dollars over all labels.
func metricSum(t *testing.T, text, name string) (sum ledger.Micros) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		noError(t, err)
		sum += ledger.Micros(math.Round(v * 1e6))
	}
	return sum
}

// reported adds up what aex report says of each.
func reported(t *testing.T, home, by string) (sum ledger.Micros) {
	t.Helper()
	var lines []struct {
		Cost ledger.Micros `json:"cost_micro"`
	}
	noError(t, json.Unmarshal([]byte(output(t, home, "report", "--by", by, "--format", "json")), &lines))
	for _, line := range lines {
		sum += line.Cost
	}
	return sum
}

// createAnyway makes an agent whose name the rule would refuse, as an older
// ledger may have one.
func createAnyway(t *testing.T, l *ledger.Ledger, home, name string, budget ledger.Micros) {
	t.Helper()
	_, err := l.CreateAgent(t.Context(), ledger.NewAgent{Name: "renamed", Budget: &budget})
	noError(t, err)
	db, err := sql.Open("sqlite", filepath.Join(home, "aex.db"))
	noError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `UPDATE agent SET name = ? WHERE name = 'renamed'`, name)
	noError(t, err)
}

func TestEveryViewTellsTheSameSums(t *testing.T) {
	home, l := spentHome(t)
	db, err := sql.Open("sqlite", filepath.Join(home, "aex.db"))
	noError(t, err)
	defer db.Close()
	ask := func(query string) (m ledger.Micros) {
		noError(t, db.QueryRowContext(t.Context(), query).Scan(&m))
		return m
	}
	want := ask(`SELECT sum(cost_micro) FROM trail`)
	if want < 40_000 {
		t.Fatalf("the events cost only %s", want)
	}
	check := func(who string, got ledger.Micros) {
		t.Helper()
		if got != want {
			t.Errorf("%s says %d, the events %d", who, got, want)
		}
	}
	check("v1.2's view of events", ask(`SELECT sum(cost_micro) FROM events`))
	check("the view of agents", ask(`SELECT sum(spent_micro + overrun_micro) FROM agents`))
	check("tally", ask(`SELECT sum(cost_micro) FROM tally`))
	for _, query := range []string{"", "?range=all&by=model", "?range=all&by=run&per=day", "?range=7d&by=agent&per=hour"} {
		page := fetch(t, home, l, "/dashboard"+query)
		check("the dashboard's total with "+query, figure(t, page, "total-spent"))
		if query != "" {
			check("the dashboard's table with "+query, figure(t, page, "spent"))
			check("the dashboard's headline with "+query, figure(t, page, "range-spent"))
		}
	}
	metrics := scrape(t, l)
	check("aex_cost_usd_total", metricSum(t, metrics, "aex_cost_usd_total"))
	check("aex_agent_cost_usd_total", metricSum(t, metrics, "aex_agent_cost_usd_total"))
	check("a second scrape", metricSum(t, scrape(t, l), "aex_cost_usd_total"))
	for _, by := range []string{"agent", "model", "run", "day", "hour", "month"} {
		check("aex report --by "+by, reported(t, home, by))
	}
	var status struct {
		Spent   ledger.Micros `json:"spent_micro"`
		Overrun ledger.Micros `json:"overrun_micro"`
	}
	noError(t, json.Unmarshal([]byte(output(t, home, "status", "--json")), &status))
	check("aex status", status.Spent+status.Overrun)
	var old struct {
		Spent ledger.Micros `json:"total_spent_global_micro"`
	}
	noError(t, json.Unmarshal([]byte(output(t, home, "metrics", "--json")), &old))
	check("aex metrics", old.Spent)
	audit, err := l.Verify(context.Background(), nil)
	noError(t, err)
	if !audit.OK() {
		t.Errorf("audit: %+v", audit)
	}
}

// Names that others choose are text wherever they are shown.
func TestHostileNamesAreText(t *testing.T) {
	home, l := spentHome(t)
	for _, path := range []string{"?range=all&by=agent", "?range=all&by=model", "/events", "/runs", "/agent?agent=" + url.QueryEscape(enemy)} {
		harmlessPage(t, path, fetch(t, home, l, "/dashboard"+path))
	}
	chart := fetch(t, home, l, "/dashboard/chart.svg?range=all&by=agent")
	harmlessPage(t, "the chart", chart)
	if strings.Contains(chart, "script") {
		t.Errorf("the chart holds a name: %.500s", chart)
	}
	metrics := scrape(t, l)
	harmless(t, "the metrics", metrics)
	if strings.Contains(metrics, "\n# HELP x") {
		t.Error("a model's name forges a line of the metrics")
	}
	for _, args := range [][]string{{"agent", "list"}, {"metrics"}, {"metrics", "--json"}, {"events", "--limit", "200"}, {"runs"}, {"runs", "--json"}} {
		harmless(t, "aex "+strings.Join(args, " "), output(t, home, args...))
	}
	if out := harmlessReports(t, home); !strings.Contains(out, "'=cmd") || !strings.Contains(out, "'@SUM") {
		t.Errorf("no hostile name is in the CSV:\n%s", out)
	}
}
