package proxy

import (
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

const (
	maxTold     = 2000 // bytes of a refusal's message
	maxNamed    = 1000 // bytes of a name that are looked at
	leastSecret = 12   // bytes of a key: anything shorter is a placeholder, and may be part of a word
)

// discreet is a text by the caller as it may be kept and shown: without keys, which may
// stand by mistake in place of a model's name, in a path or in a tool's type.
func (c *call) discreet(text string) string {
	if len(text) < leastSecret {
		return text
	}
	for _, secret := range c.secrets() {
		if len(secret) >= leastSecret {
			text = strings.ReplaceAll(text, secret, plain.Hidden)
		}
	}
	return plain.Discreet(text)
}

// secrets are the caller's token, the key that it brought and those that aex has.
func (c *call) secrets() []string {
	all := []string{c.key, Token(c.r), c.r.Header.Get("X-Aex-Provider-Key")}
	if r := c.g.registry.Load(); r != nil && c.g.o.Key != nil {
		for _, p := range r.Providers() {
			all = append(all, c.g.o.Key(p))
		}
	}
	return all
}

// modelAsked is the model that was asked for, as it is kept and shown.
func (c *call) modelAsked() string { return plain.Stored(c.modelName(c.asked.Model)) }

// modelName is a model's name without what may be a key. A name in the price list stays
// as it is, even where it looks like a key (pplx-70b-chat). In the name of another model
// with a price only what looks like a key is hidden.
func (c *call) modelName(name string) string {
	if c.model.Listed && name == c.model.Sent {
		return name
	}
	name = plain.Clip(name, maxNamed)
	if c.model.Price.Version != "" && !c.model.Provider.Local {
		return plain.Discreet(name)
	}
	return c.discreet(name)
}
