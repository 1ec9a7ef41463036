package proxy

import (
	"fmt"

	"github.com/Auro-rium/aex/v3/policy"
)

// The members of Anthropic's usage whose meaning for the price is known.
// fallback_credit can only lower the price. Fields:
// anthropic-sdk-python types/beta/beta_usage.py, beta_message_delta_usage.py,
// beta_iterations_usage.py.
var (
	messagesUsageFields = fieldSet(`input_tokens output_tokens output_tokens_details cache_creation
		cache_creation_input_tokens cache_read_input_tokens server_tool_use service_tier speed inference_geo
		iterations fallback_credit type model`)  // the last two name an iteration
	messagesWriteFields = fieldSet(`ephemeral_5m_input_tokens ephemeral_1h_input_tokens`)
	messagesToolFields  = fieldSet(`web_search_requests web_fetch_requests`) // a fetch costs its tokens only
)

// messagesUsage is Anthropic's usage, merged over message_start and every
// message_delta. Input classes keep their greatest value, since a later 0 does
// not mean that nothing was read; of the output the last one stands.
type messagesUsage struct {
	input, read1, write, write5m, write1h *int64
	output, searches                      *int64
	tier, geo                             string
	turns                                 span // iterations as last told
	fault                                 string
}

// read merges one usage object.
func (u *messagesUsage) read(o object) {
	var err error
	o = o.span.object(&err)
	greatest(&u.input, o.count("input_tokens", 0))
	greatest(&u.read1, o.count("cache_read_input_tokens", 0))
	greatest(&u.write, o.count("cache_creation_input_tokens", 0))
	split := o.child("cache_creation")
	greatest(&u.write5m, split.count("ephemeral_5m_input_tokens", 0))
	greatest(&u.write1h, split.count("ephemeral_1h_input_tokens", 0))
	if n := o.count("output_tokens", 0); n != nil {
		u.output = n
	}
	tools := o.child("server_tool_use")
	greatest(&u.searches, tools.count("web_search_requests", 0))
	u.tier = firstOf(o.get("service_tier").text(), u.tier)
	if o.get("speed").text() == "fast" {
		u.tier = "fast"
	}
	u.geo = firstOf(o.get("inference_geo").text(), u.geo)
	if turns := o.get("iterations"); turns.kind() == '[' {
		u.turns = turns.clone()
	}
	switch name := firstOf(strange(o, messagesUsageFields), strange(split, messagesWriteFields), strange(tools, messagesToolFields)); {
	case err != nil:
		u.fault = fmt.Sprintf("usage: %v", err)
	case name != "":
		u.fault = fmt.Sprintf("usage has %s, which is not known", clip(name, 60))
	}
}

// greatest keeps the greater of two counts; nil is none.
func greatest(kept **int64, n *int64) {
	if n != nil && (*kept == nil || *n > **kept) {
		*kept = n
	}
}

// tell writes down what is known so far.
func (u *messagesUsage) tell(asked policy.Call, r *reading) {
	r.usage = policy.Usage{
		Input: value(u.input), CacheRead: value(u.read1), CacheWrite5m: value(u.write5m), CacheWrite1h: value(u.write1h),
		Output: value(u.output), Searches: value(u.searches),
	}
	r.tier, r.geo, r.unclear = u.tier, u.geo, u.fault
	rest := value(u.write) - value(u.write5m) - value(u.write1h)
	switch {
	case rest < 0 && value(u.write) > 0:
		r.unclear = "usage whose parts exceed their sum"
	case rest > 0 && asked.CacheWrite1h:
		r.usage.CacheWrite1h += rest // what is not split, or came later: the dearest that was asked for
	case rest > 0:
		r.usage.CacheWrite5m += rest
	}
	u.addTurns(asked, r)
	r.outputs = max(r.outputs, r.usage.Output)
	if r.input = nil; u.input != nil && r.unclear == "" {
		all := r.usage.Input + r.usage.CacheRead + r.usage.CacheWrite5m + r.usage.CacheWrite1h
		r.input = &all
	}
}

// addTurns reads the turns that a message took. Those of the model itself are
// in the totals; a compaction is not, and has to be added. A turn of another
// model (an advisor, a fallback) has another price.
func (u *messagesUsage) addTurns(asked policy.Call, r *reading) {
	u.turns.elements(func(s span) {
		t := s.object(new(error))
		kind, model := t.get("type").text(), t.get("model").text()
		if kind != "message" && kind != "compaction" || model != "" && model != r.model {
			r.unclear = fmt.Sprintf("usage of an iteration of another kind or model: %s %s", clip(kind, 40), clip(model, 60))
			return
		}
		var turn messagesUsage
		var told reading
		turn.read(t)
		turn.tell(asked, &told)
		r.unclear = firstOf(told.unclear, r.unclear)
		if kind == "compaction" {
			r.usage.Input += told.usage.Input
			r.usage.CacheRead += told.usage.CacheRead
			r.usage.CacheWrite5m += told.usage.CacheWrite5m
			r.usage.CacheWrite1h += told.usage.CacheWrite1h
			r.usage.Output += told.usage.Output
		}
	})
}
