package policy

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// pico makes a rate of so many pico-dollars.
func pico(n Pico) *Pico { return &n }

// usd is a rate in dollars per million tokens.
func usd(t testing.TB, s string) *Pico {
	t.Helper()
	p, err := perMillion(s)
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// drawRate draws a rate, sometimes none.
func drawRate(t *rapid.T, name string) *Pico {
	if rapid.IntRange(0, 9).Draw(t, name+" known") == 9 {
		return nil
	}
	most := rapid.SampledFrom([]int64{10, 1_000_000, 100_000_000, int64(maxPerMillion)}).Draw(t, name+" scale")
	return pico(Pico(rapid.Int64Range(0, most).Draw(t, name)))
}

func drawRates(t *rapid.T, name string) Rates {
	var r Rates
	r.each(func(class string, rate **Pico) { *rate = drawRate(t, name+" "+class) })
	return r
}

func drawUsage(t *rapid.T, most int64) Usage {
	n := func(name string) int64 {
		if rapid.Bool().Draw(t, name+" used") {
			return rapid.Int64Range(0, most).Draw(t, name)
		}
		return 0
	}
	return Usage{
		Input: n("input"), CacheRead: n("read"), CacheWrite5m: n("5m"), CacheWrite1h: n("1h"),
		Output: n("output"), AudioIn: n("audio in"), AudioOut: n("audio out"), Searches: n("searches") % 100,
	}
}

// ratRate is the rate a class is billed at, worked out apart from the code
// under test.
func ratRate(r Rates, class string) *big.Rat {
	of := func(p *Pico) *big.Rat {
		if p == nil {
			return nil
		}
		return new(big.Rat).SetInt64(int64(*p))
	}
	scaled := func(num, den int64) *big.Rat {
		if r.Input == nil {
			return nil
		}
		x := new(big.Rat).Mul(of(r.Input), big.NewRat(num, den))
		up := new(big.Int).Add(x.Num(), new(big.Int).Sub(x.Denom(), big.NewInt(1)))
		return new(big.Rat).SetInt(up.Div(up, x.Denom()))
	}
	or := func(a, b *big.Rat) *big.Rat {
		if a != nil {
			return a
		}
		return b
	}
	switch class {
	case "input":
		return of(r.Input)
	case "read":
		return or(of(r.CacheRead), of(r.Input))
	case "5m":
		return or(of(r.CacheWrite5m), scaled(5, 4))
	case "1h":
		if r.CacheWrite1h != nil || r.Input == nil {
			return of(r.CacheWrite1h)
		}
		twice, short := scaled(2, 1), ratRate(r, "5m")
		if twice.Cmp(short) < 0 {
			return short
		}
		return twice
	case "output":
		return of(r.Output)
	case "audio in":
		return of(r.AudioIn)
	case "audio out":
		return of(r.AudioOut)
	case "search":
		return of(r.PerSearch)
	}
	panic(class)
}

// TestCostIsExact holds Cost against rational arithmetic, rounded up once.
func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRates(t, "standard")
		u := drawUsage(t, 10_000_000)
		total := new(big.Rat)
		unpriced := false
		for class, n := range map[string]int64{
			"input": u.Input, "read": u.CacheRead, "5m": u.CacheWrite5m, "1h": u.CacheWrite1h,
			"output": u.Output, "audio in": u.AudioIn, "audio out": u.AudioOut, "search": u.Searches,
		} {
			if n == 0 {
				continue
			}
			rate := ratRate(r, class)
			if rate == nil {
				unpriced = true
				continue
			}
			total.Add(total, new(big.Rat).Mul(rate, new(big.Rat).SetInt64(n)))
		}
		if r.PerRequest != nil {
			total.Add(total, new(big.Rat).SetInt64(int64(*r.PerRequest)))
		}
		got, err := Cost(Price{Rates: r}, u, "")
		if unpriced {
			if !errors.Is(err, ErrNoRate) {
				t.Fatalf("a class without a rate: %d, %v", got, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		total.Quo(total, big.NewRat(1_000_000, 1))
		up := new(big.Int).Add(total.Num(), new(big.Int).Sub(total.Denom(), big.NewInt(1)))
		if want := up.Div(up, total.Denom()).Int64(); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	})
}

func TestCost(t *testing.T) {
	banded := Price{
		Rates: Rates{Input: usd(t, "2"), Output: usd(t, "10"), CacheRead: usd(t, "0.2"), PerSearch: pico(10_000_000_000)},
		Tiers: map[string]Rates{
			"flex":     {Input: usd(t, "1"), Output: usd(t, "5")},
			"priority": {Input: usd(t, "4"), Output: usd(t, "20")},
		},
		Bands: []Band{{Above: 200_000, Rates: Rates{Input: usd(t, "4"), Output: usd(t, "15")}}},
	}
	opus := Price{Rates: Rates{Input: usd(t, "5"), Output: usd(t, "25")}, Tiers: map[string]Rates{TierFast: {Input: usd(t, "30"), Output: usd(t, "150")}}}
	for _, c := range []struct {
		name  string
		price Price
		usage Usage
		tier  string
		want  int64
	}{
		{"nothing used costs nothing", banded, Usage{}, "", 0},
		{"one token rounds up", Price{Rates: Rates{Input: pico(1)}}, Usage{Input: 1}, "", 1},
		{"classes are summed before rounding", Price{Rates: Rates{Input: pico(400_000), Output: pico(600_000)}}, Usage{Input: 1, Output: 1}, "", 1},
		{"a price of 0 is a price", Price{Rates: Rates{Input: pico(0), Output: pico(0)}}, Usage{Input: 9, Output: 9}, "", 0},
		{"at the band's edge", banded, Usage{Input: 200_000}, "", 400_000},
		{"above it the whole call costs more", banded, Usage{Input: 200_001, Output: 1}, "", 800_019},
		{"cached input counts for the band", banded, Usage{Input: 1, CacheRead: 200_000}, "", 800_004},
		{"flex", banded, Usage{Input: 1_000, Output: 100}, "flex", 1_500},
		{"priority", banded, Usage{Input: 1_000, Output: 100}, "priority", 6_000},
		{"fast is answered as priority", banded, Usage{Input: 1_000, Output: 100}, "fast", 6_000},
		{"default", banded, Usage{Input: 1_000, Output: 100}, "default", 3_000},
		{"a tier without rates of the band costs no less than the band", banded, Usage{Input: 300_000, Output: 1}, "flex", 1_200_015},
		{"a tier has the standard fees", banded, Usage{Searches: 2}, "flex", 20_000},
		{"fast mode", opus, Usage{Input: 1_000}, "fast", 30_000},
		{"a cache read without a price costs input", opus, Usage{CacheRead: 1_000}, "", 5_000},
		{"a cache write without a price", opus, Usage{CacheWrite5m: 1_000, CacheWrite1h: 1_000}, "", 6_250 + 10_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Cost(c.price, c.usage, c.tier)
			if err != nil || got != c.want {
				t.Fatalf("got %d, %v; want %d", got, err, c.want)
			}
		})
	}
}

