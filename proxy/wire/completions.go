package wire

import (
	"net/http"
	"strconv"

	"github.com/Auro-rium/aex/v3/policy"
)

// Completions is OpenAI's legacy Completions API, which local servers speak
// too. Fields as in openai-python types/completion_create_params.py and
// types/completion.py.
var Completions = &Wire{
	Dialect:   policy.Dialect{Name: policy.Completions, Type: policy.TypeOpenAI, Provider: "openai", PerRequest: 128, PerMessage: 8, PerTool: 32},
	Operation: "text_completion",
	Find:      posts("/completions"),
	Path:      always("/completions"),
	AsksUsage: asksUsage,
	Fields:    completionsFields,
	Authorize: bearer,
	Read:      readCompletions,
	Edit:      editCompletions,
	Meter:     meterCompletions,
	Refuse:    openAIError,
}

// completionsFields are the top-level fields whose meaning for the price is known.
var completionsFields = fieldSet(`best_of echo frequency_penalty logit_bias logprobs max_tokens model n
	presence_penalty prompt seed stop stream stream_options suffix temperature top_p top_k min_p user`)

// readCompletions takes a missing max_tokens for no cap. OpenAI's default is 16, but other
// servers go on until the model ends, and a hold must cover both.
func readCompletions(_ *http.Request, body Object, _ string) (policy.Call, error) {
	c := policy.Call{
		Wire:      policy.Completions,
		Model:     body.word("model"),
		Stream:    body.flag("stream"),
		OutputCap: body.Count("max_tokens", 0),
		Outputs:   1,
	}
	body.beside(completionsFields, &c)
	// best_of outputs are made, and billed, for n that are shown.
	for _, name := range []string{"n", "best_of"} {
		if n := body.Count(name, 0); n != nil {
			c.Outputs = max(c.Outputs, min(*n, 1<<20))
		}
	}
	prompts := texts(body.Get("prompt"), &c)
	c.Messages = int(prompts)
	c.Outputs *= max(prompts, 1)
	return c, *body.err
}

// texts counts the texts in a prompt or in an embedding's input. It is one text, as a
// string or as a list of tokens, or a list of several. A token takes at least two bytes,
// so the body's bytes bound lists of tokens, too.
func texts(v Span, c *policy.Call) (n int64) {
	tokens := false
	v.elements(func(e Span) {
		switch e.Kind() {
		case '"', '[':
			n++
		case '{', 't', 'f', 'n': // OpenAI's schema has no such thing
			n++
			c.Files = append(c.Files, policy.Media{Remote: true})
		default:
			tokens = true
		}
	})
	if v.Kind() == '"' || tokens {
		n++
	}
	if v.Kind() == '{' { // llama.cpp's, with pictures and sound beside the text
		n++
		c.Files = append(c.Files, policy.Media{Remote: true})
	}
	return n
}

func editCompletions(body Object, e Edit) []Splice {
	var edits []Splice
	if e.Model != "" {
		edits = append(edits, body.Set("model", Quote(e.Model)))
	}
	if e.Cap > 0 {
		if n := body.Count("max_tokens", 0); lowered(n, e.Cap) {
			edits = append(edits, body.Set("max_tokens", strconv.FormatInt(e.Cap, 10)))
		}
	}
	if e.Usage {
		edits = append(edits, includeUsage(body))
	}
	return edits
}

// meterCompletions reads completions as it reads chats: only their choices differ.
func meterCompletions(e Edit) Meter {
	return &chatMeter{Edit: e, object: "text_completion", rest: `"text":"","logprobs":null`, output: func(c Object, r *Reading) {
		r.Seen += int64(c.Get("text").textLen())
	}}
}
