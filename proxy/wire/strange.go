package wire

import (
	"strings"
	"unicode/utf8"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// What a request has beside the fields that are read here. A provider that knows more
// than aex may take such a field for content, or for another model's name.

// elsewhere are the top-level fields by which a router lets another model
// answer, or does more than the request shows: OpenRouter's, LiteLLM's, and Anthropic's
// fallbacks, where a try that was declined is billed, too.
var elsewhere = bareSet(`models fallbacks fallback_models context_window_fallbacks content_policy_fallbacks model_list
	model_group_alias preset route extra_body user_config router_settings_override`)

// carriers are the members by which APIs bring in something other than text.
var carriers = bareSet(`image images image_url image_urls image_data input_image video videos video_url input_video audio audios
	audio_url input_audio file files file_data file_id file_url file_uri source inline_data document media attachments data
	multi_modal_data multimodal_data image_embeds audio_embeds prompt_embeds`)

// bare is a name without case and underscores, which some JSON readers ignore.
func bare(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// among tells whether a set of bare names has the bare form of name.
func among(set map[string]bool, name string) bool { return under(set, name) }

// under is what a table by bare names has under the bare form of name. It is called for
// every member of every message, so it allocates nothing.
func under[V any](table map[string]V, name string) (v V) {
	var buf [40]byte // longer than any name of a set
	short := buf[:0]
	for _, c := range []byte(name) {
		switch {
		case c == '_':
			continue
		case c >= utf8.RuneSelf: // its lower case may be an ASCII letter
			return table[bare(name)]
		case len(short) == len(buf):
			return v
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		short = append(short, c)
	}
	return table[string(short)]
}

func bareSet(names string) map[string]bool {
	set := map[string]bool{}
	for name := range fieldSet(names) {
		set[bare(name)] = true
	}
	return set
}

// beside notes in c the top-level fields of a request that are not known: those that
// bring in content, those that lead elsewhere, and the rest.
func (o Object) beside(known map[string]bool, c *policy.Call) {
	c.Unknown = o.unknown(known)
	routed(o, c)
	for _, m := range o.members {
		switch {
		case empty(m.value):
		case among(elsewhere, m.name) && !googles(m):
			c.Elsewhere = append(c.Elsewhere, plain.Clip(m.name, 40))
		case among(carriers, m.name) && !known[m.name]:
			c.Files = append(c.Files, policy.Media{Type: plain.Clip(m.name, 40), Remote: true})
		}
	}
}

// googles tells whether a member is the extra_body of Google's chat API, which holds its
// own fields.
func googles(m member) bool {
	inner := m.value.Object(new(error)).members
	return m.name == "extra_body" && len(inner) == 1 && inner[0].name == "google"
}

// onlyText faults a part that says it is text and may be something else: its text is no
// string, or it carries something beside the text.
func (o Object) onlyText(kind string) {
	o.onlyWord(o.Get("text"), "text")
	for _, m := range o.members {
		if among(carriers, m.name) && !empty(m.value) {
			o.fault("a part of type %s has %s, too: which one counts is ambiguous", kind, plain.Clip(m.name, 40))
		}
	}
}
