package proxy

import (
	"cmp"
	"hash/maphash"
	"strings"
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

// paidFor is what callers have paid for before: prompts as the provider counted
// them, in hashes and sizes, and where its counts were wrong. Of content it
// keeps nothing, and nothing of it outlives the process.
type paidFor struct {
	mu     sync.Mutex
	purses map[string]*purse
	wrong  map[counter]bool  // those whose bill exceeded a bound made of their own counts
	other  map[counter]bool  // those that count more than the model's vocabulary does
	dear   map[counter]bool  // those that billed a dearer tier than was asked for
	found  map[counter]int64 // the most that a use of a hosted tool has brought, tokens
}

// counter is who counts tokens: a provider, for a model.
type counter struct{ base, model string }

// purse is one caller's: of a run, or under serve of an agent.
type purse struct {
	past    []past // oldest first
	pieces  int
	thought map[thought]int64
}

// past is a call that was paid for.
type past struct {
	kind   paidKind
	served string
	policy.Paid
}

// paidKind is what two calls must have in common for the one to bound the other.
type paidKind struct {
	counter
	key, beta uint64
	options   uint64
	tools     bool
}

// thought is a conversation: a model's, by its first message.
type thought struct {
	counter
	first uint64
}

var paidSeed = maphash.MakeSeed()

// buyer is whose earlier calls may serve.
func (c *call) buyer() string {
	if c.id.Run != "" {
		return "run " + string(c.id.Run)
	}
	return "agent " + string(c.id.AgentID)
}

func (c *call) counter() counter { return counter{c.model.Provider.BaseURL, c.model.Sent} }

// pieces splits the call's prompt, once.
func (c *call) pieces() wire.Prompt {
	if c.prompt == nil {
		p := wire.SplitPrompt(c.body)
		c.prompt = &p
	}
	return *c.prompt
}

func (c *call) paidKind() paidKind {
	return paidKind{
		counter: c.counter(), key: maphash.String(paidSeed, c.key), options: c.pieces().Options, tools: c.asked.Tools > 0,
		beta: maphash.String(paidSeed, strings.Join(c.r.Header["Anthropic-Beta"], ",")+"|"+strings.Join(c.r.Header["Openai-Beta"], ",")),
	}
}

// prompted tells whether the wire has prompts that grow from call to call.
func (c *call) prompted() bool {
	switch c.asked.Wire {
	case policy.Chat, policy.Responses, policy.Messages, policy.Gemini:
		return c.opened == nil
	}
	return false
}

// bound bounds a call's prompt by an earlier one; 0: none serves.
func (p *paidFor) bound(c *call) (tokens int64) {
	if !c.prompted() || len(c.asked.Hidden) > 0 {
		return 0
	}
	kind, pieces := c.paidKind(), c.pieces().Pieces
	media, known := policy.MediaTokens(c.asked, c.model)
	if !known {
		media = -1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	purse := p.purses[c.buyer()]
	if purse == nil || p.wrong[kind.counter] {
		return 0
	}
	served := ""
	for i := len(purse.past) - 1; i >= 0; i-- {
		was := purse.past[i]
		if was.kind.counter == kind.counter {
			if served != "" && was.served != served {
				return 0 // who serves changes: what one counted the other may not
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

// learn remembers a call that was booked by the provider's own count, for its
// caller; and what the bound of its prompt, its tools or its tier got wrong.
func (p *paidFor) learn(c *call, how ledger.How, cost ledger.Micros) {
	if !c.hold.Limited || c.offered == nil {
		return
	}
	if c.dearTier(cost) {
		p.mark(&p.dear, c.counter())
	}
	if how != ledger.Settled || !c.prompted() {
		return
	}
	u := c.reading.Usage
	input := u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.AudioIn
	ran := c.reading.Beyond || len(c.asked.Hosted) > 0 && (c.asked.Wire == policy.Chat || u.Searches > 0)
	switch over := input - c.ceiling.InputTk; {
	case over > 0 && ran:
		p.find(c, over)
	case over > 0 && c.offered.by == byVocabulary:
		p.mark(&p.other, c.counter())
	case over > 0 && c.offered.by != byBytes:
		p.mark(&p.wrong, c.counter())
	}
	_, known := policy.MediaTokens(c.asked, c.model)
	if ran || !known || len(c.asked.Hidden) > 0 || c.spares() || c.pieces().Cut || !policy.Believable(c.asked, input) {
		return
	}
	p.keep(c, past{kind: c.paidKind(), served: c.reading.Model, Paid: policy.Paid{Tokens: input, Pieces: c.pieces().Pieces}})
}

// keep adds to what the caller has paid for; the oldest is forgotten.
func (p *paidFor) keep(c *call, was past) {
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

// spareCalls is how many of the dearest calls of a caller's kind have to fit what
// it has left for it to have money to spare.
const spareCalls = 20

// spares tells whether the caller has so much that a bound of its next calls is
// not going to be looked for: remembering takes time, too.
func (c *call) spares() bool {
	longest := max(c.ceiling.Asked, cmp.Or(c.model.MaxOutput, spareOutput))
	return c.offered.room/spareCalls > c.loose.ceilings[0].HoldOf(longest)
}

// spareOutput is the longest answer of a model of which nobody knows it.
const spareOutput = 128_000

// dearTier tells whether a call cost more than its hold because it was served in
// a dearer tier than the hold was for.
func (c *call) dearTier(cost ledger.Micros) bool {
	if cost <= c.hold.Amount || c.offered.asked.Tier == "" || c.offered.asked.Tier == "auto" {
		return false
	}
	fair, err := policy.Cost(c.price(), c.reading.Usage, "standard")
	return err != nil || ledger.Micros(fair) < cost
}

// mark notes a counter in one of the sets.
func (p *paidFor) mark(set *map[counter]bool, who counter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *set == nil {
		*set = map[counter]bool{}
	}
	(*set)[who] = true
}

// distrusts tells whether the counts of a provider for a model were given up.
func (p *paidFor) distrusts(who counter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrong[who]
}

// misreads tells whether a model's vocabulary is not what its provider counts by.
func (p *paidFor) misreads(who counter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.other[who]
}

// dearer tells whether a provider has billed a dearer tier than was asked for.
func (p *paidFor) dearer(who counter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dear[who]
}

// find keeps how much a use of a hosted tool brought, where that was more than
// was held.
func (p *paidFor) find(c *call, over int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		p.found = map[counter]int64{}
	}
	uses := max(c.reading.Usage.Searches, 1)
	before := max(policy.FoundTokens, p.found[c.counter()])
	p.found[c.counter()] = before + (over+uses*(uses+1)/2-1)/(uses*(uses+1)/2)
}

// brought is the most that a use of a hosted tool has brought; 0: nothing that
// was not expected.
func (p *paidFor) brought(c *call) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found[c.counter()]
}

// purse is the caller's. The caller of this holds p.mu.
func (p *paidFor) purse(c *call) *purse {
	own := p.purses[c.buyer()]
	if own == nil {
		if p.purses == nil || len(p.purses) >= maxPurses {
			p.purses = map[string]*purse{}
		}
		own = &purse{}
		p.purses[c.buyer()] = own
	}
	return own
}

// thinking is the budget that the call's conversation has been lowered to; 0:
// it has not.
func (p *paidFor) thinking(c *call) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if own := p.purses[c.buyer()]; own != nil {
		return own.thought[thought{c.counter(), c.pieces().First}]
	}
	return 0
}

func (p *paidFor) think(c *call, budget int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.purse(c)
	if own.thought == nil || len(own.thought) >= maxThought {
		own.thought = map[thought]int64{}
	}
	own.thought[thought{c.counter(), c.pieces().First}] = budget
}
