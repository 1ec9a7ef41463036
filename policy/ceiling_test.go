package policy

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// drawCall draws a call with a client's cap or without, media and all.
func drawCall(t *rapid.T) Call {
	c := Call{
		Wire:         rapid.SampledFrom([]string{Chat, Responses, Completions, Embeddings, Messages, Gemini}).Draw(t, "wire"),
		BodyBytes:    rapid.Int64Range(0, 3_000_000).Draw(t, "body"),
		Outputs:      rapid.Int64Range(0, 4).Draw(t, "n"),
		Messages:     rapid.IntRange(0, 50).Draw(t, "messages"),
		Tools:        rapid.IntRange(0, 20).Draw(t, "tools"),
		CacheWrite5m: rapid.Bool().Draw(t, "5m"),
		CacheWrite1h: rapid.Bool().Draw(t, "1h"),
		AudioOut:     rapid.Bool().Draw(t, "audio out"),
		Tier:         rapid.SampledFrom([]string{"", "auto", "default", "flex", "priority", "scale"}).Draw(t, "tier"),
		Fast:         rapid.Bool().Draw(t, "fast"),
		Geo:          rapid.SampledFrom([]string{"", "global", "us"}).Draw(t, "geo"),
	}
	if rapid.Bool().Draw(t, "capped") {
		n := rapid.Int64Range(0, 200_000).Draw(t, "cap")
		c.OutputCap = &n
	}
	if rapid.Bool().Draw(t, "audio") {
		c.Audio = []Media{{Bytes: rapid.Int64Range(1, 100_000).Draw(t, "audio bytes"), Millis: rapid.Int64Range(0, 100_000).Draw(t, "millis"), Type: "wav"}}
	}
	if rapid.Bool().Draw(t, "hidden") {
		c.Hidden = []string{"previous_response_id"}
	}
	return c
}

func drawPrice(t *rapid.T) Price {
	p := Price{Rates: drawRates(t, "standard")}
	for _, rate := range []**Pico{&p.Input, &p.Output, &p.AudioIn, &p.AudioOut} {
		if *rate == nil {
			*rate = pico(3_000_000)
		}
	}
	for _, tier := range []string{"flex", "priority", TierFast} {
		if rapid.Bool().Draw(t, tier) {
			if p.Tiers == nil {
				p.Tiers = map[string]Rates{}
			}
			p.Tiers[tier] = drawRates(t, tier)
		}
	}
	if rapid.Bool().Draw(t, "band") {
		p.Bands = []Band{{Above: 200_000, Rates: drawRates(t, "band")}}
	}
	return p
}

// TestCostNeverExceedsTheHold is the ceiling's promise: whatever a provider
// reports within the bound and the cap, in a tier it may answer in, costs no
// more than the hold.
func TestCostNeverExceedsTheHold(t *testing.T) {
	priced := 0
	rapid.Check(t, func(t *rapid.T) {
		c, p := drawCall(t), drawPrice(t)
		m := Model{Price: p, Context: 1_000_000, MaxOutput: 100_000, PerRequest: 128, PerMessage: 8, PerTool: 32}
		ceiling, err := Bound(c, m, rapid.Bool().Draw(t, "clamp"))
		if err != nil {
			if !errors.Is(err, ErrNoRate) {
				t.Fatal(err)
			}
			return
		}
		hold := ceiling.Share(rapid.Int64Range(ceiling.LeastMicros(), 2*ceiling.MostMicros()+1).Draw(t, "unreserved"))
		u := within(t, c, p, ceiling.InputTk, ceiling.Cap(hold))
		served := []string{c.Tier, "default"}
		switch c.Tier {
		case "", "auto", "scale":
			served = []string{"default", "flex", "priority", "something new"}
		}
		if c.Fast {
			served = append(served, TierFast)
		}
		tier := rapid.SampledFrom(served).Draw(t, "served")
		cost, err := Cost(p.InGeo(c.Geo), u, tier)
		likened := errors.Is(err, ErrNoRate) // by another class's price, which the hold did not know of
		if clear := Clear(p.InGeo(c.Geo), u, tier); err == nil && clear != cost || err != nil && !likened && clear > hold {
			t.Fatalf("%+v in tier %q costs %d, %v, of which %d is clear; the hold is %d", u, tier, cost, err, clear, hold)
		}
		if errors.Is(err, ErrNoRate) || errors.Is(err, ErrTier) {
			return // the hold is booked, or what it is likened to
		}
		if err != nil || cost > hold {
			t.Fatalf("%+v in tier %q costs %d, %v; the hold is %d", u, tier, cost, err, hold)
		}
		priced++
	})
	if priced < 20 && !testing.Short() { // in short fewer are drawn
		t.Fatalf("only %d calls could be priced", priced)
	}
}

