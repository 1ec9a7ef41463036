package fakeprovider

import (
	"encoding/json"
	"strconv"
)

func modality(name string, tokens int64) []any {
	return []any{map[string]any{"modality": name, "tokenCount": tokens}}
}

// geminiUsage is usageMetadata when so many output tokens are there, thoughts
// among them. Thoughts and what tools brought in are outside of the counts of
// candidates and prompt; what was cached is inside.
func geminiUsage(x *exchange, output int64) map[string]any {
	p := x.plan
	if x.b.ZeroUsage {
		return map[string]any{"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}
	}
	thoughts := min(p.reasoning, output)
	prompt := p.prompt - x.b.ToolUseTokens
	u := map[string]any{"promptTokenCount": prompt, "totalTokenCount": p.prompt + output,
		"promptTokensDetails": modality("TEXT", prompt-p.usage.AudioIn)}
	if p.usage.AudioIn > 0 {
		u["promptTokensDetails"] = append(modality("TEXT", prompt-p.usage.AudioIn), modality("AUDIO", p.usage.AudioIn)...)
	}
	if output > thoughts {
		u["candidatesTokenCount"] = output - thoughts
	}
	if thoughts > 0 {
		u["thoughtsTokenCount"] = thoughts
	}
	if x.b.ToolUseTokens > 0 {
		u["toolUsePromptTokenCount"] = x.b.ToolUseTokens
		u["toolUsePromptTokensDetails"] = modality("TEXT", x.b.ToolUseTokens)
	}
	if p.usage.CacheRead > 0 {
		u["cachedContentTokenCount"] = p.usage.CacheRead
		u["cacheTokensDetails"] = modality("TEXT", p.usage.CacheRead)
	}
	if p.usage.AudioOut > 0 {
		u["candidatesTokensDetails"] = append(modality("TEXT", output-thoughts-p.usage.AudioOut),
			modality("AUDIO", p.usage.AudioOut)...)
	}
	if x.b.NullDetails {
		u["promptTokensDetails"] = nil
	}
	if p.tier != "" {
		u["trafficType"] = p.tier
	}
	return u
}

func geminiFinish(o *output) string {
	if o.length {
		return "MAX_TOKENS"
	}
	return "STOP"
}

// geminiAnswer is a GenerateContentResponse. usage nil leaves it out.
func geminiAnswer(x *exchange, candidates []any, usage any) map[string]any {
	a := map[string]any{"candidates": candidates, "modelVersion": x.plan.model, "responseId": x.e.RequestID}
	switch {
	case x.b.NoUsage:
	case x.b.NullUsage:
		a["usageMetadata"] = nil
	case usage != nil:
		a["usageMetadata"] = usage
	}
	return a
}

func geminiCandidate(i int, parts []any, finish string) map[string]any {
	c := map[string]any{"index": i, "content": map[string]any{"role": "model", "parts": parts}}
	if finish != "" {
		c["finishReason"] = finish
	}
	return c
}

func (gemini) whole(x *exchange) any {
	var candidates []any
	for i := range x.plan.outputs {
		o := &x.plan.outputs[i]
		var parts []any
		if o.tokens > 0 {
			parts = append(parts, map[string]any{"text": o.words.text(0, o.tokens)})
		}
		c := geminiCandidate(i, append(parts, geminiCalls(o)...), geminiFinish(o))
		if n := x.plan.usage.Searches; n > 0 {
			c["groundingMetadata"] = grounding(n)
		}
		candidates = append(candidates, c)
	}
	return geminiAnswer(x, candidates, geminiUsage(x, x.plan.usage.Output+x.plan.usage.AudioOut))
}

func geminiCalls(o *output) []any {
	parts := []any{}
	for _, c := range o.calls {
		args := json.RawMessage(c.args)
		if !json.Valid(args) { // cut by the cap
			args = json.RawMessage("{}")
		}
		parts = append(parts, map[string]any{"functionCall": map[string]any{"name": c.name, "args": args}})
	}
	return parts
}

func grounding(searches int64) map[string]any {
	var queries []string
	for i := range searches {
		queries = append(queries, "fake "+strconv.FormatInt(i+1, 10))
	}
	return map[string]any{"webSearchQueries": queries}
}

func (gemini) events(s *stream) {
	x := s.x
	if s.p.reasoning > 0 {
		s.generated(s.p.reasoning) // thoughts are not shown
	}
	event := func(i int, parts []any, o *output) bool {
		finish := ""
		if o != nil {
			finish = geminiFinish(o)
		}
		c := geminiCandidate(i, parts, finish)
		if n := s.p.usage.Searches; n > 0 && o != nil {
			c["groundingMetadata"] = grounding(n)
		}
		made := x.made
		if o != nil {
			made += s.p.usage.AudioOut
		}
		return s.send("", marshal(geminiAnswer(x, []any{c}, geminiUsage(x, made))))
	}
	if !s.text(func(i int, t []byte) bool { return event(i, []any{map[string]any{"text": string(t)}}, nil) }) {
		return
	}
	for i := range s.p.outputs {
		for _, c := range s.p.outputs[i].calls {
			if !s.pace(c.tokens) {
				return
			}
		}
	}
	if !s.ended() {
		return
	}
	for i := range s.p.outputs {
		o := &s.p.outputs[i]
		parts := geminiCalls(o)
		if len(parts) == 0 {
			parts = []any{map[string]any{"text": ""}}
		}
		if !event(i, parts, o) {
			return
		}
	}
	if s.array && !x.b.NoDone {
		s.raw([]byte("]"))
	}
}
