package ledger

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParseUSD(t *testing.T) {
	for s, want := range map[string]Micros{"0.50": 500_000, "$10": 10_000_000, "3": 3_000_000, ".5": 500_000, "0.000001": 1, "0": 0, "2.01": 2_010_000, "007": 7_000_000, "9": 9_000_000, "9223372036853.775807": 9223372036853775807, "9223372036853": 9223372036853000000} {
		if got, err := ParseUSD(s); err != nil || got != want {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "$", ".", "-1", "+1", "1e3", "inf", "nan", "0.0000001", "1.", "1,5", " 1", "1 ", "0x10", "٣", "99999999999999", "9223372036854", "1/2", "1:2", "0.1:", "0.1/", "$$1", "1.2.3"} {
		if got, err := ParseUSD(s); !errors.Is(err, ErrAmount) {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}

func TestMicrosString(t *testing.T) {
	for m, want := range map[Micros]string{500_000: "$0.50", 31_200: "$0.0312", 7: "$0.000007", 0: "$0.00", 123_000_000: "$123.00", 1_005_000: "$1.0050", -1_500_000: "-$1.50"} {
		if got := m.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(m), got, want)
		}
	}
}

// FuzzParseUSD: what is accepted is exactly that decimal number, and what is
// printed reads back as the same amount.
func FuzzParseUSD(f *testing.F) {
	for _, s := range []string{"0.50", "$10", "-1", "1e400", "0.0000001", "9223372036853.775807", ".5", "inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseUSD(s)
		if err != nil {
			return
		}
		exact, ok := new(big.Rat).SetString(strings.TrimPrefix(s, "$"))
		if !ok || exact.Cmp(big.NewRat(int64(m), 1_000_000)) != 0 {
			t.Fatalf("%q is not %d", s, int64(m))
		}
		if back, err := ParseUSD(m.String()); err != nil || back != m {
			t.Fatalf("%d prints as %s and reads as %d, %v", int64(m), m, int64(back), err)
		}
	})
}