// within draws a usage of the classes that the call can cause.
func within(t *rapid.T, c Call, p Price, input, cap int64) Usage {
	part := func(name string, of int64) int64 { return rapid.Int64Range(0, of).Draw(t, name) }
	var u Usage
	left := part("input used", input)
	take := func(name string, can bool) int64 {
		if !can {
			return 0
		}
		n := part(name, left)
		left -= n
		return n
	}
	u.CacheRead = take("read", true)
	u.CacheWrite5m = take("written 5m", c.CacheWrite5m)
	u.CacheWrite1h = take("written 1h", c.CacheWrite1h)
	u.AudioIn = take("audio in", len(c.Audio) > 0)
	u.Input = left
	if c.Wire == Embeddings {
		return u
	}
	out := part("output used", cap*max(c.Outputs, 1))
	if c.AudioOut {
		u.AudioOut = part("audio out", out)
	}
	u.Output = out - u.AudioOut
	return u
}

func TestBound(t *testing.T) {
	cheap := func(m *Model) {
		m.Price = Price{Rates: Rates{Input: usd(t, "1"), Output: usd(t, "10"), AudioIn: usd(t, "2"), PerSearch: pico(10_000_000_000)}}
	}
	n := func(i int64) *int64 { return &i }
	for _, c := range []struct {
		name  string
		call  Call
		model Model
		input int64 // tokens
		most  int64 // micro-dollars
		least int64 // tokens
	}{
		{"text", Call{BodyBytes: 1_000, OutputCap: n(100)}, Model{}, 1_000, 1_000 + 1_000, 100},
		{"what providers add", Call{BodyBytes: 1_000, Messages: 2, Tools: 1, OutputCap: n(100)}, Model{PerRequest: 128, PerMessage: 8, PerTool: 32}, 1_000 + 128 + 16 + 32 + 1_024, 2_200 + 1_000, 100},
		{"no cap is the model's most", Call{BodyBytes: 1_000}, Model{MaxOutput: 5_000}, 1_000, 1_000 + 50_000, 1_024},
		{"nothing known of the model", Call{BodyBytes: 1_000}, Model{}, 1_000, 1_000 + 1_280_000, 1_024},
		{"every output is paid for", Call{BodyBytes: 1_000, OutputCap: n(100), Outputs: 3}, Model{}, 1_000, 1_000 + 3_000, 100},
		{"the window bounds the input", Call{BodyBytes: 900_000, OutputCap: n(1)}, Model{Context: 128_000}, 128_000, 128_000, 0},
		{"hidden content is the window", Call{BodyBytes: 10, Hidden: []string{"conversation"}, OutputCap: n(1)}, Model{Context: 128_000}, 128_000, 128_000 * 2, 0}, // may hold audio
		{"a picture is not its bytes", Call{Wire: Messages, BodyBytes: 1_000 + 400_000, OutputCap: n(1), Images: []Image{{Bytes: 300_000}}}, Model{Context: 200_000}, 1_000 + 4_912, 5_912, 0},
		{"a small picture", Call{Wire: Messages, OutputCap: n(1), Images: []Image{{Width: 300, Height: 500}}}, Model{}, 328, 328, 0},
		{"a picture for whatever an unknown host serves", Call{OutputCap: n(1), Images: []Image{{Width: 100, Height: 100}}}, Model{}, 16_384, 16_384, 0},
		{"a large one for OpenAI's models there", Call{OutputCap: n(1), Images: []Image{{Width: 2_000, Height: 2_000}}}, Model{Sent: "openai/gpt-4o-mini"}, 48_169, 48_169, 0},
		{"a picture billed beyond the window", Call{BodyBytes: 300_000, OutputCap: n(1), Images: []Image{{Width: 2_000, Height: 2_000}, {Width: 9, Height: 9, Detail: "low"}}},
			Model{Sent: "gpt-4o-mini", Context: 128_000, Provider: Provider{PriceAs: openAI}}, 128_000 + 48_169 + 2_833, 179_002, 0},
		{"a document may be anything", Call{BodyBytes: 1_000, OutputCap: n(1), Files: []Media{{Bytes: 500, Type: "application/pdf"}}}, Model{Context: 200_000}, 200_000, 200_000 * 2, 0}, // may hold audio
		{"a text file is its bytes", Call{BodyBytes: 1_000, OutputCap: n(1), Files: []Media{{Bytes: 500, Type: "text/plain"}}}, Model{}, 1_000, 1_000, 0},
		{"a remote file may be anything", Call{BodyBytes: 1_000, OutputCap: n(1), Files: []Media{{Type: "text/plain", Remote: true}}}, Model{Context: 50_000}, 50_000, 50_000 * 2, 0},
		{"audio", Call{BodyBytes: 2_000, OutputCap: n(1), Audio: []Media{{Bytes: 1_500, Millis: 1_000, Type: "mp3"}}}, Model{}, 100 + 64, 328, 0}, // its base64 is taken out of the body,
		{"embeddings put out nothing", Call{Wire: Embeddings, BodyBytes: 1_000}, Model{MaxOutput: 5_000}, 1_000, 1_000, 0},
		{"embeddings are many inputs", Call{Wire: Embeddings, BodyBytes: 300_000}, Model{Context: 8_192}, 300_000, 300_000, 0},
		{"a five minute write", Call{BodyBytes: 1_000, OutputCap: n(1), CacheWrite5m: true}, Model{}, 1_000, 1_250, 0},
		{"a one hour write", Call{BodyBytes: 1_000, OutputCap: n(1), CacheWrite5m: true, CacheWrite1h: true}, Model{}, 1_000, 2_000, 0},
		{"a place", Call{BodyBytes: 1_000, OutputCap: n(1), Geo: "us"}, Model{}, 1_000, 1_101, 0},
		{"searches read the window again", Call{BodyBytes: 1_000, OutputCap: n(1), Hosted: []HostedTool{{Type: "web_search", MaxUses: 2}}}, Model{Context: 100_000}, 300_000, 300_000 + 20_000, 0},
		{"thinking falls to the least", Call{Wire: Messages, BodyBytes: 1_000, OutputCap: n(20_000), ThinkingCap: 8_000}, Model{}, 1_000, 201_000, 2_048},
		{"rejected predictions are output", Call{BodyBytes: 1_000, OutputCap: n(100), Prediction: 400}, Model{}, 1_000, 1_000 + 1_000 + 4_000, 100},
		{"compacting reads the window again", Call{BodyBytes: 1_000, OutputCap: n(1), Hosted: []HostedTool{{Type: "compaction", MaxUses: 1}}}, Model{Context: 100_000}, 200_000, 200_000, 0},
		{"code at Google", Call{Wire: Gemini, BodyBytes: 1_000, OutputCap: n(1), Hosted: []HostedTool{{Type: "code_execution", MaxUses: 1}}}, Model{Context: 100_000}, 200_000, 200_000, 0},
		{"the user's least", Call{BodyBytes: 1_000, OutputCap: n(20_000)}, Model{MinOutput: 300}, 1_000, 201_000, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			cheap(&c.model)
			if c.call.Wire == "" {
				c.call.Wire = Chat
			}
			if c.call.OutputCap != nil && *c.call.OutputCap == 1 {
				c.most, c.least = c.most+10, 1
			}
			got, err := Bound(c.call, c.model, true)
			if err != nil {
				t.Fatal(err)
			}
			if got.InputTk != c.input || got.MostMicros() != c.most || got.Least != c.least {
				t.Fatalf("got %d tokens in, %d micro-dollars, least %d; want %d, %d, %d", got.InputTk, got.MostMicros(), got.Least, c.input, c.most, c.least)
			}
		})
	}
}

