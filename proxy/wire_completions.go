package proxy

import (
	"net/http"
	"strconv"

	"github.com/Auro-rium/aex/v3/policy"
)

// completions is OpenAI's legacy Completions API, which local servers speak
// too. Fields as in openai-python types/completion_create_params.py and
// types/completion.py.
type completions struct{}

func (completions) name() string                     { return policy.Completions }
func (completions) path(policy.Model, string) string { return "/completions" }
func (completions) refusal(f fault) []byte           { return openAIError(f) }

// completionsFields are the top-level fields whose meaning for the price is known.
var completionsFields = fieldSet(`best_of echo frequency_penalty logit_bias logprobs max_tokens model n
	presence_penalty prompt seed stop stream stream_options suffix temperature top_p top_k min_p user`)

// read takes an absent max_tokens for no cap: OpenAI's default is 16, but the
// other servers go on to the model's end, and a hold must cover either.
func (completions) read(_ *http.Request, body object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:      policy.Completions,
		Model:     body.get("model").text(),
		Stream:    body.get("stream").truth(),
		OutputCap: body.count("max_tokens", 0),
		Outputs:   1,
		Unknown:   body.unknown(completionsFields),
	}
	// best_of outputs are made, and billed, for n that are shown.
	for _, name := range []string{"n", "best_of"} {
		if n := body.count(name, 0); n != nil {
			c.Outputs = max(c.Outputs, min(*n, 1<<20))
		}
	}
	prompts := texts(body.get("prompt"), &c)
	c.Messages = int(prompts)
	c.Outputs *= max(prompts, 1)
	return c, *body.err
}

// texts counts the texts in a prompt or an embedding's input: one as text or as
// tokens, or a list of either. A token takes two bytes at least, so the body's
// bytes bound them too.
func texts(v span, c *policy.Call) (n int64) {
	tokens := false
	v.elements(func(e span) {
		switch e.kind() {
		case '"', '[':
			n++
		case '{', 't', 'f', 'n': // nothing that OpenAI's schema knows
			n++
			c.Files = append(c.Files, policy.Media{Remote: true})
		default:
			tokens = true
		}
	})
	if v.kind() == '"' || tokens {
		n++
	}
	return n
}

func (completions) edit(body object, e edit) []splice {
	var edits []splice
	if e.model != "" {
		edits = append(edits, body.set("model", quote(e.model)))
	}
	if e.cap > 0 {
		if n := body.count("max_tokens", 0); n == nil || *n > e.cap {
			edits = append(edits, body.set("max_tokens", strconv.FormatInt(e.cap, 10)))
		}
	}
	if e.usage {
		edits = append(edits, includeUsage(body))
	}
	return edits
}

// meter reads them as chat: only a choice is another.
func (completions) meter(e edit) meter {
	return &chatMeter{edit: e, object: "text_completion", rest: `"text":"","logprobs":null`, output: func(c object, r *reading) {
		r.seen += int64(c.get("text").textLen())
	}}
}
