package wire

import (
	"fmt"
	"slices"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// usageNames are the names of the numbers in a usage object of OpenAI's style.
type usageNames struct{ input, output, inputParts, outputParts string }

var (
	chatUsage      = usageNames{"prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"}
	responsesUsage = usageNames{"input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"}
)

// The members of usage objects whose meaning for the price is known. Beside
// OpenAI's own: DeepSeek's prompt_cache_*, Moonshot's and Together's
// cached_tokens and Mistral's num_cached_tokens (parts of the prompt), Groq's
// times, vLLM's parts by turn, what OpenRouter (cost) and xAI (ticks) work out
// themselves.
var (
	openAIUsageFields = fieldSet(`prompt_tokens completion_tokens input_tokens output_tokens total_tokens
		prompt_tokens_details completion_tokens_details input_tokens_details output_tokens_details
		prompt_cache_hit_tokens prompt_cache_miss_tokens cached_tokens num_cached_tokens reasoning_tokens
		queue_time prompt_time completion_time total_time cost cost_details is_byok cost_in_usd_ticks
		cache_read_input_tokens cache_creation_input_tokens`)
	openAIInputFields = fieldSet(`cached_tokens cache_write_tokens cache_write_tokens_details audio_tokens
		text_tokens image_tokens video_tokens cache_creation_tokens cache_creation_token_details
		input_tokens_per_turn cached_tokens_per_turn`)
	openAIWriteFields  = fieldSet(`ttl_30m_tokens ttl_12h_tokens`)
	openAIOutputFields = fieldSet(`reasoning_tokens audio_tokens text_tokens accepted_prediction_tokens
		rejected_prediction_tokens tool_output_tokens output_tokens_per_turn tool_output_tokens_per_turn`)
)

// others are the names of OpenAI's other API, where a usage object uses those, as that of
// a server with both APIs may; nil where it does not. If it also has Anthropic's names for
// what was cached, its input may not include that.
func (n usageNames) others(o Object) *usageNames {
	others := &responsesUsage
	if n == responsesUsage {
		others = &chatUsage
	}
	if o.Count(others.input, 0) == nil && o.Count(others.output, 0) == nil || !empty(o.Get("cache_read_input_tokens")) || !empty(o.Get("cache_creation_input_tokens")) {
		return nil
	}
	return others
}

// counts are the input and the output that a usage object tells, and the names of their
// parts. Where it has the names of both APIs the greater figure counts.
func (n usageNames) counts(o Object, wire string) (input, output *int64, parts usageNames) {
	input, output = o.Count(n.input, 0), o.Count(n.output, 0)
	others := n.others(o)
	switch none := input == nil && output == nil; {
	case none && wire == policy.Embeddings:
		input = o.Count("total_tokens", 0) // embeddings use nothing but input
	case none && others != nil:
		n = *others
	}
	if others != nil {
		greatest(&input, o.Count(others.input, 0))
		greatest(&output, o.Count(others.output, 0))
	}
	return input, output, n
}

// ReadIn reads the usage of an answer or an event: last is its last usage object, and there
// may be others before it.
func (n usageNames) ReadIn(o Object, last Span, e Edit, r *Reading) bool {
	unclear := ""
	for _, before := range o.repeated("usage") {
		n.Read(before, e, r)
		unclear = firstOf(unclear, r.Unclear)
	}
	all := n.Read(last, e, r)
	r.Unclear = firstOf(unclear, r.Unclear)
	return all
}

// Read turns a usage object into classes that do not overlap: cached, written
// and audio tokens are parts of the input, audio and reasoning of the output.
// It reports whether input and output are both given; zero is given. What
// cannot be priced makes r.Unclear.
// Fields: openai-python types/completion_usage.py, types/responses/response_usage.py.
func (n usageNames) Read(v Span, e Edit, r *Reading) bool {
	if v.Kind() != '{' {
		return false
	}
	var err error
	o, host := v.Object(&err), e.host()
	greatest(&r.Cost, ownCost(o, host))
	input, output, n := n.counts(o, e.Call.Wire)
	if input == nil && output == nil {
		return false
	}
	total := o.Count("total_tokens", 0)
	in, out := o.child(n.inputParts), o.child(n.outputParts)
	u, strange := r.Usage, openAIStrange(o, in, out, host)
	if input != nil {
		u = openAIInput(o, in, *input, e.Call)
		u.Searches, u.Output, u.AudioOut = r.Usage.Searches, r.Usage.Output, r.Usage.AudioOut
	}
	if output != nil {
		all := *output
		// xAI and Google's compatible API leave reasoning out of the output,
		// but count it in the total. OpenAI never does, and its totals are not
		// always the sum of what it bills.
		thought := out.Count("reasoning_tokens", 0)
		if total != nil && input != nil && !(e.OpenAIModel && thought != nil && *thought <= *output) {
			all = max(all, *total-*input)
		}
		u.AudioOut = value(out.Count("audio_tokens", 0))
		u.Output = all - u.AudioOut
	}
	searched(o, &u)
	keepGreater(r.Usage, &u)
	r.Hidden = r.Hidden || value(out.Count("reasoning_tokens", 0)) > 0
	r.Unclear = ""
	switch {
	case err != nil:
		r.Unclear = fmt.Sprintf("usage: %v", err)
	case strange != "":
		r.Unclear = fmt.Sprintf("usage has %s, which is not known", plain.Clip(strange, 60))
	case absurd(u):
		r.Unclear = noTokens
	case u.Input < 0 || u.Output < 0:
		r.Unclear = "usage whose parts exceed their sum"
	case value(total) > 0 && *total < value(input)+value(output):
		r.Unclear = "usage whose total is less than its parts"
	case input != nil && (r.Input == nil || *r.Input < *input):
		r.Input = input
	}
	r.Usage = u
	r.noteOutput(u.Output + u.AudioOut)
	return input != nil && output != nil
}

// openAIStrange is the first strange member of a usage object or of its parts.
func openAIStrange(o, in, out Object, host *policy.Host) string {
	return firstOf(strange(o, openAIUsageFields, host.Usage...), strange(in, openAIInputFields),
		strange(in.child("cache_write_tokens_details"), openAIWriteFields),
		strange(in.child("cache_creation_token_details"), messagesWriteFields), strange(out, openAIOutputFields))
}

// keepGreater keeps an earlier figure where it is greater: figures are cumulative, and a
// later 0 does not take back what was used.
func keepGreater(before policy.Usage, u *policy.Usage) {
	if absurd(before) || absurd(*u) {
		return
	}
	if inputOf(before) > inputOf(*u) {
		u.Input, u.AudioIn, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h = before.Input, before.AudioIn, before.CacheRead, before.CacheWrite5m, before.CacheWrite1h
	}
	if before.Output+before.AudioOut > u.Output+u.AudioOut {
		u.Output, u.AudioOut = before.Output, before.AudioOut
	}
}

func inputOf(u policy.Usage) int64 {
	return u.Input + u.AudioIn + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h
}

// noteOutput notes how much output the provider reports. A figure that cannot be a number
// of tokens makes the usage unclear instead.
func (r *Reading) noteOutput(output int64) {
	if output <= maxTokens {
		r.Outputs = max(r.Outputs, output)
	}
}

// maxTokens is more than any call uses.
const maxTokens = 1 << 40

const noTokens = "usage that is no number of tokens"

// absurd tells whether any of the figures cannot be a number of tokens.
func absurd(u policy.Usage) bool {
	return max(u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.AudioIn, u.AudioOut, u.Searches) > maxTokens
}

// searched adds what Perplexity counts beside prompt and completion.
func searched(o Object, u *policy.Usage) {
	if o.Get("citation_tokens").isNull() && o.Get("num_search_queries").isNull() {
		return
	}
	u.Input += value(o.Count("citation_tokens", 0))
	u.Output += value(o.Count("reasoning_tokens", 0))
	u.Searches = max(u.Searches, value(o.Count("num_search_queries", 0)))
}

// openAIInput splits the input. Audio is billed as audio even if it was read from a cache,
// and no provider tells how many of the cached tokens are audio: as many as can be are
// taken to be, which no bill exceeds. LiteLLM has the names of Anthropic beside OpenAI's,
// and its own for what was written.
func openAIInput(o, in Object, input int64, asked *policy.Call) policy.Usage {
	cached := in.Count("cached_tokens", 0)
	for _, name := range []string{"prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens", "num_cached_tokens"} {
		if cached == nil {
			cached = o.Count(name, 0)
		}
	}
	var u policy.Usage
	u.AudioIn = value(in.Count("audio_tokens", 0))
	u.CacheRead = max(0, value(cached)-u.AudioIn)
	written := max(value(in.Count("cache_write_tokens", 0)), value(in.Count("cache_creation_tokens", 0)), value(o.Count("cache_creation_input_tokens", 0)))
	split, theirs := in.child("cache_write_tokens_details"), in.child("cache_creation_token_details")
	u.CacheWrite5m = value(split.Count("ttl_30m_tokens", 0)) + value(theirs.Count("ephemeral_5m_input_tokens", 0))
	u.CacheWrite1h = value(split.Count("ttl_12h_tokens", 0)) + value(theirs.Count("ephemeral_1h_input_tokens", 0))
	// Cache writes that are not split have the lifetime that was asked for.
	if rest := written - u.CacheWrite5m - u.CacheWrite1h; asked.CacheWrite1h {
		u.CacheWrite1h += max(0, rest)
	} else {
		u.CacheWrite5m += max(0, rest)
	}
	u.Input = input - u.CacheRead - u.CacheWrite5m - u.CacheWrite1h - u.AudioIn
	if anthropic := value(o.Count("cache_read_input_tokens", 0)) + value(o.Count("cache_creation_input_tokens", 0)); u.Input < 0 && anthropic > 0 {
		u.Input = input - u.AudioIn // counted as Anthropic does, without what is cached
	}
	return u
}

// strange is the first member of a usage object that is neither known nor empty. It may
// stand for something with a price that aex does not know: unknown is not zero.
func strange(o Object, known map[string]bool, more ...string) string {
	for _, m := range o.members {
		if !known[m.name] && !empty(m.value) && !slices.Contains(more, m.name) {
			return m.name
		}
	}
	return ""
}

// empty tells whether a value says nothing: null, false, 0, "", and lists and
// objects of nothing else.
func empty(v Span) bool {
	switch v.Kind() {
	case 0, 'n', 'f':
		return true
	case 't':
		return false
	case '"':
		return v.textLen() == 0
	case '[':
		all := true
		v.elements(func(e Span) { all = all && empty(e) })
		return all
	case '{':
		for _, m := range v.Object(new(error)).members {
			if !empty(m.value) {
				return false
			}
		}
		return true
	}
	n, err := v.integer()
	return err == nil && n == 0
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// maxChoices bounds how many outputs of one answer are followed.
const maxChoices = 4096

// choices follows the outputs of a stream that has several (n).
type choices struct{ ended map[int64]bool }

// saw notes that output index appeared, and whether it ended.
func (c *choices) saw(index int64, ended bool) {
	if c.ended == nil {
		c.ended = map[int64]bool{}
	}
	if len(c.ended) < maxChoices {
		c.ended[index] = c.ended[index] || ended
	}
}

// over tells whether every output that was asked for has ended.
func (c *choices) over(asked int64) bool {
	for _, ended := range c.ended {
		if !ended {
			return false
		}
	}
	return len(c.ended) > 0 && int64(len(c.ended)) >= min(asked, maxChoices)
}

// open lists the outputs that have not ended; 0 when none began.
func (c *choices) open() []int64 {
	if len(c.ended) == 0 {
		return []int64{0}
	}
	var open []int64
	for i := range int64(maxChoices) {
		if ended, seen := c.ended[i]; seen && !ended {
			open = append(open, i)
		}
	}
	return open
}
