package policy

import (
	"fmt"
	"strings"
)

// CheckPrice tells whether --price can be read.
func CheckPrice(flag string) error {
	_, _, err := parsePriceFlag(flag)
	return err
}

// parsePriceFlag reads MODEL=IN/OUT, dollars per million tokens.
func parsePriceFlag(s string) (model string, p Price, err error) {
	bad := func(why string, args ...any) (string, Price, error) {
		return "", Price{}, fmt.Errorf("--price %q: %s; write it MODEL=IN/OUT in dollars per million tokens, for example my-model=0.60/2.40",
			s, fmt.Sprintf(why, args...))
	}
	// The last "=": names may hold one, prices may not.
	at := strings.LastIndexByte(s, '=')
	if at < 0 {
		return bad("there is no =")
	}
	model = strings.TrimSpace(s[:at])
	in, out, both := strings.Cut(s[at+1:], "/")
	switch {
	case model == "":
		return bad("there is no model")
	case !both:
		return bad("there is no / between the two prices")
	}
	input, err := perMillion(strings.TrimPrefix(strings.TrimSpace(in), "$"))
	if err != nil {
		return bad("input: %v", err)
	}
	output, err := perMillion(strings.TrimPrefix(strings.TrimSpace(out), "$"))
	if err != nil {
		return bad("output: %v", err)
	}
	p = Price{Rates: Rates{Input: &input, Output: &output}, Source: "--price", AnyTier: true}
	p.Version = p.version()
	return model, p, nil
}

// inOut is how messages tell a price: input/output per million tokens.
func (p Price) inOut() string {
	f := p.Rates.figures(p.Rates)
	return fmt.Sprintf("$%s/$%s", dollars(f.input.pico, 6), dollars(f.output.pico, 6))
}

// farOff reports whether two prices differ by more than a factor of five.
func (p Price) farOff(q Price) bool {
	far := func(a, b figure) bool {
		return a.known && b.known && (a.pico/5 > b.pico || b.pico/5 > a.pico)
	}
	a, b := p.Rates.figures(p.Rates), q.Rates.figures(q.Rates)
	return far(a.input, b.input) || far(a.output, b.output)
}

// Prices in other units: dollars per thousand tokens are a thousandth, per
// token a millionth of those per million; the other way round they are as much
// too high. No provider sells a model at a three-hundredth of another's price.
const (
	confusedLow  = 300
	confusedHigh = 100_000
)

// confused reports whether a price must be in another unit than q, the
// catalogue's. Zero is a price.
func (p Price) confused(q Price) bool {
	other := func(a, b figure) bool {
		return a.known && b.known && a.pico > 0 && b.pico > 0 && (b.pico/confusedLow >= a.pico || a.pico/confusedHigh >= b.pico)
	}
	a, b := p.Rates.figures(p.Rates), q.Rates.figures(q.Rates)
	return other(a.input, b.input) || other(a.output, b.output)
}
