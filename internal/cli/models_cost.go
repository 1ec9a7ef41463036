package cli

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/Auro-rium/aex/ledger"
	"github.com/Auro-rium/aex/policy"
)

// usageFlags are the tokens that aex models price works a cost out for.
type usageFlags struct {
	policy.Usage
	tier string
}

func (u *usageFlags) add(fl *pflag.FlagSet) {
	fl.Int64Var(&u.Input, "input", 0, "work out the cost of this many input tokens")
	fl.Int64Var(&u.Output, "output", 0, "and this many output tokens")
	fl.Int64Var(&u.CacheRead, "cache-read", 0, "and this many input tokens read from a cache")
	fl.Int64Var(&u.CacheWrite5m, "cache-write-5m", 0, "and this many written to one for five minutes")
	fl.Int64Var(&u.CacheWrite1h, "cache-write-1h", 0, "and this many written to one for an hour")
	fl.Int64Var(&u.AudioIn, "audio-in", 0, "and this many audio tokens in")
	fl.Int64Var(&u.AudioOut, "audio-out", 0, "and this many audio tokens out")
	fl.Int64Var(&u.Searches, "searches", 0, "and this many web searches")
	fl.StringVar(&u.tier, "tier", "", "in this service tier")
}

// cost is what a call of the model with this usage costs; nil when no usage
// was given.
func (u *usageFlags) cost(m policy.Model) (*ledger.Micros, error) {
	if u.Usage == (policy.Usage{}) {
		return nil, nil
	}
	micros, err := policy.Cost(m.Price, u.Usage, u.tier)
	if err != nil {
		return nil, hinted(fmt.Errorf("the cost of model %s: %w", m.Name, err), "see what is known of it: aex models price %s --json", m.Name)
	}
	cost := ledger.Micros(micros)
	return &cost, nil
}
