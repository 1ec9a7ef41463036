package wire

import (
	"fmt"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// The members of Anthropic's usage whose meaning for the price is known.
// fallback_credit can only lower the price. Fields:
// anthropic-sdk-python types/beta/beta_usage.py, beta_message_delta_usage.py,
// beta_iterations_usage.py.
var (
	messagesUsageFields = fieldSet(`input_tokens output_tokens output_tokens_details cache_creation
		cache_creation_input_tokens cache_read_input_tokens server_tool_use service_tier speed inference_geo
		iterations fallback_credit type model cost cost_details is_byok server_tool_use_details
		prompt_tokens completion_tokens total_tokens cached_tokens`)  // type and model name an iteration; the last four are Moonshot's
	messagesWriteFields = fieldSet(`ephemeral_5m_input_tokens ephemeral_1h_input_tokens`)
	messagesToolFields  = fieldSet(`web_search_requests web_fetch_requests tool_search_requests`) // but for a search of the web they cost their tokens only
)

// messagesUsage is Anthropic's usage, merged over message_start and every
// message_delta. Figures are cumulative, and the greatest value of each is kept: a later 0
// does not mean that nothing was read or written.
type messagesUsage struct {
	input, read1, write, write5m, write1h *int64
	output, searches                      *int64
	prompt, total                         *int64 // the whole input, and input and output together, where they are also told as by OpenAI
	cost                                  *int64 // the host's own bill
	thought                               bool   // output_tokens_details tells of thinking
	tier, geo                             string
	turns                                 Span // iterations as last told
	fault                                 string
}

// ReadIn merges the usage of an answer or an event: last is its last usage object, and there
// may be others before it.
func (u *messagesUsage) ReadIn(o Object, last Span, host *policy.Host) {
	for _, v := range append(o.repeated("usage"), last) {
		u.Read(v.Object(new(error)), host)
	}
}

// Read merges one usage object.
func (u *messagesUsage) Read(o Object, host *policy.Host) {
	var err error
	o = o.Span.Object(&err)
	greatest(&u.cost, ownCost(o, host))
	greatest(&u.input, o.Count("input_tokens", 0))
	greatest(&u.read1, o.Count("cache_read_input_tokens", 0))
	greatest(&u.write, o.Count("cache_creation_input_tokens", 0))
	split := o.child("cache_creation")
	greatest(&u.write5m, split.Count("ephemeral_5m_input_tokens", 0))
	greatest(&u.write1h, split.Count("ephemeral_1h_input_tokens", 0))
	greatest(&u.output, o.Count("output_tokens", 0))
	if u.output != nil {
		greatest(&u.output, o.Count("completion_tokens", 0))
	}
	greatest(&u.prompt, o.Count("prompt_tokens", 0))
	greatest(&u.total, o.Count("total_tokens", 0))
	tools := o.child("server_tool_use")
	greatest(&u.searches, tools.Count("web_search_requests", 0))
	u.thought = u.thought || value(o.child("output_tokens_details").Count("thinking_tokens", 0)) > 0
	u.tier = firstOf(tierOf(o), u.tier)
	if o.Get("speed").Text() == "fast" {
		u.tier = "fast"
	}
	u.geo = firstOf(o.Get("inference_geo").Text(), u.geo)
	if turns := o.Get("iterations"); turns.Kind() == '[' {
		u.turns = turns.clone()
	}
	switch name := firstOf(strange(o, messagesUsageFields, host.Usage...), strange(split, messagesWriteFields), strange(tools, messagesToolFields)); {
	case err != nil:
		u.fault = fmt.Sprintf("usage: %v", err)
	case name != "":
		u.fault = fmt.Sprintf("usage has %s, which is not known", plain.Clip(name, 60))
	}
}

// greatest keeps the greater of two counts; nil is none.
func greatest(kept **int64, n *int64) {
	if n != nil && (*kept == nil || *n > **kept) {
		*kept = n
	}
}

// writeTo writes down what is known so far.
func (u *messagesUsage) writeTo(e Edit, r *Reading) {
	asked := e.Call
	r.Usage = policy.Usage{
		Input: value(u.input), CacheRead: value(u.read1), CacheWrite5m: value(u.write5m), CacheWrite1h: value(u.write1h),
		Output: value(u.output), Searches: value(u.searches),
	}
	r.Tier, r.Geo, r.Unclear = u.tier, u.geo, u.fault
	rest := value(u.write) - value(u.write5m) - value(u.write1h)
	switch {
	case rest < 0 && value(u.write) > 0:
		r.Unclear = "usage whose parts exceed their sum"
	case rest > 0 && asked.CacheWrite1h:
		r.Usage.CacheWrite1h += rest // writes that are not split: the dearest lifetime that was asked for
	case rest > 0:
		r.Usage.CacheWrite5m += rest
	}
	r.Usage.Input += max(0, value(u.prompt)-inputOf(r.Usage))
	if u.output != nil && value(u.total) > inputOf(r.Usage)+r.Usage.Output {
		r.Unclear = "usage whose total is more than its parts"
	}
	u.addTurns(e, r)
	if absurd(r.Usage) {
		r.Unclear = noTokens
	}
	r.Cost, r.Hidden = u.cost, r.Hidden || u.thought
	r.noteOutput(r.Usage.Output)
	if r.Input = nil; u.input != nil && r.Unclear == "" {
		all := r.Usage.Input + r.Usage.CacheRead + r.Usage.CacheWrite5m + r.Usage.CacheWrite1h
		r.Input = &all
	}
}

// maxTurns bounds how many turns of other models are kept of one answer.
const maxTurns = 1000

// addTurns reads the turns that a message took. The totals include the model's own turns,
// but not a compaction, which has to be added. A turn of another model (an advisor, a
// fallback) has another price.
func (u *messagesUsage) addTurns(e Edit, r *Reading) {
	r.Others = nil
	var own, compacted policy.Usage
	u.turns.elements(func(s Span) {
		t := s.Object(new(error))
		kind, model := t.Get("type").Text(), t.Get("model").Text()
		var turn messagesUsage
		var told Reading
		turn.Read(t, e.host())
		turn.writeTo(e, &told)
		if kind != "message" && kind != "compaction" || model != "" && model != r.Model {
			r.Unclear = fmt.Sprintf("usage of an iteration of another kind or model: %s %s", plain.Clip(kind, 40), plain.Clip(model, 60))
			if len(r.Others) < maxTurns {
				r.Others = append(r.Others, Turn{plain.Clip(model, 200), told.Usage})
			}
			return
		}
		r.Unclear = firstOf(told.Unclear, r.Unclear)
		if kind == "compaction" {
			addUsage(&compacted, told.Usage)
		} else {
			addUsage(&own, told.Usage)
		}
	})
	keepGreater(own, &r.Usage)
	addUsage(&r.Usage, compacted)
}

// addUsage adds the tokens of one turn.
func addUsage(to *policy.Usage, turn policy.Usage) {
	to.Input += turn.Input
	to.CacheRead += turn.CacheRead
	to.CacheWrite5m += turn.CacheWrite5m
	to.CacheWrite1h += turn.CacheWrite1h
	to.Output += turn.Output
}
