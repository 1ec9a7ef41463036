package dashboard

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-analyze/charts"

	"github.com/Auro-rium/aex/v3/ledger"
)

// palette is how a chart looks in a light or a dark page. The colours of series
// keep a contrast of 3:1 or more against the background and differ in
// lightness, so that they can be told apart without seeing hues.
type palette struct {
	ground, text, line string
	series             []string
}

var palettes = map[bool]palette{
	false: {"#ffffff", "#57606a", "#e4e8ec", []string{"#2563eb", "#0f766e", "#b45309", "#9333ea", "#be123c", "#4d7c0f", "#0e7490", "#6b7280"}},
	true:  {"#14181d", "#9aa6b2", "#2a3138", []string{"#6ea8fe", "#3fbfa8", "#e0a04a", "#c08cff", "#ff7a90", "#9ccc52", "#4cc3dd", "#8b95a1"}},
}

// chartKeys is how many keys a chart tells apart; the rest are one series.
const chartKeys = 7

// otherKeys is the name of that series.
const otherKeys = "other"

// chart is spending over time: a column of amounts for each key.
type chart struct {
	buckets []time.Time
	keys    []string
	amounts [][]ledger.Micros // by key, then bucket
	total   ledger.Micros
	folded  bool // the last key stands for all others
}

// newChart arranges sums into equal steps of time from first to last, the
// dearest keys first and the rest folded into one.
func newChart(spends []ledger.Spend, per ledger.Grouping, first, last time.Time) chart {
	totals := map[string]ledger.Micros{}
	for _, s := range spends {
		totals[s.Key] += s.Cost
	}
	c := chart{}
	for k := range totals {
		c.keys = append(c.keys, k)
	}
	slices.SortFunc(c.keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(totals[b], totals[a]), cmp.Compare(a, b))
	})
	c.folded = len(c.keys) > chartKeys+1
	if c.folded {
		c.keys = append(c.keys[:chartKeys:chartKeys], otherKeys)
	}
	at := map[time.Time]int{}
	for t := bucketOf(first, per); !t.After(last); t = nextBucket(t, per) {
		at[t] = len(c.buckets)
		c.buckets = append(c.buckets, t)
	}
	c.amounts = make([][]ledger.Micros, len(c.keys))
	for i := range c.amounts {
		c.amounts[i] = make([]ledger.Micros, len(c.buckets))
	}
	for _, s := range spends {
		b, ok := at[s.Bucket]
		if !ok {
			continue
		}
		i := slices.Index(c.keys, s.Key)
		if i < 0 || c.folded && i == len(c.keys)-1 {
			i = len(c.keys) - 1
		}
		c.amounts[i][b] += s.Cost
		c.total += s.Cost
	}
	return c
}

// bucketOf is the start of the bucket that t lies in, in UTC like the ledger's.
func bucketOf(t time.Time, per ledger.Grouping) time.Time {
	t = t.UTC()
	switch per {
	case ledger.ByMonth:
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case ledger.ByDay:
		return t.Truncate(24 * time.Hour)
	}
	return t.Truncate(time.Hour)
}

func nextBucket(t time.Time, per ledger.Grouping) time.Time {
	switch per {
	case ledger.ByMonth:
		return t.AddDate(0, 1, 0)
	case ledger.ByDay:
		return t.AddDate(0, 0, 1)
	}
	return t.Add(time.Hour)
}

// labels name the columns: as many as fit, each at a round time, and the rest
// left empty.
func (c chart) labels(per ledger.Grouping, most int) []string {
	labels := make([]string, len(c.buckets))
	every := 1
	for _, n := range []int{1, 2, 3, 4, 6, 12, 24, 48, 96, 168} {
		if every = n; len(c.buckets) <= n*most {
			break
		}
	}
	for i, b := range c.buckets {
		switch {
		case per == ledger.ByMonth && (int(b.Month())-1)%every == 0:
			labels[i] = b.Format("Jan 2006")
		case per == ledger.ByDay && (len(c.buckets)-1-i)%every == 0:
			labels[i] = b.Format("Jan 2")
		case per == ledger.ByHour && (b.Unix()/3600)%int64(every) == 0:
			if labels[i] = b.Format("15:04"); b.Hour() == 0 {
				labels[i] = b.Format("Jan 2")
			}
		}
	}
	return labels
}

// scale is the top of the axis and how many steps lead there: the fewest round
// steps that hold the tallest column.
func (c chart) scale() (top float64, steps int) {
	var tallest ledger.Micros
	for b := range c.buckets {
		var sum ledger.Micros
		for i := range c.amounts {
			sum += c.amounts[i][b]
		}
		tallest = max(tallest, sum)
	}
	if tallest == 0 {
		return 1, 4
	}
	for unit := ledger.Micros(1); ; unit *= 10 {
		for _, step := range []ledger.Micros{unit, 2 * unit, 5 * unit} {
			if tallest <= 5*step {
				n := (tallest + step - 1) / step
				return float64(n*step) / 1e6, int(n)
			}
		}
	}
}

// svg draws the chart. The keys are told by the page beside it, which has the
// same colours: no name stands in the picture.
func (c chart) svg(per ledger.Grouping, dark bool, width, height int) ([]byte, error) {
	p := palettes[dark]
	values := make([][]float64, len(c.keys))
	for i := range c.keys {
		for _, m := range c.amounts[i] {
			values[i] = append(values[i], float64(m)/1e6)
		}
	}
	if len(values) == 0 {
		values = [][]float64{make([]float64, len(c.buckets))}
	}
	o := charts.NewBarChartOptionWithData(values)
	o.StackSeries = charts.Ptr(true)
	o.Theme = p.theme(dark)
	o.Padding = charts.NewBox(4, 8, 22, 4) // the last label is as wide as the others
	o.BarMargin = charts.Ptr(0.25)
	font := charts.FontStyle{FontSize: 10, FontColor: charts.ParseColor(p.text)}
	o.CategoryAxis.Labels = c.labels(per, width/70)
	o.CategoryAxis.LabelFontStyle = font
	o.CategoryAxis.LabelCount = len(c.buckets)
	top, steps := c.scale()
	o.ValueAxis = []charts.ValueAxisOption{{
		LabelFontStyle: font, LabelCount: steps + 1, Min: charts.Ptr(0.0), Max: charts.Ptr(top),
		RangeValuePaddingScale: charts.Ptr(0.0), PreferNiceIntervals: charts.Ptr(false), ValueFormatter: axisDollars,
	}}
	o.Legend.Show = charts.Ptr(false)
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height})
	if err := painter.BarChart(o); err != nil {
		return nil, fmt.Errorf("drawing a chart: %w", err)
	}
	return painter.Bytes()
}

func (p palette) theme(dark bool) charts.ColorPalette {
	o := charts.ThemeOption{
		IsDarkMode: dark, AxisStrokeColor: charts.ParseColor(p.line), AxisSplitLineColor: charts.ParseColor(p.line),
		BackgroundColor: charts.ParseColor(p.ground), TextColor: charts.ParseColor(p.text),
	}
	for _, s := range p.series {
		o.SeriesColors = append(o.SeriesColors, charts.ParseColor(s))
	}
	return charts.MakeTheme(o)
}

// axisDollars labels the axis of money.
func axisDollars(v float64) string {
	if v != 0 && math.Abs(v) < 0.01 {
		return "$" + strconv.FormatFloat(v, 'g', 2, 64)
	}
	if v >= 1000 {
		return "$" + strconv.FormatFloat(v/1000, 'f', -1, 64) + "k"
	}
	return "$" + strconv.FormatFloat(v, 'f', 2, 64)
}
