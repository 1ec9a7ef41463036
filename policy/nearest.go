package policy

import (
	"fmt"
	"strings"
)

// hint is what may help with a model that has no price: the nearest name that
// is known there, and how newer ones become known.
func (r *Registry) hint(p Provider, sent string) string {
	shelf := p.PriceAs
	if shelf == "" {
		shelf = map[string]string{TypeOpenAI: openAI, TypeAnthropic: anthropic, TypeGemini: google}[p.Type]
	}
	near := r.catalogue().nearest(shelf, sent)
	if near == "" {
		return "; a model newer than the price list becomes known by: aex models update"
	}
	return fmt.Sprintf("; the nearest that is known is %s, and newer ones become known by: aex models update", near)
}

// nearest is the id of a provider that a name differs from least; "" where all
// are of another kind altogether.
func (c *catalogue) nearest(provider, model string) string {
	name := strings.TrimPrefix(strings.ToLower(model), "models/")
	if len(name) > 100 {
		return ""
	}
	rows, _ := c.of(provider)
	best, least := "", len(name)/2+1
	for _, row := range rows {
		if d := Distance(name, strings.ToLower(row.ID), least); d < least {
			best, least = row.ID, d
		}
	}
	return best
}

// Distance is how many letters have to be changed, added or taken away to make
// one word the other; most where it is that or more.
func Distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
			least = min(least, row[j+1])
		}
		if least >= most {
			return most
		}
	}
	return min(row[len(b)], most)
}
