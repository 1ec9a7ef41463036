package cli

import (
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (a *app) printReport(views []spendView, filter ledger.SpendFilter, zone ledger.Zone, f *reportFlags) error {
	layout := map[ledger.Grouping]string{ledger.ByHour: "2006-01-02 15:04", ledger.ByDay: "2006-01-02", ledger.ByMonth: "2006-01"}[filter.Per]
	columns := f.steps(filter, &zone)
	for _, key := range []ledger.Grouping{filter.By, filter.Then} {
		if key != "" {
			columns = append(columns, left(string(key)))
		}
	}
	if f.csv {
		columns = append(columns, right("calls"), right("input_tokens"), right("cached_tokens"), right("output_tokens"), right("average_ms"), right("cost_usd"), right("in_doubt_usd"))
	} else {
		columns = append(columns, right("calls"), right("input"), right("cached"), right("output"), right("average"), right("cost"))
	}
	var rows [][]string
	var calls, cost, doubt, doubtful int64
	for _, v := range views {
		var row []string
		if v.Bucket != nil {
			row = append(row, v.Bucket.In(zone.Location()).Format(layout))
		}
		if filter.By != "" {
			row = append(row, orText(v.Key, "(none)"))
		}
		if filter.Then != "" {
			row = append(row, orText(v.Then, "(none)"))
		}
		average, price := (time.Duration(v.Latency) * time.Millisecond).String(), v.Cost.String()
		if f.csv {
			average, price = count(v.Latency), perMillion((*int64)(&v.Cost))
		}
		row = append(row, count(v.Calls), count(v.Input), count(v.Cached), count(v.Output), average, price)
		if f.csv {
			row = append(row, perMillion((*int64)(&v.Doubt)))
		}
		rows = append(rows, row)
		calls, cost = calls+v.Calls, cost+int64(v.Cost)
		doubt, doubtful = doubt+int64(v.Doubt), doubtful+v.Doubtful
	}
	if f.csv {
		return a.printCSV(columns, rows)
	}
	if len(rows) == 0 {
		a.printf("nothing was spent then")
		return nil
	}
	a.printTable(columns, rows)
	in := ""
	if doubtful != 0 {
		in = fmt.Sprintf(", %s of it in doubt (%s)", ledger.Micros(doubt), brokeOff(doubtful))
	}
	a.printf("\n%d calls, %s%s", calls, ledger.Micros(cost), in)
	return nil
}

// steps is the column of the steps of time, with the zone that they are of.
// Hours are instants: in CSV those are UTC.
func (f *reportFlags) steps(filter ledger.SpendFilter, zone *ledger.Zone) []column {
	if filter.Per == "" {
		return nil
	}
	if f.csv && filter.Per == ledger.ByHour {
		*zone = ledger.Zone{}
	}
	if !f.csv {
		return []column{left(f.per + " (" + zone.String() + ")")}
	}
	return []column{left(f.per + "_" + strings.Replace(zone.String(), "UTC", "utc", 1))}
}

// printCSV keeps a spreadsheet from taking a name for a formula.
func (a *app) printCSV(columns []column, rows [][]string) error {
	w := csv.NewWriter(a.stdout)
	header := make([]string, 0, len(columns))
	for _, c := range columns {
		header = append(header, c.name)
	}
	if err := w.Write(header); err != nil {
		return err
	}
	for _, row := range rows {
		for i, cell := range row {
			cell = printable(cell)
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				cell = "'" + cell
			}
			row[i] = cell
		}
		if err := w.Write(row); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
	}
	w.Flush()
	return w.Error()
}
