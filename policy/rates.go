package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// TierFast is a mode that a request must ask for by a field of its own
// (speed: fast at Anthropic). An unknown served tier never means it.
const TierFast = "fast"

// figure is a rate with its fallback applied.
type figure struct {
	pico  Pico
	known bool
}

// figures are the rates that a call is billed at.
type figures struct {
	input, cacheRead, cacheWrite5m, cacheWrite1h figure
	output, audioIn, audioOut                    figure
	perRequest, perSearch                        figure
}

// figures picks band and tier.
func (p Price) figures(inputTokens int64, tier string) figures {
	standard, tiers := p.Rates, p.Tiers
	for _, b := range p.Bands {
		if inputTokens > b.Above {
			standard, tiers = b.Rates, p.bandTiers(b)
		}
	}
	return pick(standard, tiers, tier, p.Rates)
}

// bandTiers are a band's tiers; one that only the lowest band knows stays
// known, at no less than this band's standard rates.
func (p Price) bandTiers(b Band) map[string]Rates {
	tiers := maps.Clone(b.Tiers)
	for name, r := range p.Tiers {
		if _, known := tiers[name]; !known {
			if tiers == nil {
				tiers = map[string]Rates{}
			}
			tiers[name] = dearestRates(r, b.Rates)
		}
	}
	return tiers
}

// standardTier knows the names of the standard tier: OpenAI's, Anthropic's,
// Google's and Groq's. What answers with the auto that it was asked for says
// nothing.
func standardTier(tier string) bool {
	switch tier {
	case "", "default", "standard", "standard_only", "on_demand":
		return true
	}
	return false
}

// HasTier reports whether a served tier has a price.
func (p Price) HasTier(tier string) bool {
	if standardTier(tier) || tier == "auto" || p.AnyTier {
		return true
	}
	if _, known := p.Tiers[tier]; known {
		return true
	}
	_, known := p.Tiers["priority"]
	return tier == TierFast && known // as pick has it
}

// pick resolves a tier's name. fees are where fees come from that a tier does
// not name itself.
func pick(standard Rates, tiers map[string]Rates, tier string, fees Rates) figures {
	switch {
	case standardTier(tier):
		return standard.figures(fees)
	case tier == TierFast: // OpenAI answers "fast" as "priority", and bills it so
		if _, own := tiers[TierFast]; !own {
			tier = "priority"
		}
	}
	if r, known := tiers[tier]; known {
		return r.figures(fees)
	}
	dearest := standard.figures(fees)
	for name, r := range tiers {
		if name != TierFast {
			dearest = dearest.max(r.figures(fees))
		}
	}
	return dearest
}

// figures applies the fallbacks documented on Cost.
func (r Rates) figures(fees Rates) figures {
	f := figures{
		input: known(r.Input), cacheRead: known(r.CacheRead),
		cacheWrite5m: known(r.CacheWrite5m), cacheWrite1h: known(r.CacheWrite1h),
		output: known(r.Output), audioIn: known(r.AudioIn), audioOut: known(r.AudioOut),
		perRequest: known(r.PerRequest), perSearch: known(r.PerSearch),
	}
	if !f.perRequest.known {
		f.perRequest = known(fees.PerRequest)
	}
	if !f.perSearch.known {
		f.perSearch = known(fees.PerSearch)
	}
	if !f.input.known {
		return f
	}
	if !f.cacheRead.known {
		f.cacheRead = f.input
	}
	if !f.cacheWrite5m.known {
		f.cacheWrite5m = f.input.times(5, 4)
	}
	if !f.cacheWrite1h.known {
		f.cacheWrite1h = f.input.times(2, 1).max(f.cacheWrite5m)
	}
	return f
}

func known(p *Pico) figure {
	if p == nil {
		return figure{}
	}
	return figure{*p, true}
}

// times scales a figure, rounding up and stopping at the largest amount.
func (f figure) times(num, den Pico) figure {
	if f.pico > (math.MaxInt64-den)/num {
		return figure{math.MaxInt64, f.known}
	}
	return figure{(f.pico*num + den - 1) / den, f.known}
}

// max is the dearer figure; one that is not known does not count.
func (f figure) max(g figure) figure {
	if !f.known || g.known && g.pico > f.pico {
		return g
	}
	return f
}

// times scales the price of every token.
func (f figures) times(num, den Pico) figures {
	for _, class := range []*figure{&f.input, &f.cacheRead, &f.cacheWrite5m, &f.cacheWrite1h, &f.output, &f.audioIn, &f.audioOut} {
		*class = class.times(num, den)
	}
	return f
}

