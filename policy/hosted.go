package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// reservedUses is what an agent that reserves for hosted tools reserves for
// each that the request does not bound.
const reservedUses = 8

// The rules for tools that the provider runs itself.
const (
	HostedAuto   = "auto"   // bounded so that they fit, the default
	HostedRefuse = "refuse" // refused, unless the request bounds them
	HostedAllow  = "allow"  // eight uses are held, and what comes is booked
)

// FoundTokens is how much one use of a hosted tool is taken to bring before the
// model. What goes beyond is booked as overrun, and the next use holds the most
// that was seen.
const FoundTokens = 30_000

// unpricedSearch is held for a search at a host whose answers tell its fee, but
// that has no price for it: what the dearest in the price list costs.
const unpricedSearch = 35_000 * picoPerMicro

// HostedRule is the strictest of the rules that the policies name; auto where
// none does.
func HostedRule(all []Capabilities) string {
	rule := ""
	for _, caps := range all {
		said := caps.HostedTools
		if said == "" && caps.ReserveHostedTools {
			said = HostedAllow
		}
		switch {
		case said == HostedRefuse, rule == "", rule == HostedAllow && said == HostedAuto:
			rule = said
		}
	}
	if rule == "" {
		return HostedAuto
	}
	return rule
}

// takesUses tells whether a request can bound how often the provider uses a tool.
func (t HostedTool) takesUses(wire string) bool {
	switch wire {
	case Messages:
		return t.Tool && (strings.HasPrefix(t.Type, "web_search") || strings.HasPrefix(t.Type, "web_fetch"))
	case Responses:
		return t.Tool && t.Type != "mcp"
	}
	return false
}

// Uses is how often the provider may use its own tools, each of those that a
// request can bound; 0: there are none.
func (c Call) Uses() (most int64) {
	for _, t := range c.Hosted {
		if t.takesUses(c.Wire) {
			most = max(most, cmp.Or(t.MaxUses, reservedUses))
		}
	}
	return most
}

// WithUses is the call with each of its hosted tools used so often at most.
func (c Call) WithUses(most int64) Call {
	hosted := make([]HostedTool, len(c.Hosted))
	for i, t := range c.Hosted {
		if t.takesUses(c.Wire) {
			t.MaxUses = min(cmp.Or(t.MaxUses, reservedUses), most)
		}
		hosted[i] = t
	}
	c.Hosted = hosted
	return c
}

// Unmetered are the hosted tools of a request whose fees no answer counts, or
// nobody has a price for, and that can be taken out of it because other tools remain.
func (c Call) Unmetered(m Model) (kinds []string) {
	for _, t := range c.Hosted {
		if _, err := hostedFees(t, 1, c, m); t.Tool && errors.Is(err, ErrNoRate) {
			kinds = append(kinds, t.Type)
		}
	}
	if len(kinds) >= c.Tools {
		return nil
	}
	return kinds
}

type searcher struct {
	glob string
	most int64
}

// searchers are models that search by themselves in every call, by their names as
// sent, and what the search brings is billed as input; most: so often a call at
// most, 0 for as often as they like. What OpenAI's older search models and Perplexity's others find is free.
var searchers = []searcher{{"*-search-api", 1}, {"*-search-api-*", 1}, {"*sonar-deep-research", 0}, {"*:online", 0}, {"groq/compound*", 0}, {"compound-beta*", 0}}

// Answering is the call with what its model does unasked: it searches, or chooses
// how much it thinks.
func (c Call) Answering(m Model) Call { return c.searching(m).choosing(m) }

// searching is the call with the searches that its model makes unasked. Of a model
// that searches once for a fee a call, the request's own options change nothing.
func (c Call) searching(m Model) Call {
	name := strings.ToLower(m.Sent)
	at := slices.IndexFunc(searchers, func(s searcher) bool { return anyGlob([]string{s.glob}, name) })
	if c.Wire == Embeddings {
		return c
	}
	if at >= 0 && searchers[at].most > 0 || at < 0 && m.Provider.Host().SearchFee && m.Price.PerRequest != nil {
		c.Hosted = slices.DeleteFunc(slices.Clone(c.Hosted), func(t HostedTool) bool { return t.Type == "web_search" && !t.Tool })
	}
	if at >= 0 {
		if t := (HostedTool{Type: "web_search", MaxUses: searchers[at].most}); !slices.Contains(c.Hosted, t) {
			c.Hosted = append(slices.Clone(c.Hosted), t)
		}
	}
	return c
}

