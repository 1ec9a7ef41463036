package metrics

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// exposition is Prometheus' text format, version 0.0.4, written here and not by
// its client library: the handful of lines below is all that is needed of that,
// and what the library sets up before main took 1.3 ms of the 5 ms that every
// aex, and every run's monitor, took to begin.
// https://prometheus.io/docs/instrumenting/exposition_formats/
type exposition struct {
	families map[*metric]*strings.Builder // the lines of each
}

// exposed is the type of the format.
const exposed = "text/plain; version=0.0.4; charset=utf-8"

// metric is what a family of lines has in common.
type metric struct {
	kind, name, help string
	labels           []string
}

func newCounter(name, help string, labels ...string) *metric {
	return &metric{"counter", name, help, labels}
}

func newGauge(name, help string, labels ...string) *metric {
	return &metric{"gauge", name, help, labels}
}

func newHistogram(name, help string, labels ...string) *metric {
	return &metric{"histogram", name, help, labels}
}

// add writes the value of a counter or a gauge.
func (x *exposition) add(m *metric, v float64, values ...string) {
	x.line(m, "", v, values)
}

// addHistogram writes a histogram in its cumulative buckets: counts are of
// what lies between each bound and the one before, and of all above the last. A
// second has unit of bounds.
func (x *exposition) addHistogram(m *metric, bounds, counts []int64, sum float64, unit int64, values ...string) {
	n := int64(0)
	for i, c := range counts {
		if n += max(0, c); i < len(bounds) {
			x.line(m, "_bucket", float64(n), values, "le", number(float64(bounds[i])/float64(unit)))
		}
	}
	x.line(m, "_bucket", float64(n), values, "le", "+Inf")
	x.line(m, "_sum", sum, values)
	x.line(m, "_count", float64(n), values)
}

// line writes one line, with a label more than the metric's if one is given.
func (x *exposition) line(m *metric, suffix string, v float64, values []string, more ...string) {
	b := x.families[m]
	if b == nil {
		if x.families == nil {
			x.families = map[*metric]*strings.Builder{}
		}
		b = new(strings.Builder)
		x.families[m] = b
	}
	b.WriteString(m.name + suffix)
	before := "{"
	label := func(name, value string) {
		b.WriteString(before + name + `="` + labelEscapes.Replace(value) + `"`)
		before = ","
	}
	for i, name := range m.labels {
		label(name, values[i])
	}
	if len(more) > 0 {
		label(more[0], more[1])
	}
	if before == "," {
		b.WriteByte('}')
	}
	b.WriteString(" " + number(v) + "\n")
}

// number is a value as the format has it.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

var (
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// String is the whole text, families by name.
func (x *exposition) String() string {
	var b strings.Builder
	for _, m := range slices.SortedFunc(maps.Keys(x.families), func(a, b *metric) int { return cmp.Compare(a.name, b.name) }) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s", m.name, helpEscapes.Replace(m.help), m.name, m.kind, x.families[m].String())
	}
	return b.String()
}
