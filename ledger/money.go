package ledger

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Micros is an amount of money in micro-US-dollars: 1,000,000 are one dollar.
type Micros int64

// ErrAmount is wrapped by every error of ParseUSD.
var ErrAmount = errors.New("not an amount of dollars")

// ParseUSD reads a plain decimal amount of dollars ("0.50", "$10", "3")
// exactly. Signs, exponents, inf, nan, more than six decimal places and
// amounts beyond int64 micro-dollars are errors that wrap ErrAmount.
func ParseUSD(s string) (Micros, error) {
	bad := func(why string) (Micros, error) {
		return 0, fmt.Errorf("%w: %q %s", ErrAmount, s, why)
	}
	digits := strings.TrimPrefix(s, "$")
	whole, frac, point := strings.Cut(digits, ".")
	if whole == "" && frac == "" {
		return bad("has no digits; write it like 0.50")
	}
	for _, r := range whole + frac {
		if r < '0' || r > '9' {
			return bad("is not a plain positive number; write it like 0.50")
		}
	}
	if point && frac == "" {
		return bad("ends in a point; write it like 0.50")
	}
	if len(frac) > 6 {
		return bad("has more than six decimal places; a micro-dollar is the smallest amount")
	}
	if whole == "" {
		whole = "0"
	}
	dollars, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || dollars > math.MaxInt64/1_000_000-1 {
		return bad("is too large")
	}
	micros := int64(0)
	if frac != "" {
		// Six digits at most, all decimal: this cannot fail.
		micros, _ = strconv.ParseInt(frac+strings.Repeat("0", 6-len(frac)), 10, 64)
	}
	return Micros(dollars*1_000_000 + micros), nil
}

// String prints the amount as people read it, exactly, with two, four or six
// decimals ("$0.50", "$0.0312", "$0.000007").
func (m Micros) String() string {
	sign := ""
	n := uint64(m)
	if m < 0 {
		sign, n = "-", -n
	}
	frac := fmt.Sprintf("%06d", n%1_000_000)
	keep := 6
	for keep > 2 && frac[keep-1] == '0' {
		keep--
	}
	keep += keep % 2
	return fmt.Sprintf("%s$%d.%s", sign, n/1_000_000, frac[:keep])
}
