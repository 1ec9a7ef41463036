package wire

import (
	"strconv"

	"github.com/Auro-rium/aex/v3/policy"
)

// How requests ask for reasoning, and turn it off.

// openAIReason reads the fields of OpenAI's APIs and of those that took them
// over: reasoning_effort and reasoning (OpenAI, OpenRouter), thinking (DeepSeek,
// Z.ai, Moonshot), enable_thinking (Qwen), thinking_budget (Fireworks, Google).
func openAIReason(body Object, c *policy.Call) {
	effort(body.Get("reasoning_effort"), c)
	reasoning := body.child("reasoning")
	effort(reasoning.Get("effort"), c)
	switch v := reasoning.Get("enabled"); v.Kind() {
	case 't':
		c.Reason = true
	case 'f':
		c.ReasonOff = policy.OffEnabled
	}
	thinking(body, c)
	switch v := body.Get("enable_thinking"); v.Kind() {
	case 't':
		c.Reason = true
	case 'f':
		c.ReasonOff = policy.OffEnabled
	}
	for _, b := range budgets(body) {
		if n := b.in.Count(b.name, -1); n != nil && c.ReasonOff != policy.OffThinking {
			budget(*n, c)
			c.ThinkingOpen = c.ThinkingOpen || *n < 0
		}
	}
	if body.Get("include_reasoning").Truth() || !empty(body.Get("chat_template_kwargs")) {
		c.Reason = true
	}
}

// effort reads how hard the model is to think. A word that is not known asks for some
// reasoning.
func effort(v Span, c *policy.Call) {
	switch v.Text() {
	case "":
		c.Reason = c.Reason || !v.isNull() && v.Kind() != '"'
	case "none":
		c.ReasonOff = policy.OffEffort
	default:
		c.Reason = true
	}
}

// maxBudget is above every thinking budget. Some clients send the largest integer where
// they want no limit.
const maxBudget = 1 << 40

// budget notes a thinking budget.
func budget(n int64, c *policy.Call) {
	if n > 0 {
		c.Reason, c.ThinkingCap = true, max(c.ThinkingCap, min(n, maxBudget))
	}
}

// thinking reads Anthropic's field, which others took over.
func thinking(body Object, c *policy.Call) {
	t := body.member("thinking")
	switch t.Get("type").Text() {
	case "disabled":
		c.ReasonOff = policy.OffThinking
	case "":
		c.Reason = c.Reason || t.Kind() == '{' && len(t.members) > 0
	default: // enabled, adaptive
		c.Reason = true
	}
	if c.ReasonOff != policy.OffThinking {
		budget(value(t.Count("budget_tokens", 0)), c)
	}
}

// place is where a thinking budget stands.
type place struct {
	in   Object
	name string
}

// budgets are the places of the budgets that APIs of OpenAI's kind take: those of
// OpenRouter, Anthropic, Cohere, Fireworks and Alibaba, vLLM, and Google.
func budgets(body Object) []place {
	list := []place{
		{body.child("reasoning"), "max_tokens"}, {body.child("thinking"), "budget_tokens"}, {body.child("thinking"), "token_budget"},
		{body, "thinking_budget"}, {body, "thinking_token_budget"},
	}
	// A template's variables may be anything; only a whole number is a budget.
	template := place{body.child("chat_template_kwargs"), "thinking_budget"}
	if n, err := template.in.Get(template.name).integer(); err == nil && n >= -1 {
		list = append(list, template)
	}
	for _, holder := range []Object{body, body.child("extra_body")} {
		config := holder.child("google").protoChild("thinking_config")
		list = append(list, place{config, config.protoName("thinking_budget")})
	}
	return list
}

// lowerBudget lowers the thinking budgets that openAIReason reads: their hosts
// refuse one that the cap leaves no room for, or spend all of the cap on it.
func lowerBudget(body Object, e Edit) (edits []Splice) {
	if e.Thinking <= 0 {
		return nil
	}
	for _, b := range budgets(body) {
		if n := b.in.Count(b.name, -1); n != nil && (*n < 0 || *n > e.Thinking) {
			edits = append(edits, b.in.Set(b.name, strconv.FormatInt(e.Thinking, 10)))
		}
	}
	return edits
}

// geminiReason reads thinkingConfig. A budget of -1 lets the model choose.
func geminiReason(config Object, c *policy.Call) {
	t := config.protoMember("thinking_config")
	switch n := t.protoCount("thinking_budget", -1); {
	case n == nil:
	case *n == 0:
		c.ReasonOff = policy.OffBudget
	case *n < 0:
		c.Reason = true
	default:
		budget(*n, c)
	}
	if t.proto("thinking_level").Text() != "" || t.proto("include_thoughts").Truth() && c.ReasonOff == "" {
		c.Reason = true
	}
}
