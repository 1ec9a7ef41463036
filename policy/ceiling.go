package policy

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// DefinedPrompt is the most, in tokens, that a provider's own description of one of
// its tools is taken to be: Anthropic publishes up to 735 for a computer's, 700 for
// a text editor's.
const DefinedPrompt = 1024

// Errors of Bound: calls that have no ceiling.
var (
	// ErrUnbounded means that the provider may run tools of its own without any bound.
	// The request can bound them, or the agent's policy can reserve money for them.
	ErrUnbounded = errors.New("the call has no upper bound")
	// ErrBackground means that the answer, and its bill, come after the call.
	ErrBackground = errors.New("background calls cannot be bounded")
)

const (
	floorTokens  = 8192    // what a call gets while there is room
	leastTokens  = 1024    // min_output_tokens unless set
	leastCap     = 16      // providers refuse smaller caps
	maxCap       = 1 << 40 // a larger cap is no number of tokens
	maxOutputs   = 1 << 20
	toolsPrompt  = 1024 // the prompt that turns tools on; 159 to 735 tokens are published by Anthropic
	maxBodyBytes = 1 << 40
	maxCeiling   = 1_000_000_000_000_000 // micro-dollars; no call costs a billion dollars
)

// Ceiling is the most a call can cost, kept in a form from which a smaller
// output can be priced too.
type Ceiling struct {
	Input   Pico  // total of the input bound at the dearest price it can cause, plus fees
	Output  Pico  // of one output token in every output of the call (n included)
	Asked   int64 // output tokens: the client's cap, else the model's maximum
	Least   int64 // the smaller of Asked and min_output_tokens: below this the call is not worth making
	Floor   int64 // 8,192, or Asked when that is smaller: what a call gets while there is room
	Tokens  int64 // input bound plus all output, for tokens a minute
	InputTk int64 // the input bound in tokens
	Outputs int64 // how many outputs are billed
	Clamp   bool  // the cap may be lowered to fit
}

// Bound works out the ceiling of a call to a model. Its errors wrap
// ErrUnbounded, ErrBackground, ErrNoRate or ErrAmount; the call must then be
// refused where money is limited.
func Bound(c Call, m Model, clamp bool) (Ceiling, error) {
	if c.Background && !m.Provider.Local {
		return Ceiling{}, fmt.Errorf("%w: send the request without background mode", ErrBackground)
	}
	if len(c.Elsewhere) > 0 && !m.Provider.Local {
		return Ceiling{}, fmt.Errorf("%w: %q may let another model answer, or add to the bill; leave it out", ErrUnbounded, c.Elsewhere[0])
	}
	input, turn, fees, err := boundInput(c, m)
	if err != nil {
		return Ceiling{}, err
	}
	asked, outputs, err := outputTokens(c, m)
	if err != nil {
		return Ceiling{}, err
	}
	rates, err := dearest(c, m, turn)
	if err != nil {
		return Ceiling{}, err
	}
	ceiling := Ceiling{
		Asked:   asked,
		Least:   leastOutput(c, m, asked),
		Floor:   min(floorTokens, asked),
		Tokens:  input + asked*outputs,
		Outputs: outputs,
		InputTk: input,
		// A cap of 0 may mean no answer at all, which no other cap says.
		Clamp: clamp && !c.Fixed && (c.OutputCap == nil || *c.OutputCap > 0),
	}
	if !ceiling.Clamp {
		ceiling.Least = asked
	}
	ceiling.Floor = max(ceiling.Floor, ceiling.Least)
	var in, out sum
	in.add(input, rates.input.pico)
	in.add(1, rates.perRequest.pico)
	search := rates.perSearch.pico
	if !rates.perSearch.known {
		search = unpricedSearch
	}
	in.add(fees, search)
	in.add(c.Prediction, rates.output.pico)
	out.add(outputs, rates.output.pico)
	if ceiling.Input, err = in.pico(); err != nil {
		return Ceiling{}, err
	}
	if ceiling.Output, err = out.pico(); err != nil {
		return Ceiling{}, err
	}
	if ceiling.Output > math.MaxInt64/2 {
		return Ceiling{}, fmt.Errorf("%w: the ceiling does not fit", ErrAmount)
	}
	most, err := ceiling.micros(asked)
	if err == nil && most > maxCeiling {
		err = fmt.Errorf("%w: the call could cost $%d", ErrAmount, most/1_000_000)
	}
	return ceiling, err
}

