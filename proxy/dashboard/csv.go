package dashboard

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// asCSV tells whether a page's table is asked for instead of the page.
func asCSV(r *http.Request) bool { return r.URL.Query().Get("format") == "csv" }

// sendCSV answers with a table: plain numbers, units in the header, and no name
// that a spreadsheet would take for a formula.
func sendCSV(w http.ResponseWriter, name string, header []string, rows [][]string) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="aex-`+name+`.csv"`)
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return nil // a client that is gone needs no table
	}
	for _, row := range rows {
		for i, cell := range row {
			if cell = plain.Text(cell, 1000); cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !isNumber(cell) {
				cell = "'" + cell
			}
			row[i] = cell
		}
		if err := out.Write(row); err != nil {
			return nil // likewise
		}
	}
	out.Flush()
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// usdCSV is an amount as a plain number of dollars.
func usdCSV(m ledger.Micros) string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	return fmt.Sprintf("%s%d.%06d", sign, m/1_000_000, m%1_000_000)
}

// budgetCSV is empty for no limit.
func budgetCSV(m *ledger.Micros) string {
	if m == nil {
		return ""
	}
	return usdCSV(*m)
}

func timeCSV(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func countCSV(n int64) string { return strconv.FormatInt(n, 10) }
