package dashboard

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// speed is how fast answers come.
type speed struct {
	Name                 string
	Calls                int64
	P50, P95, P99        time.Duration
	First50, First95     time.Duration
	First99              time.Duration
	FirstKnown, AnyKnown bool
}

// speedsMax is how many models the page tells apart.
const speedsMax = 8

// speeds are the percentiles of all calls, then by model.
func speeds(shapes []ledger.Spend) []speed {
	all := ledger.Spend{Model: "all models"}
	byModel := map[string]*ledger.Spend{}
	for _, s := range shapes {
		all.Add(s)
		m := byModel[s.Model]
		if m == nil {
			m = &ledger.Spend{Model: s.Model}
			byModel[s.Model] = m
		}
		m.Add(s)
	}
	list := []speed{}
	for _, m := range byModel {
		if s := newSpeed(*m); s.AnyKnown {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b speed) int { return cmp.Or(cmp.Compare(b.Calls, a.Calls), strings.Compare(a.Name, b.Name)) })
	one := newSpeed(all)
	if !one.AnyKnown {
		return nil
	}
	return append([]speed{one}, list[:min(len(list), speedsMax)]...)
}

func newSpeed(s ledger.Spend) speed {
	v := speed{Name: s.Model, Calls: s.Calls}
	at := func(percent int64) time.Duration {
		t, ok := ledger.Quantile(ledger.LatencyBounds[:], s.Latencies[:], percent)
		v.AnyKnown = v.AnyKnown || ok
		return t
	}
	first := func(percent int64) time.Duration {
		t, ok := ledger.Quantile(ledger.FirstTokenBounds[:], s.FirstTokens[:], percent)
		v.FirstKnown = v.FirstKnown || ok
		return t
	}
	v.P50, v.P95, v.P99 = at(50), at(95), at(99)
	v.First50, v.First95, v.First99 = first(50), first(95), first(99)
	return v
}