func TestCostRefuses(t *testing.T) {
	cheap := Price{Rates: Rates{Input: pico(1), Output: pico(1)}}
	for _, c := range []struct {
		name  string
		price Price
		usage Usage
		want  error
	}{
		{"no price at all", Price{}, Usage{Input: 1}, ErrNoRate},
		{"no output price", Price{Rates: Rates{Input: pico(1)}}, Usage{Output: 1}, ErrNoRate},
		{"audio without a price", cheap, Usage{AudioIn: 1}, ErrNoRate},
		{"audio answers without a price", cheap, Usage{AudioOut: 1}, ErrNoRate},
		{"searches without a price", cheap, Usage{Searches: 1}, ErrNoRate},
		{"a negative count", cheap, Usage{Input: 5, Output: -1}, ErrAmount},
		{"a negative input", cheap, Usage{Input: -1}, ErrAmount},
		{"a negative rate", Price{Rates: Rates{Input: pico(-1)}}, Usage{Input: 1}, ErrAmount},
		{"too many tokens", cheap, Usage{Input: math.MaxInt64, CacheRead: 1}, ErrAmount},
		{"too much money", Price{Rates: Rates{Input: pico(math.MaxInt64)}}, Usage{Input: math.MaxInt64}, ErrAmount},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Cost(c.price, c.usage, ""); !errors.Is(err, c.want) {
				t.Fatalf("got %d, %v; want %v", got, err, c.want)
			}
		})
	}
}