// likened gives tokens without a price the dearest that is known of their kind:
// of what is read, or of what is made. A cache write's price is for writes alone.
func (f figures) likened() figures {
	read := f.input.max(f.cacheRead).max(f.audioIn)
	made := f.output.max(f.audioOut)
	for _, class := range []*figure{&f.input, &f.cacheRead, &f.cacheWrite5m, &f.cacheWrite1h, &f.audioIn} {
		if !class.known {
			*class = read
		}
	}
	for _, class := range []*figure{&f.output, &f.audioOut} {
		if !class.known {
			*class = made
		}
	}
	return f
}

// max is the dearer of each class.
func (f figures) max(g figures) figures {
	return figures{
		f.input.max(g.input), f.cacheRead.max(g.cacheRead),
		f.cacheWrite5m.max(g.cacheWrite5m), f.cacheWrite1h.max(g.cacheWrite1h),
		f.output.max(g.output), f.audioIn.max(g.audioIn), f.audioOut.max(g.audioOut),
		f.perRequest.max(g.perRequest), f.perSearch.max(g.perSearch),
	}
}

// each visits every rate with the name that files give it.
func (r *Rates) each(visit func(name string, rate **Pico)) {
	visit("input", &r.Input)
	visit("cache_read", &r.CacheRead)
	visit("cache_write_5m", &r.CacheWrite5m)
	visit("cache_write_1h", &r.CacheWrite1h)
	visit("output", &r.Output)
	visit("audio_in", &r.AudioIn)
	visit("audio_out", &r.AudioOut)
	visit("per_request", &r.PerRequest)
	visit("per_search", &r.PerSearch)
}

// dearestRates is the dearer of each class, without fallbacks.
func dearestRates(a, b Rates) Rates {
	var theirs []*Pico
	b.each(func(_ string, rate **Pico) { theirs = append(theirs, *rate) })
	i := 0
	a.each(func(_ string, rate **Pico) {
		if *rate == nil || theirs[i] != nil && *theirs[i] > **rate {
			*rate = theirs[i]
		}
		i++
	})
	return a
}

// InGeo is the price where the request or the answer names an inference_geo.
// Anthropic bills "us" at 1.1 times every token class; any other place that is
// named is taken to cost as much, "global" and "not_available" cost nothing
// more. Fees do not change.
func (p Price) InGeo(geo string) Price {
	switch geo {
	case "", "global", "not_available":
		return p
	}
	p.Rates = p.Rates.inGeo()
	p.Tiers = tiersInGeo(p.Tiers)
	p.Bands = slices.Clone(p.Bands)
	for i := range p.Bands {
		p.Bands[i].Rates = p.Bands[i].Rates.inGeo()
		p.Bands[i].Tiers = tiersInGeo(p.Bands[i].Tiers)
	}
	p.Version = p.version()
	return p
}

func tiersInGeo(tiers map[string]Rates) map[string]Rates {
	tiers = maps.Clone(tiers)
	for name, r := range tiers {
		tiers[name] = r.inGeo()
	}
	return tiers
}

func (r Rates) inGeo() Rates {
	r.each(func(name string, rate **Pico) {
		if *rate != nil && !strings.HasPrefix(name, "per_") {
			dearer := known(*rate).times(11, 10).pico
			*rate = &dearer
		}
	})
	return r
}

// String tells the standard rates and where they are from, in dollars per
// million tokens.
func (p Price) String() string {
	var b strings.Builder
	p.Rates.each(func(name string, rate **Pico) {
		switch {
		case *rate == nil:
		case strings.HasPrefix(name, "per_"):
			fmt.Fprintf(&b, "%s $%s, ", strings.ReplaceAll(name, "_", " "), dollars(**rate, 12))
		default:
			fmt.Fprintf(&b, "%s $%s/M, ", strings.ReplaceAll(name, "_", " "), dollars(**rate, 6))
		}
	})
	return fmt.Sprintf("%s%s #%s", b.String(), p.Source, p.Version)
}

// version is a short id of everything that a price says.
func (p Price) version() string {
	h := sha256.New()
	write := func(r Rates) {
		r.each(func(name string, rate **Pico) {
			if *rate != nil {
				fmt.Fprintf(h, "%s=%d;", name, **rate)
			}
		})
	}
	writeTiers := func(tiers map[string]Rates) {
		for _, name := range slices.Sorted(maps.Keys(tiers)) {
			fmt.Fprintf(h, "tier %q;", name)
			write(tiers[name])
		}
	}
	write(p.Rates)
	writeTiers(p.Tiers)
	for _, b := range p.Bands {
		fmt.Fprintf(h, "above %d;", b.Above)
		write(b.Rates)
		writeTiers(b.Tiers)
	}
	fmt.Fprintf(h, "%s;%v", p.Source, p.Assumed)
	return hex.EncodeToString(h.Sum(nil)[:4])
}
