package bound

import (
	"cmp"
	"sync"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// Bounds of what is kept of the calls that were paid for.
const (
	maxPurses  = 256    // callers
	maxPast    = 64     // calls of one
	maxPieces  = 50_000 // of a caller's calls, all together
	maxThought = 256    // conversations whose thinking was lowered
)

// Paid is what callers have paid for before: prompts as the provider counted them, in
// hashes and sizes, and where counts were wrong. It keeps no content, and it is only in
// memory.
type Paid struct {
	mu     sync.Mutex
	purses map[string]*purse
	wrong  map[Counter]bool  // whose bill exceeded a bound made from their own counts
	other  map[Counter]bool  // who count more tokens than the model's vocabulary does
	dear   map[Counter]bool  // who billed a dearer tier than was asked for
	found  map[Counter]int64 // the most tokens that a use of a hosted tool has brought in
}

// purse is what one caller has paid for: a run, or under aex serve an agent.
type purse struct {
	past    []past // oldest first
	pieces  int
	thought map[thought]int64
}

// past is a call that was paid for.
type past struct {
	kind   kind
	served string
	policy.Paid
}

// thought names a conversation: its model, and the hash of its first message.
type thought struct {
	Counter
	first uint64
}

// Bound bounds a prompt by an earlier one of the same caller; 0: there is none to do so.
func (p *Paid) Bound(c *Prompt) (tokens int64) {
	if !c.Grows() || len(c.Asked.Hidden) > 0 {
		return 0
	}
	kind, pieces := c.kind(), c.pieces().Pieces
	media, known := policy.MediaTokens(*c.Asked, *c.Model)
	if !known {
		media = -1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	purse := p.purses[c.Buyer]
	if purse == nil || p.wrong[kind.Counter] {
		return 0
	}
	served := ""
	for i := len(purse.past) - 1; i >= 0; i-- {
		was := purse.past[i]
		if was.kind.Counter == kind.Counter {
			if served != "" && was.served != served {
				return 0 // several providers serve the model, and may count differently
			}
			served = was.served
		}
		if was.kind != kind {
			continue
		}
		if n, ok := was.Bound(pieces, media); ok && (tokens == 0 || n < tokens) {
			tokens = n
		}
	}
	return tokens
}

// Booked is how a call with a limited hold ended.
type Booked struct {
	How     ledger.How
	Cost    ledger.Micros
	Held    ledger.Micros
	Offer   *Offer // that the hold is for
	Loose   *Offer // by the request's bytes
	Reading *wire.Reading
	Price   policy.Price // of the model served; only needed where the call cost more than was held
}

// Learn remembers, for its caller, a call that was booked by the provider's own count. It
// also notes where the bound of the prompt, the tools or the tier was wrong.
func (p *Paid) Learn(c *Prompt, b Booked) {
	if b.dearTier() {
		p.mark(&p.dear, c.counter())
	}
	if b.How != ledger.Settled || !c.Grows() {
		return
	}
	u := b.Reading.Usage
	input := u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.AudioIn
	ran := b.Reading.Beyond || len(c.Asked.Hosted) > 0 && (c.Asked.Wire == policy.Chat || u.Searches > 0)
	switch over := input - b.Offer.Ceiling().InputTk; {
	case over > 0 && ran && c.Asked.Endless(): // one use, of a window
		p.find(c.counter(), b.Offer.Asked.Found, over, 1)
	case over > 0 && ran:
		p.find(c.counter(), b.Offer.Asked.Found, over, u.Searches)
	case over > 0 && b.Offer.By == ByVocabulary:
		p.mark(&p.other, c.counter())
	case over > 0 && b.Offer.By != ByBytes:
		p.mark(&p.wrong, c.counter())
	}
	_, known := policy.MediaTokens(*c.Asked, *c.Model)
	if ran || !known || len(c.Asked.Hidden) > 0 || b.spares(c.Model.MaxOutput) || c.pieces().Cut || !policy.Believable(*c.Asked, input) {
		return
	}
	p.keep(c, past{kind: c.kind(), served: b.Reading.Model, Paid: policy.Paid{Tokens: input, Pieces: c.pieces().Pieces}})
}

// keep adds to what the caller has paid for; the oldest is forgotten.
func (p *Paid) keep(c *Prompt, was past) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wrong[c.counter()] {
		return
	}
	own := p.purse(c)
	own.past, own.pieces = append(own.past, was), own.pieces+len(was.Pieces)
	for len(own.past) > maxPast || own.pieces > maxPieces && len(own.past) > 1 {
		own.pieces -= len(own.past[0].Pieces)
		own.past = own.past[1:]
	}
}

// spareCalls is how many calls like this one, at its dearest, must fit what the caller has
// left for it to have money to spare.
const spareCalls = 20

// spares tells whether the caller has so much money left that its next calls will need no
// tighter bound: then nothing is remembered, because that takes time, too.
func (b Booked) spares(most int64) bool {
	longest := max(b.Offer.Ceiling().Asked, cmp.Or(most, spareOutput))
	return b.Offer.room/spareCalls > b.Loose.Whole().HoldOf(longest)
}

// spareOutput stands for the longest answer of a model where that is not known.
const spareOutput = 128_000

// dearTier tells whether a call cost more than its hold because it was served in
// a dearer tier than the hold was for.
func (b Booked) dearTier() bool {
	if b.Cost <= b.Held || b.Offer.Asked.Tier == "" || b.Offer.Asked.Tier == "auto" {
		return false
	}
	fair, err := policy.Cost(b.Price, b.Reading.Usage, "standard")
	return err != nil || ledger.Micros(fair) < b.Cost
}

// mark notes a counter in one of the sets.
func (p *Paid) mark(set *map[Counter]bool, who Counter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *set == nil {
		*set = map[Counter]bool{}
	}
	(*set)[who] = true
}

// Distrusts tells whether the counts of a provider for a model were given up.
func (p *Paid) Distrusts(who Counter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrong[who]
}

// Misreads tells whether a model's vocabulary is not what its provider counts by.
func (p *Paid) Misreads(who Counter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.other[who]
}

// Dearer tells whether a provider has billed a dearer tier than was asked for.
func (p *Paid) Dearer(who Counter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dear[who]
}

// find keeps how much input a use of a hosted tool brought in, where that was more than was
// held for it. held is what the call's own hold counted on: calls that were under way at
// the same time were held alike, and what each brought beyond that is not added up.
func (p *Paid) find(who Counter, held, over, searches int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		p.found = map[Counter]int64{}
	}
	uses := max(searches, 1)
	brought := max(policy.FoundTokens, held) + (over+uses*(uses+1)/2-1)/(uses*(uses+1)/2)
	p.found[who] = max(p.found[who], brought)
}

// Brought is the most that a use of a hosted tool has brought in; 0 where it was never more
// than expected.
func (p *Paid) Brought(who Counter) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found[who]
}

// purse is what the prompt's caller has paid for. p.mu must be held.
func (p *Paid) purse(c *Prompt) *purse {
	own := p.purses[c.Buyer]
	if own == nil {
		if p.purses == nil || len(p.purses) >= maxPurses {
			p.purses = map[string]*purse{}
		}
		own = &purse{}
		p.purses[c.Buyer] = own
	}
	return own
}

// Thinking is what the thinking budget of the prompt's conversation has been lowered to;
// 0 where it has not been lowered.
func (p *Paid) Thinking(c *Prompt) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if own := p.purses[c.Buyer]; own != nil {
		return own.thought[thought{c.counter(), c.pieces().First}]
	}
	return 0
}

// Think notes what it has been lowered to.
func (p *Paid) Think(c *Prompt, budget int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.purse(c)
	if own.thought == nil || len(own.thought) >= maxThought {
		own.thought = map[thought]int64{}
	}
	own.thought[thought{c.counter(), c.pieces().First}] = budget
}
