package fakeprovider

import (
	"encoding/json"
	"strconv"
)

// completions is POST /v1/completions, OpenAI's older API.
type completions struct{ openAI }

type completionsRequest struct {
	Model         string          `json:"model"`
	Prompt        json.RawMessage `json:"prompt"`
	Suffix        string          `json:"suffix"`
	Stream        bool            `json:"stream"`
	StreamOptions *streamOptions  `json:"stream_options"`
	MaxTokens     *int64          `json:"max_tokens"`
	N             *int64          `json:"n"`
	BestOf        *int64          `json:"best_of"`
	Echo          bool            `json:"echo"`
}

// legacyCap is what max_tokens is when it is left out.
const legacyCap = 16

func (completions) read(x *exchange) (*call, *refusal) {
	var q completionsRequest
	if err := json.Unmarshal(x.body, &q); err != nil {
		no := badRequest("", "We could not parse the JSON body of your request: "+err.Error())
		return nil, &no
	}
	c := &call{model: q.Model, stream: q.Stream, cap: legacyCap, outputs: 1}
	refuse := func(param, message string) (*call, *refusal) {
		no := badRequest(param, message)
		return c, &no
	}
	if q.MaxTokens != nil {
		c.cap = *q.MaxTokens
	}
	if q.N != nil {
		c.outputs = *q.N
	}
	bestOf := c.outputs
	if q.BestOf != nil {
		bestOf = *q.BestOf
	}
	n := counter{perToken: x.p.opt.BytesPerToken}
	prompts := n.prompts(q.Prompt)
	switch {
	case q.Model == "":
		return refuse("", "you must provide a model parameter")
	case c.cap < 0:
		return refuse("max_tokens", "-1 is less than the minimum of 0 - 'max_tokens'")
	case c.outputs < 1 || bestOf < c.outputs || bestOf > 128:
		return refuse("best_of", "best_of must be greater than or equal to n")
	case bestOf > c.outputs && q.Stream:
		return refuse("best_of", "You can only stream one of the completions: best_of must equal n")
	}
	n.text(q.Suffix)
	c.take(&n)
	if q.StreamOptions != nil {
		c.askUsage = q.StreamOptions.IncludeUsage
	}
	c.made, c.outputs = prompts*bestOf, prompts*c.outputs
	return c, nil
}

// prompts counts a string, a list of strings, a list of token ids or a list of
// such lists, and says how many prompts they are.
func (n *counter) prompts(m json.RawMessage) int64 {
	if s, ok := text(m); ok {
		n.text(s)
		return 1
	}
	var list []json.RawMessage
	_ = json.Unmarshal(m, &list) // null is the start of a document: no prompt
	ids := 0
	for _, e := range list {
		var some []int64
		switch s, ok := text(e); {
		case ok:
			n.text(s)
		case json.Unmarshal(e, &some) == nil:
			n.tokens += int64(len(some))
		default:
			ids++
		}
	}
	n.tokens += int64(ids)
	if ids > 0 || len(list) == 0 {
		return 1
	}
	return int64(len(list))
}

type completionChoice struct {
	Text     string  `json:"text"`
	Index    int     `json:"index"`
	Logprobs *string `json:"logprobs"`
	Finish   string  `json:"finish_reason"`
}

func completionFinish(o *output) string {
	if o.length {
		return "length"
	}
	return "stop"
}

func (completions) whole(x *exchange) any {
	p := x.plan
	choices := []completionChoice{}
	for i := range p.outputs {
		o := &p.outputs[i]
		choices = append(choices, completionChoice{Text: o.words.text(0, o.tokens), Index: i, Finish: completionFinish(o)})
	}
	a := map[string]any{"id": ident("cmpl-", x.e.ID), "object": "text_completion", "created": p.created,
		"model": p.model, "choices": choices, "system_fingerprint": nil}
	if u, keep := finalUsage(x); keep {
		a["usage"] = u
	}
	return a
}

func (completions) events(s *stream) {
	k := newChunks(s, ident("cmpl-", s.x.e.ID), "text_completion")
	choice := func(i int, t []byte, finish string) []byte {
		b := append(make([]byte, 0, 96), `{"text":`...)
		b = append(append(b, s.quoted(t)...), `,"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(append(b, `,"logprobs":null,"finish_reason":`...), finish...)
		return append(b, '}')
	}
	if !s.text(func(i int, t []byte) bool { return k.send(choice(i, t, "null"), false) }) || !s.ended() {
		return
	}
	for i := range s.p.outputs {
		finish := `"` + completionFinish(&s.p.outputs[i]) + `"`
		if !k.send(choice(i, nil, finish), i == len(s.p.outputs)-1) {
			return
		}
	}
	if k.usage() {
		s.last("", []byte("[DONE]"))
	}
}
