package policy

import "strings"

// The least thinking that providers take: Anthropic refuses fewer than 1,024
// tokens (https://platform.claude.com/docs/en/build-with-claude/extended-thinking),
// Google's smallest models fewer than 512
// (https://ai.google.dev/gemini-api/docs/thinking).
const (
	leastThinkingMessages = 1024
	leastThinkingGemini   = 512
)

// dynamicThinking is where a budget begins that the model was to choose itself:
// the most that every model of Gemini 2.5 takes.
const dynamicThinking = 24_576

// choosing is the call with what its model does where the request says nothing of
// thinking: those of Gemini 2.5 that think unasked choose how much.
func (c Call) choosing(m Model) Call {
	name := strings.TrimPrefix(strings.ToLower(m.Sent), "models/")
	said := c.ThinkingCap > 0 || c.ReasonOff != "" || c.ThinkingLevel
	if c.Wire == Gemini && !said && strings.HasPrefix(name, "gemini-2.5-") && !strings.Contains(name, "lite") && m.Thinks.When != Never {
		c.ThinkingOpen = true
	}
	return c
}

// thinks is the thinking that a call asks for, tokens; 0: none that has a figure.
func thinks(c Call) int64 {
	if c.ThinkingCap == 0 && c.ThinkingOpen {
		return dynamicThinking
	}
	return c.ThinkingCap
}

// leastThinking is the smallest budget that the wire's provider takes.
func leastThinking(c Call) int64 {
	least := int64(leastThinkingMessages)
	if c.Wire == Gemini {
		least = leastThinkingGemini
	}
	return min(least, thinks(c))
}

// Thinking is the thinking budget for an output cap: what is asked, or what the
// conversation has been lowered to before (0: it was not), halved as often as it
// takes. A change makes the provider read again what it had in its cache, the more
// the longer the conversation is, so it falls early and seldom: the first time to
// half of the cap with its answer, and once it takes more than that, to a quarter.
// 0: the call has no budget.
func Thinking(c Call, m Model, output, before int64) int64 {
	budget, least, answer := thinks(c), leastThinking(c), leastAnswer(m)
	room, share := output, output/2
	if before > 0 {
		budget, room, share = min(budget, before), output/2, output/4
	}
	if budget == 0 || budget+answer <= room {
		return budget
	}
	for budget > least && budget+answer > share {
		budget = max(budget/2, least)
	}
	return budget
}

// leastAnswer is the shortest answer that is worth a call.
func leastAnswer(m Model) int64 {
	if m.MinOutput <= 0 {
		return leastTokens
	}
	return max(m.MinOutput, leastCap)
}