// TestTierWithoutAPrice: it may be dearer than all that are known. What runs on
// this machine has none.
func TestTierWithoutAPrice(t *testing.T) {
	flat := Price{Rates: Rates{Input: usd(t, "2"), Output: usd(t, "10")}}
	tiered := flat
	tiered.Tiers = map[string]Rates{"priority": {Input: usd(t, "4"), Output: usd(t, "20")}}
	used := Usage{Input: 1_000, Output: 100}
	for _, tier := range []string{"scale", "ultrafast", "flex", "provisioned_throughput"} {
		if _, err := Cost(tiered, used, tier); !errors.Is(err, ErrTier) {
			t.Errorf("%s: %v", tier, err)
		}
		if got := Clear(tiered, used, tier); got != 3_000 {
			t.Errorf("%s: %d is clear", tier, got)
		}
	}
	if _, err := Cost(flat, used, "priority"); !errors.Is(err, ErrTier) {
		t.Error(err)
	}
	for _, tier := range []string{"", "default", "standard", "standard_only", "on_demand", "auto"} {
		if got, err := Cost(flat, used, tier); got != 3_000 || err != nil {
			t.Errorf("%q: %d, %v", tier, got, err)
		}
	}
	if got, err := Cost(localPrice(), used, "whatever"); got != 0 || err != nil {
		t.Error(got, err)
	}
}

// TestClear leaves out what cannot be priced, and nothing else. Audio without a
// price is at least the text that the model has one for.
func TestClear(t *testing.T) {
	p := Price{Rates: Rates{Input: usd(t, "2"), Output: usd(t, "10"), PerRequest: pico(5_000_000_000)}}
	for _, c := range []struct {
		used Usage
		want int64
	}{
		{Usage{Input: 1_000, Output: 100}, 8_000},
		{Usage{Input: 1_000, AudioIn: 9, Searches: 7}, 7_018},
		{Usage{AudioIn: 1_000_000, AudioOut: 1_000}, 2_015_000},
		{Usage{Input: -1, Output: 100}, 6_000},
		{Usage{Input: 1_000, Output: math.MaxInt64}, 7_000},
		{Usage{}, 5_000},
	} {
		if got := Clear(p, c.used, ""); got != c.want {
			t.Errorf("%+v: %d, want %d", c.used, got, c.want)
		}
	}
}

func TestInGeo(t *testing.T) {
	p := Price{Rates: Rates{Input: usd(t, "5"), Output: usd(t, "25"), PerSearch: pico(10_000_000_000)}}
	for geo, want := range map[string]int64{"": 7_500 + 10_000, "global": 7_500 + 10_000, "us": 8_250 + 10_000, "elsewhere": 8_250 + 10_000} {
		got, err := Cost(p.InGeo(geo), Usage{Input: 1_000, Output: 100, Searches: 1}, "")
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", geo, got, err, want)
		}
	}
	if *p.Input != 5_000_000 {
		t.Error("InGeo has changed the price it was asked about")
	}
}

func TestDecimal(t *testing.T) {
	for text, want := range map[string]Pico{
		"0": 0, "0.15": 150_000, "15": 15_000_000, "0.000001": 1, "0.1500000000": 150_000, "10000": 10_000_000_000, "007": 7_000_000,
	} {
		if got, err := perMillion(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", ".", "1.", ".5", "-1", "+1", "1e3", "0x10", "inf", "nan", "NaN", "1,5", "1_000", " 1", "1 ", "0.0000001",
		"10000.000001", "10001", "99999999999999999999", "١",
	} {
		if got, err := perMillion(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	for _, n := range []Pico{0, 1, 150_000, 15_000_000, 1_234_567} {
		if back, err := perMillion(dollars(n, 6)); err != nil || back != n {
			t.Errorf("%d: written %s, read %d, %v", n, dollars(n, 6), back, err)
		}
	}
}

// TestPriceQuestions prices a call of the built-in catalogue, and those that
// clients/prices/compare.py asks about in a file.
func TestPriceQuestions(t *testing.T) {
	type question struct {
		Provider, Model, Tier string
		Usage                 Usage
	}
	questions := []question{{"openai", "gpt-4o", "", Usage{Input: 1_000_000, Output: 100_000}}}
	asked, answered := os.Getenv("AEX_PRICE_QUESTIONS"), os.Getenv("AEX_PRICE_ANSWERS")
	if asked != "" {
		data, err := os.ReadFile(asked)
		if err == nil {
			err = json.Unmarshal(data, &questions)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := parseCatalogue(pricesJSON)
	if err != nil {
		t.Fatal(err)
	}
	var answers []int64
	for _, q := range questions {
		row := c.find(q.Provider, q.Model)
		if row == nil {
			t.Fatalf("%s at %s has no price", q.Model, q.Provider)
		}
		micros, err := Cost(row.price, q.Usage, q.Tier)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		answers = append(answers, micros)
	}
	if asked == "" && answers[0] != 3_500_000 {
		t.Fatalf("a million tokens into gpt-4o and a tenth out of it cost %d micro-dollars", answers[0])
	}
	if answered != "" {
		data, err := json.Marshal(answers)
		if err == nil {
			err = os.WriteFile(answered, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
