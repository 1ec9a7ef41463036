package policy

import (
	"errors"
	"fmt"
	"math/bits"
)

// Pico is an amount of money in pico-US-dollars (10^-12); prices are Pico per
// token, so $1 per million tokens is 1,000,000 Pico.
type Pico int64

// picoPerMicro is how many pico-dollars are a micro-dollar.
const picoPerMicro = 1_000_000

// Errors of Cost.
var (
	// ErrNoRate means that a class of usage has no rate and no fallback.
	ErrNoRate = errors.New("no rate for this usage")
	// ErrTier means that the answer names a service tier which has no price.
	ErrTier = errors.New("no price for this service tier")
	// ErrAmount means that a count or a sum is negative or too large.
	ErrAmount = errors.New("not an amount")
)

// Rates are the prices of one service tier and context band. A nil rate is
// unknown, which is not zero: usage of that class falls back as documented on
// Cost, or cannot be priced.
type Rates struct {
	Input, CacheRead, CacheWrite5m, CacheWrite1h *Pico
	Output, AudioIn, AudioOut                    *Pico
	PerRequest                                   *Pico // a flat fee a call
	PerSearch                                    *Pico // a fee a counted web search
}

// Price is everything a model can cost.
type Price struct {
	Rates                  // standard tier, lowest band
	Bands []Band           // above a number of input tokens the whole call costs these; ascending
	Tiers map[string]Rates // served service tier -> rates ("flex", "priority", "fast", ...), lowest band

	Source  string // where the figures are from: "catalogue 2026-11-20", "models.yaml", "--price"
	Version string // short id of the rate as used, stored in events
	Assumed bool   // the row of another host was used
	AnyTier bool   // whatever the tier: it runs on this machine, or the user has said what it costs
}

// Band is a long-context band.
type Band struct {
	Above int64 // input tokens of all input classes together, greater than this
	Rates Rates
	Tiers map[string]Rates // as Price.Tiers, in this band
}

// Cost is the price of a usage in micro-US-dollars, summed exactly and rounded
// up once. tier is the served service tier ("" and "default" and "standard":
// the standard one). An error means that the usage cannot be priced: see Clear.
//
// The whole call is billed in the band of its input tokens, all input classes
// together. Where a class in use has no rate:
//   - a cache read costs what input costs;
//   - a five minute cache write costs 1.25 times input, a one hour write 2
//     times input (what Anthropic publishes, the dearest there is), and neither
//     less than a shorter write;
//   - audio, output, input and searches have no fallback: ErrNoRate;
//   - a call has no flat fee unless one is known.
//
// A tier without a price is ErrTier: it may be dearer than all that are known.
func Cost(p Price, u Usage, tier string) (micros int64, err error) {
	total, err := u.inputTokens()
	if err != nil {
		return 0, err
	}
	if !p.HasTier(tier) {
		return 0, fmt.Errorf("%w: %q", ErrTier, tier)
	}
	f := p.figures(total, tier)
	var sum sum
	for _, line := range u.lines(f) {
		switch {
		case line.count < 0:
			return 0, fmt.Errorf("%w: %s of %d", ErrAmount, line.class, line.count)
		case line.count == 0:
		case !line.rate.known:
			return 0, fmt.Errorf("%w: %s", ErrNoRate, line.class)
		default:
			sum.add(line.count, line.rate.pico)
		}
	}
	if f.perRequest.known {
		sum.add(1, f.perRequest.pico)
	}
	return sum.micros()
}

// Clear is the price of what of a usage can be priced, in micro-US-dollars
// rounded up: at the standard tier where the one told has no price. Input and
// output of a class without a price are tokens all the same, and cost what the
// dearest of their kind is known to cost; searches without one cost nothing.
// Counts that are no amounts do not count either, and a sum that does not fit
// is 0.
func Clear(p Price, u Usage, tier string) int64 {
	var total int64
	for _, n := range []*int64{&u.Input, &u.CacheRead, &u.CacheWrite5m, &u.CacheWrite1h, &u.AudioIn} {
		if *n < 0 || *n > maxCap {
			*n = 0
		}
		total += *n
	}
	if !p.HasTier(tier) {
		tier = ""
	}
	f := p.figures(total, tier).likened()
	var sum sum
	for _, line := range u.lines(f) {
		if line.count > 0 && line.count <= maxCap && line.rate.known {
			sum.add(line.count, line.rate.pico)
		}
	}
	if f.perRequest.known {
		sum.add(1, f.perRequest.pico)
	}
	micros, err := sum.micros()
	if err != nil {
		return 0
	}
	return micros
}

// line is a class of usage and its rate.
type line struct {
	class string
	count int64
	rate  figure
}

func (u Usage) lines(f figures) []line {
	return []line{
		{"input", u.Input, f.input},
		{"cache read", u.CacheRead, f.cacheRead},
		{"5 minute cache write", u.CacheWrite5m, f.cacheWrite5m},
		{"1 hour cache write", u.CacheWrite1h, f.cacheWrite1h},
		{"output", u.Output, f.output},
		{"audio input", u.AudioIn, f.audioIn},
		{"audio output", u.AudioOut, f.audioOut},
		{"web search", u.Searches, f.perSearch},
	}
}

// inputTokens is what the context band goes by.
func (u Usage) inputTokens() (int64, error) {
	var total int64
	for _, n := range []int64{u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.AudioIn} {
		if n < 0 {
			return 0, fmt.Errorf("%w: %d input tokens", ErrAmount, n)
		}
		if total += n; total < 0 {
			return 0, fmt.Errorf("%w: too many input tokens", ErrAmount)
		}
	}
	return total, nil
}

// sum is an exact total of pico-dollars, 128 bits wide.
type sum struct {
	hi, lo   uint64
	overflow bool
}

// add adds count times rate; both must not be negative.
func (s *sum) add(count int64, rate Pico) {
	if count < 0 || rate < 0 {
		s.overflow = true
		return
	}
	hi, lo := bits.Mul64(uint64(count), uint64(rate))
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, carry = bits.Add64(s.hi, hi, carry)
	s.overflow = s.overflow || carry != 0
}

// micros rounds up.
func (s *sum) micros() (int64, error) {
	if s.overflow || s.hi >= picoPerMicro {
		return 0, fmt.Errorf("%w: the cost does not fit", ErrAmount)
	}
	quo, rem := bits.Div64(s.hi, s.lo, picoPerMicro)
	if rem != 0 {
		quo++
	}
	if quo == 0 && rem != 0 || quo > 1<<63-1 {
		return 0, fmt.Errorf("%w: the cost does not fit", ErrAmount)
	}
	return int64(quo), nil
}

// quotient is (the sum minus less) divided by by, rounded down; 0 where that is
// negative, the largest int64 where it does not fit.
func (s *sum) quotient(less, by Pico) int64 {
	lo, borrow := bits.Sub64(s.lo, uint64(less), 0)
	hi, borrow := bits.Sub64(s.hi, 0, borrow)
	switch {
	case borrow != 0 || s.overflow:
		return 0
	case hi >= uint64(by):
		return 1<<63 - 1
	}
	quo, _ := bits.Div64(hi, lo, uint64(by))
	return int64(min(quo, 1<<63-1))
}
