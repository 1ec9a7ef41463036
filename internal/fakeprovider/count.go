package fakeprovider

import (
	"bytes"
	"encoding/json"
)

// Hidden is how many prompt tokens a provider adds that are not in the request:
// chat templates, and the prompts that explain tools.
type Hidden struct {
	Request int64 // every request
	Message int64 // every message, input item, content; the system prompt is one
	Tools   int64 // once, when any tool is declared
	Tool    int64 // every tool
}

// HiddenTokens are the hidden prompt tokens by wire. Chat's are the figures of
// OpenAI's cookbook on counting tokens (3 to prime the answer, 3 or 4 a
// message, 7 to 12 a function, 12 to end them); messages' 346 is the tool
// system prompt in Anthropic's table of tool use prices. A bound on a prompt
// must not be below them.
func HiddenTokens(wire string) Hidden {
	switch wire {
	case wireChat, wireResponses:
		return Hidden{Request: 3, Message: 4, Tools: 12, Tool: 12}
	case wireMessages:
		return Hidden{Request: 8, Message: 4, Tools: 346, Tool: 16}
	case wireGemini:
		return Hidden{Request: 4, Message: 3, Tools: 16, Tool: 12}
	}
	return Hidden{} // a completion's or an embedding's text goes in as it is
}

// Tokens of an image when Behaviour does not say: OpenAI's 85 for low detail
// and four tiles of 170 beside them for others, Anthropic's most (some 1.15
// megapixels / 750), Gemini's 258 for one tile.
const (
	imageLow      = 85
	imageHigh     = 765
	imageMessages = 1568
	imageGemini   = 258
)

// counter adds up the tokens of a prompt.
type counter struct {
	perToken int64
	tokens   int64
	messages int64
	images   int64
	imageSum int64
}

func (c *counter) text(s string)  { c.size(len(s)) }
func (c *counter) size(bytes int) { c.tokens += (int64(bytes) + c.perToken - 1) / c.perToken }

// raw counts JSON as the text it is, without its white space.
func (c *counter) raw(m json.RawMessage) {
	if len(m) == 0 || string(m) == "null" {
		return
	}
	var b bytes.Buffer
	if json.Compact(&b, m) == nil {
		c.size(b.Len())
	}
}

func (c *counter) image(tokens int64) {
	c.images++
	c.imageSum += tokens
}

// text is a JSON string's value, and whether it is one.
func text(m json.RawMessage) (string, bool) {
	if len(m) == 0 || m[0] != '"' {
		return "", false
	}
	var s string
	return s, json.Unmarshal(m, &s) == nil
}

// count answers with the tokens of a prompt, and what the wire hides, and bills
// nothing.
func (x *exchange) count(wire string, answer func(prompt int64) any) {
	c, no := x.route.wire.read(x)
	if no != nil {
		x.refuse(*no)
		return
	}
	x.p.mu.Lock()
	b, ok := x.p.models[c.model]
	if !ok {
		b = x.p.set
	}
	x.p.mu.Unlock()
	switch {
	case b.CountStatus > 0:
		x.refuse(refusal{status: b.CountStatus, kind: "invalid_request_error", message: "Counting is not available."})
		return
	case b.CountHangs && !x.hang():
		return
	}
	p := &plan{}
	x.b = Behaviour{ImageTokens: b.ImageTokens, AudioInTokens: b.AudioInTokens}
	x.route.name = wire // for what it hides
	p.countPrompt(x, c)
	if b.CountPercent > 0 {
		p.prompt = p.prompt * b.CountPercent / 100
	}
	x.sendWhole(200, marshal(answer(p.prompt)))
}

// Counted is how many requests to count a prompt have come.
func (p *Provider) Counted() (n int) {
	for _, e := range p.Bill() {
		if e.Wire == countTokens {
			n++
		}
	}
	return n
}

// countTokens is what requests to count are listed as on the bill.
const countTokens = "count_tokens"
