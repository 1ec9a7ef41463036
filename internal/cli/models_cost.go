package cli

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
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
	fl.StringVar(&u.tier, "tier", "", "in this service `TIER`; one that is not known costs what the dearest does")
}

// check finds what cannot be meant.
func (u *usageFlags) check(wire string) error {
	for _, n := range []struct {
		flag  string
		count int64
	}{
		{"input", u.Input}, {"output", u.Output}, {"cache-read", u.CacheRead}, {"cache-write-5m", u.CacheWrite5m}, {"cache-write-1h", u.CacheWrite1h},
		{"audio-in", u.AudioIn}, {"audio-out", u.AudioOut}, {"searches", u.Searches},
	} {
		if n.count < 0 {
			return usageError("--%s is not negative, as %d is", n.flag, n.count)
		}
	}
	if u.tier != "" && u.Usage == (policy.Usage{}) {
		return usageError("--tier needs a usage to work out the cost of, like --input 1000")
	}
	if wire != "" {
		_, err := oneOf("--wire", wire, policy.Chat, policy.Responses, policy.Completions, policy.Embeddings, policy.Messages, policy.Gemini)
		return err
	}
	return nil
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
