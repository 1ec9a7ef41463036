package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// results is standard output. It keeps the first error, so that no command has
// to look for it at every line it prints.
type results struct {
	file *os.File
	err  error
}

func (r *results) Write(b []byte) (int, error) {
	n, err := r.file.Write(b)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// printJSON prints v for programs: indented, one value.
func (a *app) printJSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := a.stdout.Write(ledger.PlainJSON(b.Bytes()))
	return err
}

// column is one column of a table; numbers stand to the right.
type column struct {
	name  string
	right bool
}

func left(name string) column  { return column{name, false} }
func right(name string) column { return column{name, true} }

// printTable prints rows under their columns, harmless whatever stands in them.
func (a *app) printTable(columns []column, rows [][]string) {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	var header table.Row
	var configs []table.ColumnConfig
	for i, c := range columns {
		header = append(header, heading(c.name))
		if c.right {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(header)
	for _, row := range rows {
		var cells table.Row
		for _, cell := range row {
			cells = append(cells, printable(cell))
		}
		t.AppendRow(cells)
	}
	for line := range strings.SplitSeq(t.Render(), "\n") {
		fmt.Fprintln(a.stdout, strings.TrimRight(line, " "))
	}
}

// heading is a column's name in capitals, but for the unit in parentheses.
func heading(name string) string {
	words, unit, has := strings.Cut(name, "(")
	if !has {
		return strings.ToUpper(name)
	}
	return strings.ToUpper(words) + "(" + unit
}

// instant is a point in time for people: local, with its zone.
func instant(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// zone is the zone that local times of a table are in.
func (a *app) zone() string { return a.now().Local().Format("MST") }

// cut tells that a list is not all there is.
func (a *app) cut(n int, what, more string) {
	if n == 1 {
		fmt.Fprintf(a.stderr, "aex: only the %s is listed; %s\n", strings.TrimSuffix(what, "s"), more)
		return
	}
	fmt.Fprintf(a.stderr, "aex: only the %d %s are listed; %s\n", n, what, more)
}

// printf prints one line of a result.
func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(a.stdout, format+"\n", args...)
}

// printable replaces what could move a cursor, colour a terminal or reorder a
// line, so that a hostile name is only an ugly one. An end of line is among
// it: what forges none in a list forges no row.
func printable(s string) string { return plain.Line(s) }

// printableLines is the same for a text that may have several lines.
func printableLines(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return lines
}

// dollars prints a budget, or that there is none.
func dollars(m *ledger.Micros) string {
	if m == nil {
		return "none"
	}
	return m.String()
}

// ago prints a time as people say it.
func (a *app) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := a.now().Sub(t)
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return t.Local().Format("2006-01-02")
}
