package dashboard

import (
	"cmp"
	"slices"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// chartKeys is how many keys a chart tells apart; the rest are one series.
const chartKeys = 7

// otherKeys is the name of that series.
const otherKeys = "other"

// chart is spending over time: a column of amounts for each key.
type chart struct {
	zone    ledger.Zone
	buckets []time.Time
	keys    []string
	amounts [][]ledger.Micros // by key, then bucket
	total   ledger.Micros
	folded  bool // the last key stands for all others
}

// newChart arranges sums into equal steps of time from first to last, the
// dearest keys first and the rest folded into one.
func newChart(spends []ledger.Spend, zone ledger.Zone, per ledger.Grouping, first, last time.Time) chart {
	totals := map[string]ledger.Micros{}
	for _, s := range spends {
		totals[s.Key] += s.Cost
	}
	c := chart{zone: zone}
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
	for t := zone.Start(per, first); !t.After(last); t = zone.Next(per, t) {
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
		b = b.In(c.zone.Location())
		_, ahead := b.Zone()
		switch {
		case per == ledger.ByMonth && (int(b.Month())-1)%every == 0:
			labels[i] = b.Format("Jan 2006")
		case per == ledger.ByDay && (len(c.buckets)-1-i)%every == 0:
			labels[i] = b.Format("Jan 2")
		case per == ledger.ByHour && (b.Unix()+int64(ahead))/3600%int64(every) == 0:
			if labels[i] = b.Format("15:04"); b.Hour() == 0 {
				labels[i] = b.Format("Jan 2")
			}
		}
	}
	return labels
}
