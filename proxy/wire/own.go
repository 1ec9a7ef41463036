package wire

import (
	"math/big"

	"github.com/Auro-rium/aex/v3/policy"
)

// ownCost reads the provider's own bill in a usage object, in micro-US-dollars
// rounded up; nil where there is none that can be relied on. A cost in OpenRouter's shape
// is taken from unknown hosts, too, because routers pass it on. What the user's own key
// has paid to the vendor is added.
func ownCost(o Object, host *policy.Host) *int64 {
	var dollars *big.Rat
	cost := o.Get("cost")
	details := o.child("cost_details")
	routed := host.OwnCost == policy.CostDollars || !o.Get("is_byok").isNull() || details.Kind() == '{'
	switch {
	case !o.Get("cost_in_usd_ticks").isNull():
		if dollars = rational(o.Get("cost_in_usd_ticks")); dollars != nil {
			dollars.Quo(dollars, big.NewRat(10_000_000_000, 1))
		}
	case cost.Kind() == '{':
		dollars = rational(cost.Object(new(error)).Get("total_cost"))
	case routed:
		dollars = rational(cost)
		if theirs := rational(details.Get("upstream_inference_cost")); dollars != nil && theirs != nil && o.Get("is_byok").Truth() {
			dollars.Add(dollars, theirs)
		}
	}
	return micros(dollars)
}

// micros is so many dollars in micro-dollars, rounded up; nil where there are
// none, or more than any call costs.
func micros(dollars *big.Rat) *int64 {
	if dollars == nil {
		return nil
	}
	sum := dollars.Mul(dollars, big.NewRat(1_000_000, 1))
	whole, rest := new(big.Int).QuoRem(sum.Num(), sum.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() || whole.Int64() > maxOwn {
		return nil
	}
	n := whole.Int64()
	return &n
}

// maxOwn is the largest bill of one call that is believed: a million dollars.
const maxOwn = 1_000_000_000_000

// rational is a number that is not negative, exactly; nil for anything else.
func rational(v Span) *big.Rat {
	text := ""
	switch k := v.Kind(); {
	case k == '"':
		text = v.Text()
	case k >= '0' && k <= '9':
		text = string(v.raw())
	}
	if text == "" || len(text) > 64 {
		return nil
	}
	// SetString takes fractions and other bases too, and exponents without end.
	for _, c := range text {
		if (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '-' && c != '+' {
			return nil
		}
	}
	var mantissa big.Float
	if _, _, err := mantissa.Parse(text, 10); err != nil || mantissa.Sign() < 0 || mantissa.MantExp(nil) > 64 || mantissa.MantExp(nil) < -128 && mantissa.Sign() != 0 {
		return nil
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

// Generation reads OpenRouter's account of one call, which it gives afterwards
// at /generation?id=. Its own bill is what counts; the tokens are the model's own.
func Generation(body []byte, r *Reading) {
	doc, err := Parse(body)
	if err != nil {
		return
	}
	var wrong error
	o := doc.Object(&wrong).child("data")
	prompt, completion := o.Count("native_tokens_prompt", 0), o.Count("native_tokens_completion", 0)
	dollars := rational(o.Get("total_cost"))
	if theirs := rational(o.Get("upstream_inference_cost")); dollars != nil && theirs != nil && o.Get("is_byok").Truth() {
		dollars.Add(dollars, theirs)
	}
	if r.Cost = micros(dollars); r.Cost == nil || wrong != nil {
		return // not yet
	}
	cached := min(value(o.Count("native_tokens_cached", 0)), value(prompt))
	r.Usage = policy.Usage{Input: value(prompt) - cached, CacheRead: cached, Output: value(completion)}
	r.Model, r.By = o.Get("model").Text(), o.Get("provider_name").Text()
	r.Known, r.Finished = true, true
}
