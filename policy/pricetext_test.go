package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// inOutOf is a price of so many pico-dollars a token.
func inOutOf(in, out Pico) Price { return Price{Rates: Rates{Input: &in, Output: &out}} }

func TestPricesThatDiffer(t *testing.T) {
	for _, c := range []struct {
		p, q          Price
		far, confused bool
	}{
		{inOutOf(10, 10), inOutOf(10, 10), false, false},
		{inOutOf(10, 10), inOutOf(54, 10), false, false}, {inOutOf(10, 10), inOutOf(55, 10), true, false},
		{inOutOf(54, 10), inOutOf(10, 10), false, false}, {inOutOf(55, 10), inOutOf(10, 10), true, false},
		{inOutOf(10, 10), inOutOf(10, 55), true, false}, {inOutOf(10, 55), inOutOf(10, 10), true, false},
		{inOutOf(1, 1), inOutOf(299, 1), true, false}, {inOutOf(1, 1), inOutOf(300, 1), true, true}, {inOutOf(1, 1), inOutOf(1, 300), true, true},
		{inOutOf(99_999, 1), inOutOf(1, 1), true, false}, {inOutOf(100_000, 1), inOutOf(1, 1), true, true}, {inOutOf(1, 100_000), inOutOf(1, 1), true, true},
		{inOutOf(0, 10), inOutOf(900, 10), true, false}, {inOutOf(1_000_000, 10), inOutOf(0, 10), true, false},
		{Price{Rates: Rates{Output: pico(10)}}, inOutOf(900, 10), false, false}, {inOutOf(900, 10), Price{Rates: Rates{Output: pico(10)}}, false, false},
	} {
		if got := c.p.farOff(c.q); got != c.far {
			t.Errorf("%s against %s: far off: %t", c.p.inOut(), c.q.inOut(), got)
		}
		if got := c.p.confused(c.q); got != c.confused {
			t.Errorf("%s against %s: in another unit: %t", c.p.inOut(), c.q.inOut(), got)
		}
	}
}

// fullPrice has everything that a price can say.
func fullPrice() Price {
	var r Rates
	n := Pico(1_000_000)
	r.each(func(_ string, rate **Pico) { *rate, n = pico(n), n+1_000_000 })
	return Price{
		Rates: r, Tiers: map[string]Rates{"flex": r}, Source: "list",
		Bands: []Band{{Above: 200_000, Rates: r, Tiers: map[string]Rates{"flex": r}}},
	}
}

// TestVersionOfAPrice: whatever changes in a price, its version is another.
func TestVersionOfAPrice(t *testing.T) {
	seen := map[string]string{}
	note := func(what string, p Price) {
		if was, again := seen[p.version()]; again {
			t.Errorf("%s has the version of %s", what, was)
		}
		seen[p.version()] = what
	}
	changes := func(what string, of func(*Price) *Rates, store func(*Price, Rates)) {
		p := fullPrice()
		of(&p).each(func(name string, _ **Pico) {
			changed := fullPrice()
			r := *of(&changed)
			r.each(func(other string, rate **Pico) {
				if other == name {
					*rate = pico(7)
				}
			})
			store(&changed, r)
			note(what+" "+name, changed)
		})
	}
	note("itself", fullPrice())
	changes("rate", func(p *Price) *Rates { return &p.Rates }, func(p *Price, r Rates) { p.Rates = r })
	tier := func(m map[string]Rates) *Rates { r := m["flex"]; return &r }
	changes("tier", func(p *Price) *Rates { return tier(p.Tiers) }, func(p *Price, r Rates) { p.Tiers["flex"] = r })
	changes("band", func(p *Price) *Rates { return &p.Bands[0].Rates }, func(p *Price, r Rates) { p.Bands[0].Rates = r })
	changes("band's tier", func(p *Price) *Rates { return tier(p.Bands[0].Tiers) }, func(p *Price, r Rates) { p.Bands[0].Tiers["flex"] = r })
	for what, change := range map[string]func(*Price){
		"source": func(p *Price) { p.Source = "models.yaml" }, "assumed": func(p *Price) { p.Assumed = true },
		"band's begin": func(p *Price) { p.Bands[0].Above++ }, "tier's name": func(p *Price) { p.Tiers = map[string]Rates{"batch": p.Tiers["flex"]} },
	} {
		p := fullPrice()
		change(&p)
		note(what, p)
	}
}

