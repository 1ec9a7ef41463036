package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxPerMillion is the dearest believable price: $10,000 per million tokens.
// Anything above is a confusion of units.
const maxPerMillion = Pico(10_000 * 1_000_000)

// maxFee is the dearest believable fee of one call or one search: $1,000.
const maxFee = Pico(1_000_000_000_000_000)

// errDecimal is wrapped by what parseDecimal returns.
var errDecimal = errors.New("not a plain decimal number")

// parseDecimal reads a plain, non-negative decimal number exactly and returns
// it times ten to the given number of places. It knows no sign, exponent, inf
// or nan, and refuses what has more places than fit.
func parseDecimal(s string, places int) (int64, error) {
	whole, frac, point := strings.Cut(s, ".")
	switch {
	case whole == "" || point && frac == "":
		return 0, fmt.Errorf("%w: %q; write it like 0.15", errDecimal, s)
	case strings.Trim(whole+frac, "0123456789") != "":
		return 0, fmt.Errorf("%w: %q; write it like 0.15", errDecimal, s)
	}
	frac = strings.TrimRight(frac, "0")
	if len(frac) > places {
		return 0, fmt.Errorf("%w: %q has more than %d decimal places", errDecimal, s, places)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", places-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is too large", errDecimal, s)
	}
	return n, nil
}

// perMillion reads dollars per million tokens.
func perMillion(s string) (Pico, error) {
	n, err := parseDecimal(s, 6)
	if err == nil && Pico(n) > maxPerMillion {
		err = fmt.Errorf("$%s per million tokens is more than $10,000; prices are in dollars per million tokens", s)
	}
	return Pico(n), err
}

// fee reads a fee in dollars.
func fee(s string) (Pico, error) {
	n, err := parseDecimal(s, 12)
	if err == nil && Pico(n) > maxFee {
		err = fmt.Errorf("a fee of $%s is more than $1,000; fees are in dollars each", s)
	}
	return Pico(n), err
}

// dollars writes n times ten to the minus places as a plain decimal.
func dollars(n Pico, places int) string {
	s := fmt.Sprintf("%0*d", places+1, int64(n))
	whole, frac := s[:len(s)-places], strings.TrimRight(s[len(s)-places:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}
