package bound

import (
	"context"
	"hash/maphash"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/vocabulary"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// Counter is who counts tokens: a provider, for a model.
type Counter struct{ base, model string }

// CounterOf is who counts the tokens of a model's calls.
func CounterOf(m policy.Model) Counter { return Counter{m.Provider.BaseURL, m.Sent} }

// Prompt is a call's prompt, and whatever else decides whether an earlier call
// can bound it.
type Prompt struct {
	Buyer  string // whose earlier calls may bound it: a run, or under aex serve an agent
	Asked  *policy.Call
	Model  *policy.Model
	Body   wire.Object
	Key    string      // the provider's key
	Header http.Header // some headers change what a request means
	Opened bool        // models.yaml opens its route, and nothing in it is read

	split *wire.Prompt
}

// kind is what two calls must have in common for one to bound the other.
type kind struct {
	Counter
	key, beta uint64
	options   uint64
	tools     bool
}

var seed = maphash.MakeSeed()

func (c *Prompt) counter() Counter { return CounterOf(*c.Model) }

// pieces splits the prompt, at the first call.
func (c *Prompt) pieces() wire.Prompt {
	if c.split == nil {
		p := wire.SplitPrompt(c.Body)
		c.split = &p
	}
	return *c.split
}

func (c *Prompt) kind() kind {
	return kind{
		Counter: c.counter(), key: maphash.String(seed, c.Key), options: c.pieces().Options, tools: c.Asked.Tools > 0,
		beta: maphash.String(seed, strings.Join(c.Header["Anthropic-Beta"], ",")+"|"+strings.Join(c.Header["Openai-Beta"], ",")),
	}
}

// Grows tells whether prompts of this wire grow from call to call, as in conversations.
func (c *Prompt) Grows() bool {
	switch c.Asked.Wire {
	case policy.Chat, policy.Responses, policy.Messages, policy.Gemini:
		return !c.Opened
	}
	return false
}

// Tokenized bounds the prompt by the model's vocabulary; 0: there is none, or not
// all that is in the request is text or pictures.
func (c *Prompt) Tokenized(ctx context.Context) int64 {
	if !vocabulary.Knows(c.Model.Sent) || len(c.Asked.Audio)+len(c.Asked.Files) > 0 {
		return 0
	}
	var sum int64
	var fault error
	media := wire.Texts(c.Body, func(text string) {
		if fault == nil {
			var n int64
			n, fault = vocabulary.Count(ctx, text)
			sum += n + 1
		}
	})
	shown := 0
	for _, i := range c.Asked.Images {
		if !i.Remote {
			shown++
		}
	}
	if fault != nil || media != shown {
		return 0
	}
	return policy.Tokenized(*c.Asked, *c.Model, sum)
}