// boundInput bounds the input of all turns, that of the longest turn, and how
// many searches are paid for.
func boundInput(c Call, m Model) (input, turn, fees int64, err error) {
	turn, err = inputTokens(c, m)
	if err != nil {
		return 0, 0, 0, err
	}
	if c.HostedRule != "" && len(c.Hosted) > 0 {
		input, fees, err = hostedInput(c, m, turn)
		return input, input, fees, err
	}
	uses, fees, err := hostedUses(c, m)
	if err != nil || uses == 0 {
		return turn, turn, 0, err
	}
	// After each use of a hosted tool the model reads everything again, together with
	// what the tool found.
	turn = window(m)
	if uses >= maxCap/turn {
		return 0, 0, 0, fmt.Errorf("%w: %d uses of hosted tools", ErrAmount, uses)
	}
	return turn * (uses + 1), turn, fees, nil
}

// inputTokens bounds the input of one turn. No token of text is shorter than a
// byte, so a body of so many bytes has at most that many tokens; what the
// provider adds is bounded by the model's constants, and what the gateway
// cannot see by the model's window. A provider refuses, free of charge, what
// exceeds that window.
func inputTokens(c Call, m Model) (int64, error) {
	if c.BodyBytes < 0 || c.BodyBytes > maxBodyBytes {
		return 0, fmt.Errorf("%w: a body of %d bytes", ErrAmount, c.BodyBytes)
	}
	switch {
	case c.Prompt > 0: // known better
		return c.Prompt, nil
	case len(c.Hidden) > 0:
		return window(m), nil
	}
	tokens := textBytes(c) + hidden(c, m)
	var images int64
	for _, i := range c.Images {
		images += imageTokens(i, c.Wire, m)
	}
	for _, parts := range [][]Media{c.Audio, c.Files} {
		for _, part := range parts {
			tokens += mediaTokens(part, m)
		}
	}
	switch {
	case c.Wire == Embeddings || c.Wire == Completions:
		return tokens, nil // one call may have many inputs, each with a window of its own
	case multiplied(m):
		return min(tokens, window(m)) + images, nil
	}
	return min(tokens+images, window(m)), nil
}

// hidden is what a provider adds to a prompt, and bills, that is not in the request.
func hidden(c Call, m Model) int64 {
	tokens := m.PerRequest + m.PerMessage*int64(c.Messages) + m.PerTool*int64(c.Tools) + DefinedPrompt*int64(c.Defined)
	if c.Tools > 0 || len(c.Hosted) > 0 {
		tokens += toolsPrompt
	}
	return tokens
}

// window is the model's context window, never 0.
func window(m Model) int64 {
	if m.Context <= 0 {
		return defaultContext
	}
	return m.Context
}

// outputTokens is the cap on each output, and how many outputs there are.
func outputTokens(c Call, m Model) (asked, outputs int64, err error) {
	outputs = max(c.Outputs, 1)
	if outputs > maxOutputs {
		return 0, 0, fmt.Errorf("%w: %d outputs", ErrAmount, outputs)
	}
	switch {
	case c.Wire == Embeddings:
		return 0, 1, nil
	case uncapped(c) && m.MaxOutput > 0:
		return m.MaxOutput, outputs, nil
	case uncapped(c):
		return min(defaultMaxOutput, window(m)), outputs, nil
	case *c.OutputCap < 0 || *c.OutputCap > maxCap:
		return 0, 0, fmt.Errorf("%w: a cap of %d output tokens", ErrAmount, *c.OutputCap)
	}
	return *c.OutputCap, outputs, nil
}

