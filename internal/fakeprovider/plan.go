package fakeprovider

import (
	"strconv"
	"unicode/utf8"
)

// call is what a request asks for, as far as all wires have it in common.
type call struct {
	model     string
	stream    bool
	askUsage  bool  // stream_options.include_usage
	obfuscate bool  // stream_options.include_obfuscation, on unless turned off
	cap       int64 // most output tokens of one output; negative: none given
	outputs   int64 // how many are answered
	made      int64 // how many are generated and billed (best_of); 0: outputs
	prompt    int64 // tokens of all text
	messages  int64 // hidden tokens go by these
	toolCount int64 // tools declared, of every kind
	tools     []string
	loop      loop
	tier      string
	standard  bool // the request names the standard tier
	images    int64
	imageSum  int64
	asked     any // what the wire alone needs
}

// plan is the answer before a byte of it: how much of what, and what it costs.
type plan struct {
	model, tier string
	outputs     []output
	usage       Usage
	prompt      int64 // every prompt token, cached ones and audio included
	reasoning   int64 // of usage.Output
	created     int64 // Unix time
}

// output is one answer of the n asked for.
type output struct {
	reasoning int64
	tokens    int64 // of text
	words     words
	calls     []plannedCall
	length    bool // ended by the cap
}

type plannedCall struct {
	id, name, args string
	tokens         int64
}

// callOverhead is what a tool call costs beside its name and arguments.
const callOverhead = 4

const defaultOutput = 16

func (x *exchange) makePlan(c *call) *plan {
	b := &x.b
	p := &plan{model: c.model, tier: c.tier, created: x.p.opt.Now().Unix()}
	if b.ServedModel != "" {
		p.model = b.ServedModel
	}
	if b.ServedTier != "" && !(b.KeepTier && c.standard) {
		p.tier = b.ServedTier
	}
	p.countPrompt(x, c)
	calls := x.toolCalls(c)
	for i := int64(0); i < c.outputs; i++ {
		p.outputs = append(p.outputs, x.makeOutput(c, i, calls))
	}
	made := max(c.made, c.outputs)
	for i := range made {
		o := &p.outputs[min(i, int64(len(p.outputs)-1))]
		p.reasoning += o.reasoning
		p.usage.Output += o.total()
	}
	p.usage.AudioOut = b.AudioOutTokens * c.outputs
	p.usage.Searches = b.Searches
	p.usage.fold(x.route.name)
	return p
}

// fold bills what a wire's usage cannot tell apart in the class that it can.
func (u *Usage) fold(wire string) {
	move := func(from, to *int64) { *from, *to = 0, *to+*from }
	if wire != wireMessages {
		move(&u.CacheWrite1h, &u.CacheWrite5m)
	}
	switch wire {
	case wireGemini:
		move(&u.CacheWrite5m, &u.Input)
	case wireResponses, wireMessages:
		move(&u.AudioIn, &u.Input)
		move(&u.AudioOut, &u.Output)
	case wireChat, wireCompletions:
		u.Searches = 0
	case wireEmbeddings:
		*u = Usage{Input: u.Input + u.CacheRead + u.CacheWrite5m + u.AudioIn}
	}
}

// countPrompt splits the prompt into the classes that are billed.
func (p *plan) countPrompt(x *exchange, c *call) {
	h := HiddenTokens(x.route.name)
	if x.p.opt.Hidden != nil {
		h = *x.p.opt.Hidden
	}
	p.prompt = c.prompt + h.Request + h.Message*c.messages + h.Tool*c.toolCount + c.imageSum
	if c.toolCount > 0 {
		p.prompt += h.Tools
	}
	if x.b.ImageTokens > 0 {
		p.prompt += x.b.ImageTokens*c.images - c.imageSum
	}
	p.prompt += x.b.ToolUseTokens + x.b.AudioInTokens
	p.usage.AudioIn = x.b.AudioInTokens
	rest := p.prompt - p.usage.AudioIn
	take := func(n int64) int64 {
		n = max(0, min(n, rest))
		rest -= n
		return n
	}
	read, written := x.b.CachedTokens, x.b.CacheWrite5m
	if x.b.Caches && x.route.name == wireMessages {
		read, written = x.cached(c.model, rest)
	}
	p.usage.CacheRead = take(read)
	p.usage.CacheWrite5m = take(written)
	p.usage.CacheWrite1h = take(x.b.CacheWrite1h)
	p.usage.Input = rest
}

