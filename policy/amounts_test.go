package policy

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// TestSumsAtTheirBounds: a sum is exact up to the largest amount, and anything
// beyond, below 0 or carried out of its width is an error, never a small amount.
func TestSumsAtTheirBounds(t *testing.T) {
	var largest sum
	largest.add(math.MaxInt64, picoPerMicro)
	if got, err := largest.micros(); got != math.MaxInt64 || err != nil {
		t.Errorf("the largest amount: %d, %v", got, err)
	}
	wrapped := sum{}
	for range 4 {
		wrapped.add(math.MaxInt64, math.MaxInt64)
	}
	wrapped.add(1<<33, 1<<33) // 2^128 and a little
	wrapped.add(1, 1)         // what comes later does not mend it
	negative := sum{lo: 5}
	negative.add(-1, 1)
	for name, s := range map[string]sum{
		"wrapped": wrapped, "negative": negative, "a million times 2^64": {hi: picoPerMicro}, "rounded up to 2^64": {hi: picoPerMicro - 1, lo: math.MaxUint64},
		"beyond int64": {hi: 600_000},
	} {
		if got, err := s.micros(); !errors.Is(err, ErrAmount) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	for name, s := range map[string]sum{"wrapped": wrapped, "wide": {hi: 1}, "beyond int64": {lo: 1 << 63}} {
		if got, err := s.pico(); !errors.Is(err, ErrAmount) {
			t.Errorf("%s: %d pico-dollars, %v", name, got, err)
		}
	}
	if got, err := (&sum{lo: math.MaxInt64}).pico(); got != math.MaxInt64 || err != nil {
		t.Errorf("the largest: %d, %v", got, err)
	}
}

func TestQuotients(t *testing.T) {
	for _, c := range []struct {
		name     string
		s        sum
		less, by Pico
		want     int64
	}{
		{"rounded down", sum{lo: 19}, 0, 10, 1},
		{"less", sum{lo: 30}, 11, 10, 1},
		{"negative", sum{lo: 5}, 10, 1, 0},
		{"wrapped", sum{lo: 100, overflow: true}, 0, 10, 0},
		{"too large", sum{hi: 10}, 0, 10, math.MaxInt64},
	} {
		if got := c.s.quotient(c.less, c.by); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestWhatIsClear: of a usage that cannot be right all counts that can be are
// still priced.
func TestWhatIsClear(t *testing.T) {
	p := Price{Rates: Rates{Input: usd(t, "1"), Output: usd(t, "2")}, Bands: []Band{{Above: 100, Rates: Rates{Input: usd(t, "5"), Output: usd(t, "7")}}}}
	for _, c := range []struct {
		name string
		u    Usage
		want int64
	}{
		{"all of it", Usage{Input: 10, Output: 10}, 30},
		{"negative input", Usage{Input: -1_000, Output: 10}, 20},
		{"negative input chooses no band", Usage{Input: -1_000, CacheRead: 150}, 750},
		{"negative output", Usage{Input: 10, Output: -5}, 10},
		{"an absurd input chooses no band", Usage{Input: 1<<40 + 1, CacheRead: 50}, 50},
		{"an absurd output", Usage{Input: 10, Output: 1<<40 + 1}, 10},
		{"the largest counts", Usage{Input: 1 << 40, Output: 1 << 40}, 12 << 40},
	} {
		if got := Clear(p, c.u, ""); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestDearestBelievable: a price or a fee may be as dear as its bound says and
// not dearer, whose message says what unit is meant.
func TestDearestBelievable(t *testing.T) {
	for _, c := range []struct {
		read func(string) (Pico, error)
		text string
		want Pico
		say  string
	}{
		{perMillion, "10000", maxPerMillion, ""},
		{perMillion, "10000.000001", 0, "prices are in dollars per million tokens"},
		{fee, "1000", maxFee, ""},
		{fee, "1000.000000000001", 0, "fees are in dollars each"},
		{fee, "0.000000000001", 1, ""},
	} {
		got, err := c.read(c.text)
		if c.say == "" && (got != c.want || err != nil) || c.say != "" && (err == nil || !strings.Contains(err.Error(), c.say)) {
			t.Errorf("%s: %d, %v", c.text, got, err)
		}
	}
}

// TestFiguresAtTheirBounds: a rate that is scaled stops at the largest amount,
// and a known price of 0 is dearer than one that is not known.
func TestFiguresAtTheirBounds(t *testing.T) {
	const half = math.MaxInt64 / 2
	if got := (figure{half, true}).times(2, 1); got.pico != 2*half || !got.known {
		t.Errorf("the largest that fits: %+v", got)
	}
	if got := (figure{half + 1, true}).times(2, 1); got.pico != math.MaxInt64 {
		t.Errorf("one more: %+v", got)
	}
	if got := (figure{}).max(figure{0, true}); !got.known {
		t.Error("a known price of 0 is lost")
	}
	if got := (figure{5, true}).max(figure{}); got.pico != 5 || !got.known {
		t.Errorf("what is not known counts: %+v", got)
	}
}

// TestFeesOfTiers: a tier that names no fee has the standard one, and its own
// where it does; a fast answer of a model without a fast price is a priority one.
func TestFeesOfTiers(t *testing.T) {
	p := Price{Rates: Rates{Input: usd(t, "1"), PerRequest: pico(7_000_000), PerSearch: pico(3_000_000)}, Tiers: map[string]Rates{
		"flex":     {Input: usd(t, "1")},
		"priority": {Input: usd(t, "2"), PerRequest: pico(9_000_000), PerSearch: pico(4_000_000)},
		"scale":    {Input: usd(t, "50")},
	}}
	for tier, want := range map[string]int64{"": 1 + 7 + 3, "flex": 1 + 7 + 3, "priority": 2 + 9 + 4, TierFast: 2 + 9 + 4, "auto": 50 + 9 + 4} {
		if got, err := Cost(p, Usage{Input: 1, Searches: 1}, tier); got != want || err != nil {
			t.Errorf("tier %q: %d, %v; want %d", tier, got, err, want)
		}
	}
}

// TestBoundsOfCalls are the limits beyond which a call has no ceiling, and what
// is just within them.
func TestBoundsOfCalls(t *testing.T) {
	price := Price{Rates: Rates{Input: usd(t, "0"), Output: usd(t, "0")}}
	for _, c := range []struct {
		name string
		call Call
		ok   bool
	}{
		{"the longest cap", Call{OutputCap: number(maxCap)}, true},
		{"a longer one", Call{OutputCap: number(maxCap + 1)}, false},
		{"a negative one", Call{OutputCap: number(-1)}, false},
		{"the most outputs", Call{Outputs: maxOutputs}, true},
		{"more outputs", Call{Outputs: maxOutputs + 1}, false},
		{"the longest body", Call{BodyBytes: maxBodyBytes}, true},
		{"a longer body", Call{BodyBytes: maxBodyBytes + 1}, false},
		{"a negative body", Call{BodyBytes: -1}, false},
		{"the most uses", Call{Hosted: []HostedTool{{Type: "web_fetch", MaxUses: maxOutputs - 1}}}, true},
		{"more uses than windows fit", Call{Hosted: []HostedTool{{Type: "web_fetch", MaxUses: maxOutputs}}}, false},
		{"more uses", Call{Hosted: []HostedTool{{Type: "web_fetch", MaxUses: maxOutputs + 1}}}, false},
	} {
		c.call.Wire = Messages
		if _, err := Bound(c.call, Model{Price: price, Context: 1 << 20}, true); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrAmount) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestCeilingsThatDoNotFit: a call that could cost more than a billion dollars
// has no ceiling.
func TestCeilingsThatDoNotFit(t *testing.T) {
	m := Model{Price: Price{Rates: Rates{Input: usd(t, "1"), Output: usd(t, "1000")}}, Context: 1000}
	most := int64(1_000_000_000_000) // tokens at a thousandth of a dollar
	if _, err := Bound(Call{Wire: Chat, OutputCap: number(most)}, m, true); err != nil {
		t.Errorf("a billion dollars: %v", err)
	}
	_, err := Bound(Call{Wire: Chat, OutputCap: number(most + 1_000)}, m, true)
	if !errors.Is(err, ErrAmount) || !strings.Contains(err.Error(), "$1000000001") {
		t.Errorf("more: %v", err)
	}
}

// TestWhichCapsMayBeLowered: where the caller asks, where the wire can, and where
// the client's cap is not 0, which may mean no answer at all. Then the least and
// what a call gets are all that was asked.
func TestWhichCapsMayBeLowered(t *testing.T) {
	m := Model{Price: Price{Rates: Rates{Input: usd(t, "1"), Output: usd(t, "10")}}, MaxOutput: 50_000}
	for _, c := range []struct {
		name  string
		call  Call
		clamp bool
		want  bool
	}{
		{"no cap", Call{}, true, true},
		{"a cap", Call{OutputCap: number(20_000)}, true, true},
		{"not asked for", Call{OutputCap: number(20_000)}, false, false},
		{"fixed", Call{OutputCap: number(20_000), Fixed: true}, true, false},
		{"a cap of 0", Call{OutputCap: number(0)}, true, false},
	} {
		c.call.Wire = Chat
		got, err := Bound(c.call, m, c.clamp)
		if err != nil || got.Clamp != c.want {
			t.Errorf("%s: clamp %v, %v", c.name, got.Clamp, err)
		}
		if !c.want && (got.Least != got.Asked || got.Floor != got.Asked) || c.want && (got.Least != leastTokens || got.Floor != floorTokens) {
			t.Errorf("%s: least %d, floor %d of %d", c.name, got.Least, got.Floor, got.Asked)
		}
	}
	both, err := Bound(Call{Wire: Chat, BodyBytes: 100, OutputCap: number(30), Outputs: 4}, m, true)
	if err != nil || both.Tokens != 100+30*4 {
		t.Errorf("tokens of a minute: %d, %v", both.Tokens, err)
	}
}

// TestDearestOfWhatCanCome: cache writes count where they are asked for or made
// unasked, audio answers where they are asked for, and a local call may run in
// the background.
func TestDearestOfWhatCanCome(t *testing.T) {
	p := Price{Rates: Rates{Input: usd(t, "1"), Output: usd(t, "0"), CacheWrite5m: usd(t, "3"), CacheWrite1h: usd(t, "2"), AudioIn: usd(t, "9"), AudioOut: usd(t, "8")}}
	zero := number(0)
	for _, c := range []struct {
		name string
		call Call
		want int64
	}{
		{"messages write where asked", Call{Wire: Messages}, 1_000},
		{"and there", Call{Wire: Messages, CacheWrite5m: true}, 3_000},
		{"an hour costs no less than five minutes", Call{Wire: Messages, CacheWrite1h: true}, 3_000},
		{"others write unasked", Call{Wire: Chat}, 3_000},
		{"a text file is no audio", Call{Wire: Messages, Files: []Media{{Type: "text/plain", Bytes: 9}}}, 1_000},
	} {
		c.call.BodyBytes, c.call.OutputCap = 1_000, zero
		got, err := Bound(c.call, Model{Price: p}, true)
		if err != nil || got.hold(0) != c.want {
			t.Errorf("%s: %d, %v; want %d", c.name, got.hold(0), err, c.want)
		}
	}
	heard, err := Bound(Call{Wire: Chat, OutputCap: number(1_000), AudioOut: true}, Model{Price: p}, true)
	if err != nil || heard.MostMicros() != 8_000 {
		t.Errorf("an audio answer: %d, %v", heard.MostMicros(), err)
	}
	noAudio := Price{Rates: Rates{Input: usd(t, "1"), Output: usd(t, "1")}}
	if _, err := Bound(Call{Wire: Chat, Hidden: []string{"conversation"}}, Model{Price: noAudio}, true); err != nil {
		t.Errorf("a model without an audio price is told to hear some: %v", err)
	}
	noOutput := Price{Rates: Rates{Input: usd(t, "1")}}
	if _, err := Bound(Call{Wire: Embeddings}, Model{Price: noOutput}, true); err != nil {
		t.Errorf("embeddings need a price of output: %v", err)
	}
	if _, err := Bound(Call{Wire: Chat}, Model{Price: noOutput}, true); !errors.Is(err, ErrNoRate) {
		t.Errorf("chat needs none: %v", err)
	}
	if _, err := Bound(Call{Wire: Responses, Background: true}, Model{Price: p, Provider: Provider{Local: true}}, true); err != nil {
		t.Errorf("a local call in the background: %v", err)
	}
}
