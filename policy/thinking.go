package policy

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

// Thinking is the thinking budget that fits an output cap and leaves room for an
// answer, not above most (0: no bound): what is asked, halved as often as it
// takes. A budget that changes makes the provider read a conversation again that
// it had in its cache, so there are few of them. 0: the call has no budget.
func Thinking(c Call, m Model, output, most int64) int64 {
	budget, least := thinks(c), leastThinking(c)
	if budget == 0 {
		return 0
	}
	answer := leastAnswer(m)
	for budget > least && (budget+answer > output || most > 0 && budget > most) {
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