// toolCalls are those of the behaviour while it has rounds of them left, else
// the one that the conversation brings about.
func (x *exchange) toolCalls(c *call) []ToolCall {
	if len(c.tools) == 0 {
		return nil
	}
	if calls := x.b.ToolCalls; len(calls) > 0 {
		if x.b.ToolRounds > 0 && c.loop.rounds >= x.b.ToolRounds {
			return nil
		}
		return calls
	}
	if next := c.loop.next(x.b.ToolRounds); next != nil {
		return []ToolCall{*next}
	}
	return nil
}

func (x *exchange) makeOutput(c *call, index int64, calls []ToolCall) output {
	room := int64(-1)
	if c.cap == 0 || c.cap > 0 && !x.b.IgnoreCap {
		room = c.cap
	}
	var o output
	take := func(n int64) int64 {
		if room < 0 {
			return n
		}
		got := min(n, room)
		room -= got
		o.length = o.length || got < n
		return got
	}
	o.reasoning = take(max(0, x.b.ReasoningTokens))
	if len(calls) == 0 {
		o.words = x.words(index)
		o.tokens = take(o.words.total)
		return o
	}
	for i, t := range calls {
		pc := plannedCall{name: t.Name, args: t.Args, id: ident("call_", x.e.ID*64+int64(i)+index*8)}
		if pc.name == "" {
			pc.name = c.tools[0]
		}
		if pc.args == "" {
			pc.args = "{}"
		}
		want := callOverhead + tokensOf(pc.name) + tokensOf(pc.args)
		pc.tokens = take(want)
		if pc.tokens < want { // cut within its arguments
			keep := max(0, pc.tokens-callOverhead-tokensOf(pc.name)) * 4
			pc.args = pc.args[:min(int64(len(pc.args)), keep)]
		}
		if pc.tokens > 0 {
			o.calls = append(o.calls, pc)
		}
	}
	return o
}

func (o *output) total() int64 {
	n := o.reasoning + o.tokens
	for _, c := range o.calls {
		n += c.tokens
	}
	return n
}

func tokensOf(s string) int64 { return int64(len(s)+3) / 4 }

// words is the text of an answer, one token after the other.
type words struct {
	total  int64
	first  int64
	utf8   bool
	pieces []string // of a given text
}

func (x *exchange) words(index int64) words {
	if x.b.Text != "" {
		pieces := split(x.b.Text)
		return words{total: int64(len(pieces)), pieces: pieces}
	}
	n := x.b.OutputTokens
	if n == 0 {
		n = defaultOutput
	}
	return words{total: max(0, n), first: x.p.opt.Seed + index*1000 + 1, utf8: x.b.UTF8}
}

// append adds the tokens from..to to dst. They are safe inside JSON as they
// are, but for those of a given text.
func (w words) append(dst []byte, from, to int64) []byte {
	for i := from; i < to; i++ {
		if w.pieces != nil {
			dst = append(dst, w.pieces[i]...)
			continue
		}
		if w.utf8 {
			dst = append(dst, "é€😀"...)
		}
		dst = append(dst, 'w')
		dst = strconv.AppendInt(dst, w.first+i, 10)
		dst = append(dst, ' ')
	}
	return dst
}

func (w words) text(from, to int64) string { return string(w.append(nil, from, to)) }

// split cuts a text into tokens of at most four bytes, or one character.
func split(s string) []string {
	var out []string
	for len(s) > 0 {
		n := 0
		for n < len(s) {
			_, size := utf8.DecodeRuneInString(s[n:])
			if n > 0 && n+size > 4 {
				break
			}
			n += size
		}
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}
