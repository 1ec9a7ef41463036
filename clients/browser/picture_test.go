package browser

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPicture takes the dashboard's picture for README.md (make pictures), of
// a history in which nobody is an enemy.
func TestPicture(t *testing.T) {
	all, model := agents, hostileModel
	t.Cleanup(func() { agents, hostileModel = all, model })
	agents, hostileModel = slices.Clone(all), "o3-pro"
	for i := range agents {
		if agents[i].name == hostile {
			agents[i].name = "release-notes"
		}
	}
	w := newWorld(t, usual)
	b := newTab(t, w)
	b.appearance(1280, false)
	b.open(w, strings.TrimPrefix(w.link(), w.url))
	b.until("the overview", `location.pathname === "/dashboard" && `+settled)
	b.open(w, "/dashboard/audit")
	b.until("a verified ledger", `document.querySelector(".verdict") !== null`)
	b.open(w, "/dashboard?range=7d")
	b.until("the pictures", settled)
	var png []byte
	b.do(chromedp.CaptureScreenshot(&png))
	save(t, "picture.png", png)
}
