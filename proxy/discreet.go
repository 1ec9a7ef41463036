package proxy

import (
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

const (
	maxTold     = 2000 // bytes of a refusal's message
	maxNamed    = 1000 // that are looked at of a name
	leastSecret = 12   // a shorter one is a placeholder, and a part of words
)

// discreet is a text that holds what a caller wrote, as it may be kept and shown:
// a key that stands in a model's place, in a path or a tool's type is neither.
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

// modelName is a model's name without what is no part of one. A name of the price
// list has nothing else, also where it looks like a key (pplx-70b-chat); that of
// another model with a price is looked through less.
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