// hostedInput bounds the input of a call whose hosted tools are bounded: the
// prompt is read again after each use, and all that was found before with it.
// A tool that nothing bounds holds the model's window.
func hostedInput(c Call, m Model, prompt int64) (input, fees int64, err error) {
	var uses, again int64
	endless := false
	for _, t := range c.Hosted {
		n := cmp.Or(t.MaxUses, reservedUses)
		if n > maxOutputs {
			return 0, 0, fmt.Errorf("%w: %d uses of %q", ErrAmount, n, t.Type)
		}
		switch {
		case t.Type == "compaction":
			again++
		case !t.Tool && t.MaxUses > 0: // the model's own
			uses += n
		case t.endless(c.Wire):
			endless = true
		case c.Wire == Responses: // one bound for all together
			uses = max(uses, n)
		default:
			uses += n
		}
		fee, err := hostedFees(t, n, c, m)
		if err != nil {
			return 0, 0, err
		}
		if c.Wire == Gemini && OneSearchFee(m.Sent) {
			fee = min(fee, 1)
		}
		fees += fee
	}
	turns := uses + 1 + again
	if turns >= maxCap/window(m) {
		return 0, 0, fmt.Errorf("%w: %d uses of hosted tools", ErrAmount, uses)
	}
	input = turns*prompt + max(FoundTokens, c.Found)*uses*(uses+1)/2
	most := turns * window(m)
	if endless {
		beside := window(m) + max(0, c.Found-FoundTokens) // and what went beyond it before
		input, most = input+beside, most+beside
	}
	return min(input, most), fees, nil
}

// Endless tells whether the provider may use a tool of its own that nothing bounds.
func (c Call) Endless() bool {
	return slices.ContainsFunc(c.Hosted, func(t HostedTool) bool { return t.endless(c.Wire) })
}

// endless tells it of one: neither the request nor the model itself bounds its uses.
func (t HostedTool) endless(wire string) bool {
	return t.Type != "compaction" && (t.Tool || t.MaxUses <= 0) && !t.takesUses(wire)
}

// OneSearchFee tells of Google's models up to Gemini 2.5 that an answer costs one
// fee, however often they searched for it
// (https://ai.google.dev/gemini-api/docs/pricing).
func OneSearchFee(model string) bool {
	name := strings.TrimPrefix(model, "models/")
	return strings.HasPrefix(name, "gemini-1") || strings.HasPrefix(name, "gemini-2")
}

// hostedUses is how often the provider may run tools of its own in a call, and
// how many fees that can cost.
func hostedUses(c Call, m Model) (uses, fees int64, err error) {
	for _, t := range c.Hosted {
		if t.MaxUses <= 0 {
			return 0, 0, fmt.Errorf("%w: hosted tool %q; set max_uses or max_tool_calls, or --hosted-tools=auto", ErrUnbounded, t.Type)
		}
		if t.MaxUses > maxOutputs {
			return 0, 0, fmt.Errorf("%w: %d uses of %q", ErrAmount, t.MaxUses, t.Type)
		}
		uses += t.MaxUses
		fee, err := hostedFees(t, t.MaxUses, c, m)
		if err != nil {
			return 0, 0, err
		}
		fees += fee
	}
	return uses, fees, nil
}

// hostedFees is how many counted fees so many uses of a tool can cost.
func hostedFees(t HostedTool, uses int64, c Call, m Model) (fees int64, err error) {
	switch kind := hostedFee(t.Type, c.Wire); {
	case kind == feeNone || m.Provider.Local:
		return 0, nil
	case kind == feeSearch && m.Price.PerSearch == nil && m.Provider.Host().OwnCost == "":
		return 0, fmt.Errorf("%w: searches of %q; set per_search_usd for %s in models.yaml", ErrNoRate, t.Type, m.Name)
	case kind == feeSearch:
		return uses, nil
	case c.HostedRule == HostedAllow && (t.Tool || strings.HasSuffix(t.Type, "_output") && m.Provider.Host().OwnCost != ""):
		return 0, nil // what comes is booked: pictures, by the bill in the answer
	}
	return 0, fmt.Errorf("%w: the fee of hosted tool %q is not known", ErrNoRate, t.Type)
}

// UnpricedSearch tells whether the provider may search at a fee that has no price:
// an answer without the provider's own bill then does not tell the cost.
func (c Call) UnpricedSearch(m Model) bool {
	return m.Price.PerSearch == nil && !m.Provider.Local && slices.ContainsFunc(c.Hosted, func(t HostedTool) bool { return hostedFee(t.Type, c.Wire) == feeSearch })
}

type hostedKind int

const (
	feeUnknown hostedKind = iota
	feeNone               // costs only the tokens it brings in
	feeSearch             // costs a counted search each time
)

// hostedFee tells what a use costs beside tokens. What is not listed
// (code_interpreter and its containers, image_generation, computer use in the
// provider's own machines) has fees that no answer counts.
func hostedFee(kind, wire string) hostedKind {
	kind = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(kind, "openrouter:"), "_", ""))
	for _, search := range []string{"websearch", "googlesearch", "filesearch", "xsearch", "livesearch", "browsersearch", "enterprisewebsearch"} {
		if strings.HasPrefix(kind, search) {
			return feeSearch
		}
	}
	for _, free := range []string{"webfetch", "urlcontext", "mcp", "toolsearch", "compaction", "datasources"} {
		if strings.HasPrefix(kind, free) {
			return feeNone
		}
	}
	if wire == Gemini && kind == "codeexecution" { // Google bills its tokens only
		return feeNone
	}
	return feeUnknown
}
