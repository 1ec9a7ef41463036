package wire

import (
	"fmt"

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
// times, what OpenRouter (cost) and xAI (ticks) work out themselves.
var (
	openAIUsageFields = fieldSet(`prompt_tokens completion_tokens input_tokens output_tokens total_tokens
		prompt_tokens_details completion_tokens_details input_tokens_details output_tokens_details
		prompt_cache_hit_tokens prompt_cache_miss_tokens cached_tokens num_cached_tokens reasoning_tokens
		queue_time prompt_time completion_time total_time cost cost_details is_byok cost_in_usd_ticks`)
	openAIInputFields = fieldSet(`cached_tokens cache_write_tokens cache_write_tokens_details audio_tokens
		text_tokens image_tokens video_tokens`)
	openAIWriteFields  = fieldSet(`ttl_30m_tokens ttl_12h_tokens`)
	openAIOutputFields = fieldSet(`reasoning_tokens audio_tokens text_tokens accepted_prediction_tokens
		rejected_prediction_tokens`)
)

// read turns a usage object into classes that do not overlap: cached, written
// and audio tokens are parts of the input, audio and reasoning of the output.
// It reports whether input and output are both given; zero is given. What
// cannot be priced makes r.unclear.
// Fields: openai-python types/completion_usage.py, types/responses/response_usage.py.
func (n usageNames) Read(v Span, asked policy.Call, r *Reading) bool {
	if v.Kind() != '{' {
		return false
	}
	var err error
	o := v.Object(&err)
	input, output, total := o.Count(n.input, 0), o.Count(n.output, 0), o.Count("total_tokens", 0)
	if input == nil && output == nil {
		return false
	}
	in, out := o.child(n.inputParts), o.child(n.outputParts)
	strange := firstOf(strange(o, openAIUsageFields), strange(in, openAIInputFields),
		strange(in.child("cache_write_tokens_details"), openAIWriteFields), strange(out, openAIOutputFields))
	u := r.Usage
	if input != nil {
		u = openAIInput(o, in, *input, asked)
		u.Searches, u.Output, u.AudioOut = r.Usage.Searches, r.Usage.Output, r.Usage.AudioOut
	}
	if output != nil {
		all := *output
		// xAI and Google's compatible API leave reasoning out of the output,
		// but count it in the total.
		if total != nil && input != nil {
			all = max(all, *total-*input)
		}
		u.AudioOut = value(out.Count("audio_tokens", 0))
		u.Output = all - u.AudioOut
	}
	r.Unclear = ""
	switch {
	case err != nil:
		r.Unclear = fmt.Sprintf("usage: %v", err)
	case strange != "":
		r.Unclear = fmt.Sprintf("usage has %s, which is not known", plain.Clip(strange, 60))
	case u.Input < 0 || u.Output < 0:
		r.Unclear = "usage whose parts exceed their sum"
	case value(total) > 0 && *total < value(input)+value(output):
		r.Unclear = "usage whose total is less than its parts"
	default:
		r.Usage = u
		r.Outputs = max(r.Outputs, u.Output+u.AudioOut)
		if input != nil {
			r.Input = input
		}
	}
	return input != nil && output != nil
}

// openAIInput splits the input. Audio is billed as audio also where it was
// read from a cache, and how many of the cached tokens are audio is not told:
// they are taken to be audio first, which no bill exceeds.
func openAIInput(o, in Object, input int64, asked policy.Call) policy.Usage {
	cached := in.Count("cached_tokens", 0)
	for _, name := range []string{"prompt_cache_hit_tokens", "cached_tokens"} {
		if cached == nil {
			cached = o.Count(name, 0)
		}
	}
	var u policy.Usage
	u.AudioIn = value(in.Count("audio_tokens", 0))
	u.CacheRead = max(0, value(cached)-u.AudioIn)
	written := value(in.Count("cache_write_tokens", 0))
	split := in.child("cache_write_tokens_details")
	u.CacheWrite5m, u.CacheWrite1h = value(split.Count("ttl_30m_tokens", 0)), value(split.Count("ttl_12h_tokens", 0))
	// What is not split has the lifetime that was asked for.
	if rest := written - u.CacheWrite5m - u.CacheWrite1h; asked.CacheWrite1h {
		u.CacheWrite1h += max(0, rest)
	} else {
		u.CacheWrite5m += max(0, rest)
	}
	u.Input = input - u.CacheRead - u.CacheWrite5m - u.CacheWrite1h - u.AudioIn
	return u
}

// strange is the first member of a usage object that is neither known nor
// empty. It may be a price that aex does not know: unknown is not zero.
func strange(o Object, known map[string]bool) string {
	for _, m := range o.members {
		if !known[m.name] && !empty(m.value) {
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
