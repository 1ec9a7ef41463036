package cli

import (
	"encoding/csv"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// evil is what a hostile client or provider may write wherever it can write text.
const evil = "=cmd<script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202e\u2066\u061c\u200f\u009b31m\x1b]0;t\x07\x00\r\n2026-11-20T00:00:00Z aex: forged\u2028@SUM(1)"

// evilHeader is the same without what no header can carry.
const evilHeader = "=cmd<script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202e\u2066\u061c\u200f\u009b31m\x9b31m"

var long = strings.Repeat("x", 10_000)

// harmless tells what is in text that a terminal, a log reader, a browser or a
// spreadsheet would act on.
func harmless(t *testing.T, where, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is not UTF-8", where)
	}
	for i, r := range text {
		switch {
		case r == '\n' || r == '\t':
			continue
		case r < ' ', r >= 0x7f && r <= 0x9f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c, r == 0x2028, r == 0x2029:
			t.Errorf("%s holds %U: %q", where, r, text[max(0, i-60):min(len(text), i+20)])
			return
		}
	}
	if strings.Contains(text, long[:1001]) {
		t.Errorf("%s holds a text of more than 1000 bytes that others chose", where)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "2026-11-20T00:00:00Z aex: forged") {
			t.Errorf("%s holds a line that another forged", where)
		}
	}
}

// hidden fields are not shown, and must send back the very name they got.
var hidden = regexp.MustCompile(`<input type="hidden"[^>]*>`)

// harmlessPage is harmless for HTML.
func harmlessPage(t *testing.T, where, page string) {
	t.Helper()
	harmless(t, where, hidden.ReplaceAllString(page, ""))
	for _, bad := range []string{"<script>alert", "<img src=x"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s: the page holds %s", where, bad)
		}
	}
	if len(page) > 1<<20 {
		t.Errorf("%s has %d bytes", where, len(page))
	}
}

// harmlessCSV is harmless for every cell of a CSV.
func harmlessCSV(t *testing.T, where, text string) {
	t.Helper()
	harmless(t, where, text)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	noError(t, err)
	for _, row := range rows {
		for _, cell := range row {
			if _, err := strconv.ParseFloat(cell, 64); err != nil && cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
				t.Errorf("%s: a spreadsheet would act on %q", where, cell)
			}
		}
	}
}

// everyBy are the ways to group a report.
var everyBy = []string{"agent", "model", "run", "hour", "day", "month", "none"}

// harmlessReports reads the report in every grouping and format.
func harmlessReports(t *testing.T, home string) (csvs string) {
	t.Helper()
	for _, by := range everyBy {
		for _, format := range []string{"table", "json", "csv"} {
			out := output(t, home, "report", "--by", by, "--format", format)
			if format == "csv" {
				harmlessCSV(t, "report --by "+by, out)
				csvs += out
				continue
			}
			harmless(t, "report --by "+by+" --format "+format, out)
		}
	}
	return csvs
}
