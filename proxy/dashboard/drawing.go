package dashboard

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

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

// drawing is where the parts of a chart's picture lie.
type drawing struct {
	width, height            int
	left, right, top, bottom float64 // of the columns
}

const (
	letter     = 7.0 // the width of one, at most, in the axes' size of 12
	lineHeight = 22
)

// svg draws the chart. The keys are told by the page beside it, which has the
// same colours: no name stands in the picture.
func (c chart) svg(per ledger.Grouping, dark bool, width, height int) []byte {
	p := palettes[dark]
	top, steps := c.scale()
	d := drawing{width: width, height: height, right: float64(width) - 4, top: 8, bottom: float64(height - lineHeight)}
	for i := range steps + 1 {
		d.left = max(d.left, 8+letter*float64(len(axisDollars(top/ledger.Micros(steps)*ledger.Micros(i)))))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="12">`, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="%s"/>`, width, height, p.ground)
	for i := range steps + 1 {
		amount := top / ledger.Micros(steps) * ledger.Micros(i)
		y := d.y(amount, top)
		fmt.Fprintf(&b, `<path d="M%.1f %.1fH%.1f" stroke="%s"/>`, d.left, y, d.right, p.line)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end" fill="%s">%s</text>`, d.left-6, y+4, p.text, axisDollars(amount))
	}
	c.columns(&b, d, p, top)
	c.times(&b, d, p, per)
	b.WriteString(`</svg>`)
	return b.Bytes()
}

// y is how low an amount lies.
func (d drawing) y(amount, top ledger.Micros) float64 {
	return d.bottom - (d.bottom-d.top)*float64(amount)/float64(top)
}

// columns draws one column for each bucket, of as many parts as keys.
func (c chart) columns(b *bytes.Buffer, d drawing, p palette, top ledger.Micros) {
	slot := (d.right - d.left) / float64(len(c.buckets))
	for i := range c.buckets {
		var below ledger.Micros
		for k := range c.keys {
			amount := c.amounts[k][i]
			if amount <= 0 {
				continue
			}
			y := d.y(below+amount, top)
			fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`, d.left+slot*(float64(i)+0.14), y, slot*0.72, d.y(below, top)-y, p.series[k%len(p.series)])
			below += amount
		}
	}
}

// times writes below the columns when they were, each under the middle of its
// own, but for a first and a last that would be cut off.
func (c chart) times(b *bytes.Buffer, d drawing, p palette, per ledger.Grouping) {
	slot := (d.right - d.left) / float64(len(c.buckets))
	free := 0.0
	for i, label := range c.labels(per, d.width/80) {
		half := letter * float64(utf8.RuneCountInString(label)) / 2
		x := max(min(d.left+slot*(float64(i)+0.5), float64(d.width)-2-half), 2+half)
		if label == "" || x-half < free {
			continue
		}
		free = x + half + 6
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="%s">%s</text>`, x, d.height-7, p.text, label)
	}
}

// scale is the top of the axis and how many steps lead there: the fewest round
// steps that hold the tallest column.
func (c chart) scale() (top ledger.Micros, steps int) {
	var tallest ledger.Micros
	for b := range c.buckets {
		var sum ledger.Micros
		for i := range c.amounts {
			sum += max(0, c.amounts[i][b])
		}
		tallest = max(tallest, sum)
	}
	if tallest == 0 {
		return 1_000_000, 4
	}
	for unit := ledger.Micros(1); ; unit *= 10 {
		for _, step := range []ledger.Micros{unit, 2 * unit, 5 * unit} {
			if tallest <= 5*step {
				n := (tallest + step - 1) / step
				return n * step, int(n)
			}
		}
	}
}

// axisDollars labels the axis of money.
func axisDollars(m ledger.Micros) string {
	v := float64(m) / 1e6
	if v != 0 && v < 0.01 {
		return "$" + strconv.FormatFloat(v, 'g', 2, 64)
	}
	if v >= 1000 {
		return "$" + strconv.FormatFloat(v/1000, 'f', -1, 64) + "k"
	}
	return "$" + strconv.FormatFloat(v, 'f', 2, 64)
}
