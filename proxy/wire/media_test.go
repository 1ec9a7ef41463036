package wire

import "testing"

// What a picture or a transcript tells is read as a chat's answer is: what is not
// known in its usage is unclear, an error is one, and what passes of a transcript
// bounds what was made of it.
func TestMediaMeter(t *testing.T) {
	for _, c := range []struct {
		name, event, kind string
		unclear, failed   bool
		seen              int64
	}{
		{name: "a picture", event: `{"type":"image_generation.completed","usage":{"total_tokens":30,"input_tokens":10,"output_tokens":20,"input_tokens_details":{"text_tokens":10,"image_tokens":0},"output_tokens_details":{"image_tokens":20,"text_tokens":0}}}`},
		{name: "a field that nobody knows", event: `{"usage":{"input_tokens":10,"output_tokens":20,"hologram_tokens":5}}`, unclear: true},
		{name: "a part that nobody knows", event: `{"usage":{"input_tokens":10,"output_tokens":20,"input_tokens_details":{"hologram_tokens":5}}}`, unclear: true},
		{name: "an error", event: `{"error":{"message":"x","type":"server_error"}}`, failed: true},
		{name: "an error by its name", event: `{"type":"error","error":{"message":"x"}}`, kind: "error", failed: true},
		{name: "text", event: `{"type":"transcript.text.delta","delta":"x"}`, seen: 44},
	} {
		r := Reading{}
		Images.Meter(Edit{}).Event(Event{Name: c.kind, Data: []byte(c.event)}, &r)
		if (r.Unclear != "") != c.unclear || r.Failed != c.failed || r.Own != c.failed || c.seen > 0 && r.Seen != c.seen || c.failed && r.Seen != 0 {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}