func TestBoundOfTiersAndBands(t *testing.T) {
	p := Price{
		Rates: Rates{Input: usd(t, "2"), Output: usd(t, "10")},
		Tiers: map[string]Rates{"flex": {Input: usd(t, "1"), Output: usd(t, "5")}, "priority": {Input: usd(t, "4"), Output: usd(t, "20")}},
		Bands: []Band{{Above: 10_000, Rates: Rates{Input: usd(t, "3"), Output: usd(t, "15")}}},
	}
	zero := int64(0)
	for _, c := range []struct {
		tier string
		body int64
		want int64
	}{
		{"", 1_000, 4_000}, // the account may be set to any tier
		{"auto", 1_000, 4_000},
		{"priority", 1_000, 4_000},
		{"default", 1_000, 2_000},
		{"flex", 1_000, 2_000}, // may be answered in the standard tier
		{"new", 1_000, 4_000},
		{"default", 10_000, 20_000},
		{"default", 10_001, 30_003},
	} {
		got, err := Bound(Call{Wire: Chat, BodyBytes: c.body, OutputCap: &zero, Tier: c.tier}, Model{Price: p}, true)
		if err != nil || got.hold(0) != c.want {
			t.Errorf("tier %q, %d bytes: got %d, %v; want %d", c.tier, c.body, got.hold(0), err, c.want)
		}
	}
}