// uncapped tells whether the request leaves the length of its answer open. To some servers a
// cap of 0 is none.
func uncapped(c Call) bool { return c.OutputCap == nil || *c.OutputCap == 0 }

// leastOutput is the smallest cap that is worth the call: the shortest answer,
// and the least thinking before it.
func leastOutput(c Call, m Model, asked int64) int64 {
	return min(leastAnswer(m)+leastThinking(c), asked)
}

// pay is what a call's tokens cost at most.
type pay struct{ input, output, perRequest, perSearch figure }

// dearest is the dearest price of each token that the request can cause: in
// every band its input can reach, in every tier it can be served in, written
// to the cache where it asks for that or where the provider does so unasked.
func dearest(c Call, m Model, inputTokens int64) (pay, error) {
	price := m.Price.InGeo(c.Geo)
	f := price.served(c, 0)
	for _, b := range price.Bands {
		if inputTokens > b.Above {
			f = f.max(price.served(c, b.Above+1))
		}
	}
	p := pay{f.input.max(f.cacheRead), f.output, f.perRequest, f.perSearch}
	if c.CacheWrite5m || c.CacheWrite1h || c.Wire != Messages && price.CacheWrite5m != nil {
		p.input = p.input.max(f.cacheWrite5m)
	}
	if c.CacheWrite1h {
		p.input = p.input.max(f.cacheWrite1h)
	}
	if len(c.Audio) > 0 || audioHidden(c) && f.audioIn.known {
		p.input = p.input.max(f.audioIn)
	}
	if c.AudioOut {
		p.output = p.output.max(f.audioOut)
	}
	switch {
	case !f.input.known:
		return pay{}, fmt.Errorf("%w: input", ErrNoRate)
	case len(c.Audio) > 0 && !f.audioIn.known:
		return pay{}, fmt.Errorf("%w: audio input", ErrNoRate)
	case c.AudioOut && !f.audioOut.known:
		return pay{}, fmt.Errorf("%w: audio output", ErrNoRate)
	case !f.output.known && c.Wire != Embeddings:
		return pay{}, fmt.Errorf("%w: output", ErrNoRate)
	}
	return p, nil
}

// audioHidden reports whether audio may come in unseen.
func audioHidden(c Call) bool {
	if len(c.Hidden) > 0 {
		return true
	}
	for _, f := range c.Files {
		if f.Remote || !strings.HasPrefix(f.Type, "text/") {
			return true
		}
	}
	return false
}

// served is the dearest of the tiers that the provider may answer in.
func (p Price) served(c Call, inputTokens int64) figures {
	standard := p.figures(inputTokens, "standard")
	if c.Fast {
		standard = standard.max(p.figures(inputTokens, TierFast)).max(p.unpriced(standard, TierFast))
	}
	switch c.Tier {
	case "default", "standard", "standard_only", "on_demand":
		return standard
	case "flex", "priority", TierFast: // each may be answered in the standard tier
		return standard.max(p.figures(inputTokens, c.Tier)).max(p.unpriced(standard, c.Tier))
	}
	// None and "auto" mean what the account is set to, which may be any.
	return standard.max(p.figures(inputTokens, "auto")).max(p.unpriced(standard, strings.ToLower(c.Tier)))
}

// unpriced is what a dearer tier can cost that is asked for by name and has no
// price, as with routers: as many times the standard tier as the dearest of
// OpenAI's models.
func (p Price) unpriced(standard figures, tier string) figures {
	if p.HasTier(tier) {
		return figures{}
	}
	switch tier {
	case "priority":
		return standard.times(5, 2)
	case TierFast, "ultrafast":
		return standard.times(6, 1)
	}
	return figures{}
}

// pico is the exact total.
func (s *sum) pico() (Pico, error) {
	if s.overflow || s.hi != 0 || s.lo > math.MaxInt64 {
		return 0, fmt.Errorf("%w: the ceiling does not fit", ErrAmount)
	}
	return Pico(s.lo), nil
}
