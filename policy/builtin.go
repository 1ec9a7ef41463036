package policy

import (
	"net/url"
	"slices"
	"sync"
)

// BuiltinProviders are the providers that are known without a models.yaml.
func BuiltinProviders() []Provider { return slices.Clone(builtins) }

// Builtin tells whether the base URL leads to the host of one of them, with its port
// if it has one.
func (p Provider) Builtin() bool {
	if p.host != nil {
		return p.builtin
	}
	return leadsToBuiltin(p.BaseURL)
}

func leadsToBuiltin(base string) bool {
	u, err := url.Parse(base)
	return err != nil || builtinHosts()[u.Host] // what is no address leads to no aex
}

var builtinHosts = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for _, p := range builtins {
		if u, err := url.Parse(p.BaseURL); err == nil {
			names[u.Host] = true
		}
	}
	return names
})

// KeyEnvs are the variables a provider's key may be in, the first one first:
// its own, and those of the host that its base URL leads to.
func (p Provider) KeyEnvs() []string {
	var names []string
	add := func(list ...string) {
		for _, name := range list {
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	b, known := builtinNamed(p.Name)
	if own := known && slices.Contains(b.Host().Keys, p.KeyEnv); own {
		add(b.Host().Keys...)
	}
	add(p.KeyEnv)
	if known && p.BaseURL != b.BaseURL {
		add(p.Host().Keys...)
	}
	return names
}
