package dashboard

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// picture is what is in a chart.
type picture struct {
	ViewBox string `xml:"viewBox,attr"`
	Rects   []struct {
		X      float64 `xml:"x,attr"`
		Width  float64 `xml:"width,attr"`
		Y      float64 `xml:"y,attr"`
		Height float64 `xml:"height,attr"`
	} `xml:"rect"`
	Texts []struct {
		X      float64 `xml:"x,attr"`
		Y      float64 `xml:"y,attr"`
		Anchor string  `xml:"text-anchor,attr"`
		Text   string  `xml:",chardata"`
	} `xml:"text"`
}

// drawn is a day by the hour, thirty days and a year, in both sizes.
func drawn(t *testing.T, see func(name string, p picture, c chart, per ledger.Grouping, width int)) {
	t.Helper()
	last := time.Date(2026, 11, 27, 2, 30, 0, 0, time.UTC)
	for _, zone := range []string{"UTC", "Asia/Kolkata", "America/New_York"} {
		z, err := ledger.ParseZone(zone)
		must(t, err)
		for per, back := range map[ledger.Grouping]time.Duration{ledger.ByHour: 24 * time.Hour, ledger.ByDay: 30 * 24 * time.Hour, ledger.ByMonth: 365 * 24 * time.Hour} {
			var spends []ledger.Spend
			for at, n := z.Start(per, last.Add(-back)), 1; !at.After(last); at, n = z.Next(per, at), n+1 {
				spends = append(spends, ledger.Spend{Bucket: at, Key: "a", Cost: ledger.Micros(n * 5_900_000)}, ledger.Spend{Bucket: at, Key: "b", Cost: 7})
			}
			c := newChart(spends, z, per, last.Add(-back), last)
			for _, width := range []int{400, 920} {
				var p picture
				must(t, xml.Unmarshal(c.svg(per, false, width, 230), &p))
				see(fmt.Sprintf("%s by %s, %d wide", zone, per, width), p, c, per, width)
			}
		}
	}
}

// No text is cut off or lies upon another, and each time is under its column.
func TestChartsCanBeRead(t *testing.T) {
	drawn(t, func(name string, p picture, c chart, per ledger.Grouping, width int) {
		half := func(s string) float64 { return letter * float64(len(s)) / 2 }
		labels := c.labels(per, width/80)
		var columns []float64 // middles
		for _, r := range p.Rects[1:] {
			if r.Y+r.Height > 207.9 {
				columns = append(columns, r.X+r.Width/2)
			}
			if r.X < 0 || r.X+r.Width > float64(width) || r.Y < 8 {
				t.Errorf("%s: a column at %v", name, r)
			}
		}
		if len(columns) != len(c.buckets) {
			t.Fatalf("%s: %d columns for %d buckets", name, len(columns), len(c.buckets))
		}
		i, end := 0, 0.0
		for _, text := range p.Texts {
			if text.Anchor == "end" {
				if text.X-2*half(text.Text) < 0 || strings.HasPrefix(text.Text, "$-") {
					t.Errorf("%s: the axis says %q at %.0f", name, text.Text, text.X)
				}
				continue
			}
			for i < len(labels) && labels[i] != text.Text {
				i++
			}
			if i == len(labels) {
				t.Fatalf("%s: %q labels nothing", name, text.Text)
			}
			if text.X-half(text.Text) < end || text.X+half(text.Text) > float64(width) {
				t.Errorf("%s: %q at %.0f is cut off, or upon another", name, text.Text, text.X)
			}
			if off := math.Abs(text.X - columns[i]); off > 1 && i > 0 && i < len(labels)-1 || off > 25 {
				t.Errorf("%s: %q is %.0f beside its column", name, text.Text, off)
			}
			end = text.X + half(text.Text)
			i++
		}
		if i < len(labels)/2 {
			t.Errorf("%s: the last label is of column %d of %d", name, i, len(labels))
		}
	})
}