// TestPriceInAPlace: every token class costs a tenth more, in every tier and band; fees do not, and the price itself stays.
func TestPriceInAPlace(t *testing.T) {
	p := fullPrice()
	p.Version = p.version()
	us := p.InGeo("us")
	for what, r := range map[string]Rates{"standard": us.Rates, "tier": us.Tiers["flex"], "band": us.Bands[0].Rates, "band's tier": us.Bands[0].Tiers["flex"]} {
		want := fullPrice().Rates
		want.each(func(name string, rate **Pico) {
			if !strings.HasPrefix(name, "per_") {
				*rate = pico(**rate * 11 / 10)
			}
		})
		if got, want := text(r), text(want); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	if us.Version != us.version() || us.Version == p.Version {
		t.Errorf("version %s of %s", us.Version, p.Version)
	}
	if p.version() != fullPrice().version() {
		t.Error("the price itself was changed")
	}
	for _, geo := range []string{"", "global", "not_available"} {
		if got := p.InGeo(geo).Version; got != p.Version {
			t.Errorf("%q: another price", geo)
		}
	}
	if got := (Price{}).InGeo("us"); got.Input != nil {
		t.Error("a rate that was not known is")
	}
}

func text(r Rates) string {
	var b strings.Builder
	r.each(func(name string, rate **Pico) { fmt.Fprintf(&b, "%s %d ", name, **rate) })
	return b.String()
}

func TestPriceInWords(t *testing.T) {
	p := Price{Rates: Rates{Input: pico(1_500_000), Output: pico(2_000_000), PerSearch: pico(10_000_000_000)}, Source: "list", Version: "v"}
	if got, want := p.String(), "input $1.5/M, output $2/M, per search $0.01, list #v"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestTiersOfBands: a tier that only the lowest band knows costs at least the band's own rates above it.
func TestTiersOfBands(t *testing.T) {
	p := Price{
		Rates: Rates{Input: pico(100), Output: pico(100)}, Tiers: map[string]Rates{"flex": {Input: pico(50), Output: pico(500)}, "own": {Input: pico(9)}},
		Bands: []Band{{Above: 10, Rates: Rates{Input: pico(200), Output: pico(200)}, Tiers: map[string]Rates{"own": {Input: pico(7)}}}},
	}
	got := p.bandTiers(p.Bands[0])
	if *got["flex"].Input != 200 || *got["flex"].Output != 500 || *got["own"].Input != 7 {
		t.Errorf("%+v", got)
	}
	if len(p.Bands[0].Tiers) != 1 {
		t.Error("the band itself was changed")
	}
	if got := p.bandTiers(Band{Above: 10, Rates: p.Rates}); !slices.Equal(slices.Sorted(maps.Keys(got)), []string{"flex", "own"}) {
		t.Errorf("a band without tiers: %+v", got)
	}
	fast := Price{Tiers: map[string]Rates{"priority": {Input: pico(3)}}}
	if !fast.HasTier(TierFast) || fast.HasTier("flex") || (Price{}).HasTier(TierFast) {
		t.Error("fast is known where priority is, and only there")
	}
}

func TestNearestName(t *testing.T) {
	for _, c := range []struct {
		a, b string
		most int
		want int
	}{
		{"kitten", "sitting", 9, 3}, {"flaw", "lawn", 9, 2}, {"ab", "ba", 9, 2}, {"abc", "abc", 5, 0}, {"", "abc", 9, 3}, {"abc", "", 9, 3},
		{"abc", "xyz", 2, 2}, {"a", "abc", 2, 2}, {"abc", "a", 2, 2}, {"a", "abc", 3, 2}, {"abc", "a", 3, 2}, {"xabc", "abc", 4, 1}, {"abc", "abd", 1, 1},
	} {
		if got := Distance(c.a, c.b, c.most); got != c.want {
			t.Errorf("%q and %q, at most %d: %d, want %d", c.a, c.b, c.most, got, c.want)
		}
	}
}
