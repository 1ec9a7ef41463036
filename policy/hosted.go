package policy

import (
	"fmt"
	"strings"
)

// reservedUses is what an agent that reserves for hosted tools reserves for
// each that the request does not bound.
const reservedUses = 8

// Reserve gives each hosted tool that the request leaves unbounded a bound of
// eight uses, where the agent reserves for hosted tools. What goes beyond is
// booked as overrun.
func (caps Capabilities) Reserve(c Call) Call {
	if !caps.ReserveHostedTools {
		return c
	}
	hosted := make([]HostedTool, len(c.Hosted))
	for i, t := range c.Hosted {
		if t.MaxUses <= 0 {
			t.MaxUses = reservedUses
		}
		hosted[i] = t
	}
	c.Hosted = hosted
	return c
}

// hostedUses is how often the provider may run tools of its own in a call, and
// how many fees that can cost.
func hostedUses(c Call, m Model) (uses, fees int64, err error) {
	for _, t := range c.Hosted {
		if t.MaxUses <= 0 {
			return 0, 0, fmt.Errorf("%w: hosted tool %q; set max_uses or max_tool_calls, or let the agent reserve for hosted tools", ErrUnbounded, t.Type)
		}
		if t.MaxUses > maxOutputs {
			return 0, 0, fmt.Errorf("%w: %d uses of %q", ErrAmount, t.MaxUses, t.Type)
		}
		uses += t.MaxUses
		switch hostedFee(t.Type, c.Wire) {
		case feeNone:
		case feeSearch:
			if m.Price.PerSearch == nil && !m.Provider.Local {
				return 0, 0, fmt.Errorf("%w: searches of %q", ErrNoRate, t.Type)
			}
			fees += t.MaxUses
		default:
			if !m.Provider.Local {
				return 0, 0, fmt.Errorf("%w: the fee of hosted tool %q is not known", ErrNoRate, t.Type)
			}
		}
	}
	return uses, fees, nil
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
	kind = strings.ToLower(strings.ReplaceAll(kind, "_", ""))
	for _, search := range []string{"websearch", "googlesearch", "filesearch", "xsearch", "livesearch", "enterprisewebsearch"} {
		if strings.HasPrefix(kind, search) {
			return feeSearch
		}
	}
	for _, free := range []string{"webfetch", "urlcontext", "mcp", "toolsearch", "compaction"} {
		if strings.HasPrefix(kind, free) {
			return feeNone
		}
	}
	if wire == Gemini && kind == "codeexecution" { // Google bills its tokens only
		return feeNone
	}
	return feeUnknown
}
