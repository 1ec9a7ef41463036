// Package bound knows what a call can cost at most before it is made: by the
// bytes of its body, by what its caller has paid for before, by a count of its
// prompt. It learns from what calls turned out to cost, and keeps no content.
package bound

import (
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// Offer is one way to hold a call: what bounds its prompt, and what it can cost then.
type Offer struct {
	Asked policy.Call
	By    string      // what bounds the prompt: ByBytes, ByPaid ...
	Wrong func() bool // tells whether that bound has turned out wrong since; nil: it cannot

	ceilings []policy.Ceiling // one for each number of uses of hosted tools, the greatest first
	uses     []int64          // that number, for each ceiling; 0: as asked
	taken    int              // the index of the ceiling that the hold is for
	room     int64            // what was unreserved when the call was admitted
}

// What bounds a prompt.
const (
	ByBytes      = "bytes"
	ByPaid       = "paid"
	ByCount      = "count"
	ByVocabulary = "vocabulary"
)

// maxUses is the greatest number of uses that is tried where as many as the request asks for
// do not fit.
const maxUses = 16

// New works out the ceilings of a call. clamps tells whether what it asks for may be
// lowered.
func New(asked policy.Call, model policy.Model, by string, clamps bool) (*Offer, error) {
	o := &Offer{Asked: asked, By: by}
	most := int64(0)
	if asked.HostedRule == policy.HostedAuto && clamps {
		most = asked.Uses()
	}
	for uses := most; ; uses = min(uses-1, maxUses) {
		bounded := asked
		if uses > 0 {
			bounded = asked.WithUses(uses)
		}
		ceiling, err := policy.Bound(bounded, model, clamps)
		if err != nil {
			return nil, err
		}
		o.ceilings, o.uses = append(o.ceilings, ceiling), append(o.uses, uses)
		if uses <= 1 {
			return o, nil
		}
	}
}

// Priced is the offer of a call at a price, whatever is in it.
func Priced(price policy.Pico) *Offer {
	return &Offer{By: ByBytes, uses: []int64{0}, ceilings: []policy.Ceiling{{Input: price}}}
}

// Ceiling is what the hold is for.
func (o *Offer) Ceiling() policy.Ceiling { return o.ceilings[o.taken] }

// Uses is how often hosted tools may be used within the hold; 0: as asked.
func (o *Offer) Uses() int64 { return o.uses[o.taken] }

// Whole is the ceiling of all that is asked.
func (o *Offer) Whole() policy.Ceiling { return o.ceilings[0] }

// Least is the ceiling with the fewest uses of hosted tools.
func (o *Offer) Least() policy.Ceiling { return o.ceilings[len(o.ceilings)-1] }

// Most is what all that is asked can cost.
func (o *Offer) Most() int64 { return o.ceilings[0].MostMicros() }

// Stale tells whether the bound that it was made with has turned out wrong since.
func (o *Offer) Stale() bool { return o.Wrong != nil && o.Wrong() }

// Share is the amount of the hold, given how much money is unreserved: for all that is
// asked if that fits, else for as many uses of hosted tools as half of the room pays for,
// else for the fewest.
func (o *Offer) Share(unreserved ledger.Micros) ledger.Micros {
	room := int64(unreserved)
	if o.room = room; o.Stale() { // then no call is let through by it
		return 0
	}
	for i, ceiling := range o.ceilings {
		if i == 0 && ceiling.MostMicros() > room && ceiling.FloorMicros() > room/2 && len(o.ceilings) > 1 {
			continue
		}
		if i > 0 && i < len(o.ceilings)-1 && ceiling.FloorMicros() > room/2 {
			continue
		}
		if share := ceiling.Share(room); share > 0 || i == len(o.ceilings)-1 {
			o.taken = i
			return ledger.Micros(share)
		}
	}
	return 0
}
