package policy

import (
	"slices"
	"strings"
)

// When a model makes output that its answer does not show.
const (
	Never     = "never"
	OnRequest = "request" // only where the request asks for it
	ByDefault = "default" // unless the request turns it off
	Always    = "always"
)

// The fields by which a request turns reasoning off.
const (
	OffEffort   = "effort"   // reasoning_effort or reasoning.effort "none"
	OffThinking = "thinking" // thinking.type "disabled"
	OffBudget   = "budget"   // thinkingConfig.thinkingBudget 0
	OffEnabled  = "enabled"  // reasoning.enabled or enable_thinking false
)

// Reasoning says when a model makes output that its answer does not show, and
// how a request turns that off.
type Reasoning struct {
	When string   // Never, OnRequest, ByDefault, Always; "": nobody states it, which is not Never
	Off  []string // OffEffort ...
}

// Hides reports whether a model may make output in this call that the answer
// does not show: what passes is then no bound of what is billed.
func (r Reasoning) Hides(c Call) bool {
	switch r.When {
	case Never:
		return c.Reason // who asks a router for it may get another model
	case OnRequest:
		return c.Reason
	case ByDefault:
		return !slices.Contains(r.Off, c.ReasonOff)
	}
	return true
}

// reasoningOf is what a row and models.yaml (said) state. capabilities.reasoning
// false is a statement of the user's.
func reasoningOf(r *row, said *bool) Reasoning {
	switch {
	case said != nil && !*said:
		return Reasoning{When: Never}
	case r == nil:
		return Reasoning{}
	}
	return Reasoning{When: r.Reasoning, Off: strings.Fields(r.Off)}
}