func TestBoundOfFastMode(t *testing.T) {
	zero := int64(0)
	m := Model{Price: Price{Rates: Rates{Input: usd(t, "5"), Output: usd(t, "25")}, Tiers: map[string]Rates{TierFast: {Input: usd(t, "30"), Output: usd(t, "150")}}}}
	for fast, want := range map[bool]int64{false: 5_000, true: 30_000} {
		got, err := Bound(Call{Wire: Messages, BodyBytes: 1_000, OutputCap: &zero, Fast: fast}, m, true)
		if err != nil || got.hold(0) != want {
			t.Errorf("fast %v: got %d, %v; want %d", fast, got.hold(0), err, want)
		}
	}
}

// TestBoundOfUnpricedTiers: a dearer tier that is asked for and has no price is
// held at many times the standard one: where a router passes it on, its bill says so.
func TestBoundOfUnpricedTiers(t *testing.T) {
	zero := int64(0)
	p := Price{Rates: Rates{Input: usd(t, "2"), Output: usd(t, "10")}}
	own := p
	own.AnyTier = true // the user has said what it costs
	for _, c := range []struct {
		tier string
		fast bool
		p    Price
		want int64
	}{
		{"", false, p, 2_000}, {"flex", false, p, 2_000}, {"default", false, p, 2_000}, {"scale", false, p, 2_000},
		{"priority", false, p, 5_000}, {"PRIORITY", false, p, 5_000}, {"fast", false, p, 12_000}, {"ultrafast", false, p, 12_000}, {"", true, p, 12_000},
		{"priority", false, own, 2_000}, {"ultrafast", false, own, 2_000}, {"", true, own, 2_000},
	} {
		got, err := Bound(Call{Wire: Chat, BodyBytes: 1_000, OutputCap: &zero, Tier: c.tier, Fast: c.fast}, Model{Price: c.p}, true)
		if err != nil || got.hold(0) != c.want {
			t.Errorf("tier %q, fast %v: got %d, %v; want %d", c.tier, c.fast, got.hold(0), err, c.want)
		}
	}
}

func TestBoundRefuses(t *testing.T) {
	price := Price{Rates: Rates{Input: pico(1_000_000), Output: pico(1_000_000)}}
	big, negative := int64(1)<<41, int64(-1)
	for _, c := range []struct {
		name string
		call Call
		want error
	}{
		{"background", Call{Background: true}, ErrBackground},
		{"a tool without end", Call{Hosted: []HostedTool{{Type: "web_search"}}}, ErrUnbounded},
		{"searches without a price", Call{Hosted: []HostedTool{{Type: "web_search_20250305", MaxUses: 1}}}, ErrNoRate},
		{"a container's fee", Call{Hosted: []HostedTool{{Type: "code_interpreter", MaxUses: 1}}}, ErrNoRate},
		{"code at Anthropic", Call{Wire: Messages, Hosted: []HostedTool{{Type: "code_execution_20250825", MaxUses: 1}}}, ErrNoRate},
		{"generated images", Call{Hosted: []HostedTool{{Type: "image_generation", MaxUses: 1}}}, ErrNoRate},
		{"audio without a price", Call{Audio: []Media{{Bytes: 9, Type: "wav"}}}, ErrNoRate},
		{"audio answers without a price", Call{AudioOut: true}, ErrNoRate},
		{"an absurd cap", Call{OutputCap: &big}, ErrAmount},
		{"a negative cap", Call{OutputCap: &negative}, ErrAmount},
		{"absurdly many outputs", Call{Outputs: big}, ErrAmount},
		{"a negative body", Call{BodyBytes: -1}, ErrAmount},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.call.Wire == "" {
				c.call.Wire = Chat
			}
			if _, err := Bound(c.call, Model{Price: price}, true); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := Bound(Call{Wire: Chat}, Model{}, true); !errors.Is(err, ErrNoRate) {
		t.Errorf("no price at all: got %v", err)
	}
}
