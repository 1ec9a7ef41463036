package wire

import (
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

// What an answer tells of its usage is read wherever it stands, an error
// included; a later, smaller figure takes nothing back; and a figure that output
// follows is not the last word.
func TestUsageIsReadWhereverItIsTold(t *testing.T) {
	for _, c := range []struct {
		name          string
		wire          *Wire
		events        []string
		input, output int64
		known         bool
	}{
		{"chat, in an error", Chat, []string{`{"error":{"message":"x","usage":{"prompt_tokens":70,"completion_tokens":9}}}`}, 70, 9, true},
		{"chat, beside an error", Chat, []string{`{"error":{"message":"x"},"usage":{"prompt_tokens":70,"completion_tokens":9}}`}, 70, 9, true},
		{"chat, twice", Chat, []string{`{"choices":[],"usage":{"prompt_tokens":70,"completion_tokens":9}}`, `{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}`}, 70, 9, true},
		{"chat, before its end", Chat, []string{`{"choices":[],"usage":{"prompt_tokens":70,"completion_tokens":9}}`, `{"choices":[{"index":0,"delta":{"content":"more"}}]}`}, 70, 9, false},
		{"messages, in an error", Messages, []string{`{"type":"message_start","message":{"usage":{"input_tokens":70,"output_tokens":1}}}`,
			`{"type":"error","error":{"type":"overloaded_error","message":"x","usage":{"output_tokens":9}}}`}, 70, 9, false},
		{"messages, beside an error", Messages, []string{`{"type":"error","error":{"type":"overloaded_error","message":"x"},"usage":{"input_tokens":70,"output_tokens":9}}`}, 70, 9, false},
		{"messages, twice", Messages, []string{`{"type":"message_start","message":{"usage":{"input_tokens":70,"output_tokens":1}}}`,
			`{"type":"message_delta","delta":{},"usage":{"output_tokens":9}}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":0}}`}, 70, 9, true},
		{"responses, in an error", Responses, []string{`{"type":"error","message":"x","usage":{"input_tokens":70,"output_tokens":9}}`}, 70, 9, false},
		{"responses, stale", Responses, []string{`{"type":"response.in_progress","response":{"status":"in_progress","usage":{"input_tokens":70,"output_tokens":1}}}`,
			`{"type":"response.output_text.delta","delta":"more"}`}, 70, 1, false},
		{"responses, stale without a state", Responses, []string{`{"type":"response.update","response":{"usage":{"input_tokens":70,"output_tokens":1}}}`,
			`{"type":"response.output_text.delta","delta":"more"}`}, 70, 1, false},
		{"responses, twice", Responses, []string{`{"type":"response.in_progress","response":{"status":"in_progress","usage":{"input_tokens":70,"output_tokens":9}}}`,
			`{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":0,"output_tokens":0}}}`}, 70, 9, true},
		{"chat, under one name twice", Chat, []string{`{"choices":[],"usage":{"prompt_tokens":70,"completion_tokens":9},"usage":{"prompt_tokens":0,"completion_tokens":0}}`}, 70, 9, true},
		{"responses, under one name twice", Responses, []string{`{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":70,"output_tokens":9},"usage":{"input_tokens":0,"output_tokens":0}}}`}, 70, 9, true},
		{"messages, under one name twice", Messages, []string{`{"type":"message_start","message":{"usage":{"input_tokens":70,"output_tokens":1},"usage":{"input_tokens":0,"output_tokens":1}}}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9},"usage":{"output_tokens":0}}`}, 70, 9, true},
		{"chat, in its place and in the choice", Chat, []string{`{"choices":[{"index":0,"finish_reason":"stop","usage":{"prompt_tokens":70,"completion_tokens":9}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}`}, 70, 9, true},
		{"chat, in its place and Groq's", Chat, []string{`{"choices":[],"x_groq":{"usage":{"prompt_tokens":70,"completion_tokens":9}},"usage":{"prompt_tokens":0,"completion_tokens":0}}`}, 70, 9, true},
		{"chat, in two choices of one", Chat, []string{`{"choices":[{"index":0,"finish_reason":"stop","usage":{"prompt_tokens":0,"completion_tokens":0}},{"index":1,"finish_reason":"stop","usage":{"prompt_tokens":70,"completion_tokens":9}}]}`}, 70, 9, true},
		{"chat, by both names", Chat, []string{`{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"input_tokens":70,"output_tokens":9}}`}, 70, 9, true},
		{"responses, by both names", Responses, []string{`{"type":"response.completed","response":{"status":"completed","usage":{"prompt_tokens":70,"output_tokens":9,"input_tokens":0}}}`}, 70, 9, true},
		{"messages, by turns beyond their sum", Messages, []string{`{"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":0,"iterations":[{"type":"message","input_tokens":30,"output_tokens":4},{"type":"message","input_tokens":40,"output_tokens":5}]}}`}, 70, 9, true},
		{"pictures, twice", Images, []string{`{"usage":{"input_tokens":70,"output_tokens":9},"usage":{"input_tokens":0,"output_tokens":0}}`}, 70, 9, true},
		{"pictures, in an error", Images, []string{`{"error":{"message":"x","usage":{"input_tokens":70,"output_tokens":9}}}`}, 70, 9, true},
		{"Gemini, in both forms", Gemini, []string{`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":70,"candidatesTokenCount":9},"usage_metadata":{"promptTokenCount":0,"candidatesTokenCount":0}}`}, 70, 9, true},
		{"Gemini, with an error", Gemini, []string{`{"error":{"code":503,"message":"x"},"usageMetadata":{"promptTokenCount":70,"candidatesTokenCount":9}}`}, 70, 9, false},
		{"Gemini, twice", Gemini, []string{`{"usageMetadata":{"promptTokenCount":70,"candidatesTokenCount":9}}`,
			`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":0,"candidatesTokenCount":0}}`}, 70, 9, true},
	} {
		meter, r := c.wire.Meter(Edit{Call: new(policy.Call)}), Reading{}
		for _, data := range c.events {
			meter.Event(Event{Data: []byte(data)}, &r)
		}
		if r.Usage.Input != c.input || r.Usage.Output != c.output || r.Known != c.known {
			t.Errorf("%s: %+v, known %v", c.name, r.Usage, r.Known)
		}
	}
}

// TestUsageThatIsUnclear: what is strange in one place of an answer is not made clear
// by another, and a total beyond the parts tells that a part is missing.
func TestUsageThatIsUnclear(t *testing.T) {
	for _, c := range []struct {
		name  string
		wire  *Wire
		event string
	}{
		{"twice", Chat, `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"rockets":5},"usage":{"prompt_tokens":0,"completion_tokens":0}}`},
		{"in the choice", Chat, `{"choices":[{"usage":{"prompt_tokens":0,"completion_tokens":0}}],"usage":{"prompt_tokens":7,"completion_tokens":9,"rockets":5}}`},
		{"Gemini's, in both forms", Gemini, `{"usageMetadata":{"promptTokenCount":7,"rockets":5},"usage_metadata":{"promptTokenCount":0,"candidatesTokenCount":0}}`},
		{"a message's total", Messages, `{"type":"message_delta","usage":{"input_tokens":7,"output_tokens":9,"total_tokens":1000}}`},
		{"a prompt without measure", Messages, `{"type":"message_delta","usage":{"input_tokens":7,"output_tokens":9,"prompt_tokens":2199023255552}}`},
		{"a picture's total", Images, `{"usage":{"input_tokens":7,"output_tokens":9,"total_tokens":1000}}`},
		{"a picture's input twice", Images, `{"usage":{"input_tokens":7,"input_tokens":0,"output_tokens":9}}`},
		{"a picture's usage twice", Images, `{"usage":{"input_tokens":7,"output_tokens":9,"rockets":5},"usage":{"input_tokens":0,"output_tokens":0}}`},
	} {
		meter, r := c.wire.Meter(Edit{Call: new(policy.Call)}), Reading{}
		meter.Event(Event{Data: []byte(c.event)}, &r)
		if r.Unclear == "" {
			t.Errorf("%s: %+v is clear", c.name, r.Usage)
		}
	}
}

// TestTheGreaterBillCounts: a bill that is told once more, and lower, takes nothing back.
func TestTheGreaterBillCounts(t *testing.T) {
	host := policy.HostOf("https://openrouter.ai/api/v1")
	for _, c := range []struct {
		wire  *Wire
		event string
	}{
		{Chat, `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9,"cost":0.5},"usage":{"prompt_tokens":7,"completion_tokens":9,"cost":0}}`},
		{Messages, `{"type":"message_delta","usage":{"output_tokens":9,"cost":0.5},"usage":{"output_tokens":9,"cost":0}}`},
	} {
		meter, r := c.wire.Meter(Edit{Call: new(policy.Call), Host: host}), Reading{}
		meter.Event(Event{Data: []byte(c.event)}, &r)
		if value(r.Cost) != 500_000 {
			t.Errorf("%s: a bill of %d", c.wire.Name, value(r.Cost))
		}
	}
}

// TestRefusedEmbeddingsThatTellTheirUsage: what they say to have used is read.
func TestRefusedEmbeddingsThatTellTheirUsage(t *testing.T) {
	r := Reading{}
	GeminiEmbeddings.Meter(Edit{Call: new(policy.Call)}).Whole(500, []byte(`{"error":{"code":500,"message":"x"},"usageMetadata":{"promptTokenCount":70}}`), &r)
	if !r.Known || r.Usage.Input != 70 {
		t.Errorf("%+v, known %v", r.Usage, r.Known)
	}
}
