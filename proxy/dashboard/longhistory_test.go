package dashboard

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/longhistory"
	"github.com/Auro-rium/aex/v3/ledger"
)

// TestPagesOfALongHistory opens every page and grouping over a ledger of
// AEX_BENCH_EVENTS calls (20,000 where it is not set; make big: ten million),
// and tells how long each took.
func TestPagesOfALongHistory(t *testing.T) {
	calls := 20_000
	if n, err := strconv.ParseFloat(os.Getenv("AEX_BENCH_EVENTS"), 64); err == nil {
		calls = int(n)
	}
	dir := t.TempDir()
	began := time.Now()
	must(t, longhistory.Write(t.Context(), dir, calls))
	t.Logf("%d calls were written in %v", calls, time.Since(began).Round(time.Second))
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	runs, err := l.Runs(t.Context(), ledger.RunFilter{Limit: 1})
	must(t, err)
	w := newWorld(t, setup{})
	k := newDesk(t, w, func(o *Options) { o.Ledger = l })

	pages := []string{
		"/dashboard", "/dashboard/agent?agent=agent-7", "/dashboard/runs", "/dashboard/runs?agent=agent-7", "/dashboard/runs?open=1",
		"/dashboard/run?run=" + string(runs[0].ID), "/dashboard/audit",
		"/dashboard/events", "/dashboard/events?agent=agent-7", "/dashboard/events?action=agent.create", "/dashboard/events?range=30d",
	}
	for _, span := range []string{"24h", "30d", "all"} {
		for _, by := range []string{"agent", "model", "run"} {
			q := url.Values{"range": {span}, "by": {by}}.Encode()
			pages = append(pages, "/dashboard?"+q, "/dashboard/chart.svg?"+q)
		}
	}
	for _, page := range pages {
		began := time.Now()
		status, _, body := k.get(page)
		if status != http.StatusOK || !strings.Contains(body, "<") {
			t.Errorf("%s: %d %.200s", page, status, body)
		}
		t.Logf("%8v  %s", time.Since(began).Round(time.Millisecond), page)
	}
}
