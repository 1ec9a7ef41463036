package wire

import (
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// The members of usageMetadata whose meaning for the price is known. Fields:
// python-genai types.py, GenerateContentResponseUsageMetadata.
var geminiUsageFields = fieldSet(`prompt_token_count cached_content_token_count candidates_token_count
	thoughts_token_count tool_use_prompt_token_count total_token_count prompt_tokens_details
	cache_tokens_details candidates_tokens_details tool_use_prompt_tokens_details traffic_type service_tier`)

// geminiUsage is Google's usage. It is cumulative: the greatest value of each count is
// kept, and the last value of anything else. Tokens from tools and thoughts are counted
// beside the prompt and the candidates; what was cached is part of the prompt.
type geminiUsage struct {
	prompt, cached, tools, candidates, thoughts, total *int64
	in, cachedIn, toolsIn, out                         modalities
	tier                                               string
	fault                                              string
}

// modalities are tokens by kind: TEXT, IMAGE, AUDIO, VIDEO, DOCUMENT.
type modalities map[string]int64

func (u *geminiUsage) Read(v Span) {
	var err error
	o := v.Object(&err)
	for _, f := range []struct {
		name string
		kept **int64
	}{
		{"prompt_token_count", &u.prompt}, {"cached_content_token_count", &u.cached},
		{"tool_use_prompt_token_count", &u.tools}, {"candidates_token_count", &u.candidates},
		{"thoughts_token_count", &u.thoughts}, {"total_token_count", &u.total},
	} {
		if n := o.protoCount(f.name, 0); f.kept == &u.cached && n != nil {
			u.cached = n // cached tokens cost less, so a later, smaller figure replaces this one
		} else {
			greatest(f.kept, n)
		}
	}
	for _, f := range []struct {
		name string
		kept *modalities
	}{
		{"prompt_tokens_details", &u.in}, {"cache_tokens_details", &u.cachedIn},
		{"tool_use_prompt_tokens_details", &u.toolsIn}, {"candidates_tokens_details", &u.out},
	} {
		if !o.proto(f.name).isNull() {
			*f.kept = modalities{}
			o.protoEach(f.name, func(d Object) {
				if n := d.protoCount("token_count", 0); n != nil && len(*f.kept) < 16 {
					(*f.kept)[strings.ToUpper(d.Get("modality").Text())] += *n
				}
			})
		}
	}
	if tier := firstOf(o.proto("service_tier").Text(), o.proto("traffic_type").Text()); tier != "" {
		u.tier = geminiTier(tier)
	}
	u.fault = ""
	if err != nil {
		u.fault = fmt.Sprintf("usage: %v", err)
	}
	for _, m := range o.members {
		if !geminiUsageFields[Snake(m.name)] && !empty(m.value) {
			u.fault = "usage has " + plain.Clip(m.name, 60) + ", which is not known"
		}
	}
}

// geminiTier is the tier's name in a price list: ON_DEMAND_PRIORITY is priority.
func geminiTier(name string) string {
	name = strings.ToLower(name)
	switch name {
	case "on_demand", "traffic_type_unspecified", "unspecified":
		return "standard"
	}
	return strings.TrimPrefix(name, "on_demand_")
}

// counted tells whether input and output are both known. A missing count of candidates
// means 0 where nothing was shown.
func (u *geminiUsage) counted(r *Reading) bool {
	return u.prompt != nil && (u.candidates != nil || u.thoughts != nil || u.total != nil || r.Seen == 0)
}

// writeTo writes down what is known so far. Audio is billed as audio even if it was cached.
// What the total has beyond its parts is taken to be output.
func (u *geminiUsage) writeTo(asked *policy.Call, r *Reading) {
	input := value(u.prompt) + value(u.tools)
	output := value(u.candidates) + value(u.thoughts)
	if whole := value(u.total) - input; whole >= value(u.candidates) && whole < output && value(u.thoughts) <= value(u.candidates) {
		output = whole // some providers count thoughts among the candidates
	}
	audio := u.in["AUDIO"]
	use := policy.Usage{
		CacheRead: value(u.cached) - u.cachedIn["AUDIO"],
		AudioIn:   audio + u.toolsIn["AUDIO"],
		AudioOut:  u.out["AUDIO"],
		Searches:  r.Usage.Searches,
	}
	use.Input = input - use.CacheRead - use.AudioIn
	use.Output = output - use.AudioOut
	if extra := value(u.total) - input - output; extra > 0 {
		use.Output += extra
	}
	r.Unclear = u.fault
	switch {
	case absurd(use):
		r.Unclear = noTokens
	case use.Input < 0 || use.Output < 0 || use.CacheRead < 0:
		r.Unclear = "usage whose parts exceed their sum"
	case value(u.total) > 0 && *u.total < input+output:
		r.Unclear = "usage whose total is less than its parts"
	}
	for _, m := range []struct {
		of      modalities
		covered string
	}{{u.in, "TEXT IMAGE AUDIO VIDEO DOCUMENT"}, {u.toolsIn, "TEXT IMAGE AUDIO VIDEO DOCUMENT"}, {u.out, "TEXT AUDIO"}} {
		for kind, n := range m.of {
			if n > 0 && !strings.Contains(m.covered, firstOf(kind, "none")) {
				r.Unclear = plain.Clip(kind, 40) + " tokens, which have a price of their own"
			}
		}
	}
	r.Usage, r.Input = use, nil
	if u.prompt != nil && r.Unclear == "" {
		r.Input = &input
	}
	r.Hidden = r.Hidden || value(u.thoughts) > 0
	r.noteOutput(output)
	// Not every host tells that it served priority.
	r.Tier = firstOf(u.tier, r.Tier)
	if r.Tier == "" && asked.Tier == "priority" {
		r.Tier = "priority"
	}
}

// groundings counts the searches that are billed: up to Gemini 2.5 one for each grounded
// answer, since then one for each query.
func groundings(g Object, model string) int64 {
	var queries int64
	for _, name := range []string{"web_search_queries", "image_search_queries"} {
		g.proto(name).elements(func(Span) { queries++ })
	}
	if queries == 0 && empty(g.proto("grounding_chunks")) && empty(g.proto("search_entry_point")) {
		return 0
	}
	if policy.OneSearchFee(model) {
		return 1
	}
	return max(1, queries)
}
