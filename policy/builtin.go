package policy

import "slices"

// BuiltinProviders are the providers that are known without a models.yaml.
func BuiltinProviders() []Provider { return slices.Clone(builtins) }

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
