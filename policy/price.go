package policy

// Pico is an amount of money in pico-US-dollars (10^-12); prices are Pico per
// token, so $1 per million tokens is 1,000,000 Pico.
type Pico int64

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
	Tiers map[string]Rates // served service tier -> rates ("flex", "priority", "batch", ...)

	Source  string // where the figures are from: "catalogue 2026-11-20", "models.yaml", "--price"
	Version string // short id of the rate as used, stored in events
	Assumed bool   // the row of another host was used
}

// Band is a long-context band.
type Band struct {
	Above int64 // input tokens of all input classes together, greater than this
	Rates Rates
}

// Cost is the price of a usage in micro-US-dollars, summed exactly and rounded
// up once. tier is the served service tier ("" and "default" and "standard":
// the standard one); an unknown tier is billed at the dearest known one. An
// error means that the usage cannot be priced; the hold must then be booked.
func Cost(p Price, u Usage, tier string) (micros int64, err error) { panic("contract") }
