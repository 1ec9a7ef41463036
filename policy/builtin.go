package policy

// BuiltinProviders are the providers that are known without a models.yaml.
func BuiltinProviders() []Provider {
	list := make([]Provider, 0, len(builtins))
	for _, b := range builtins {
		list = append(list, b.Provider)
	}
	return list
}

// KeyEnvs are the variables a provider's key may be in, the first one first.
func (p Provider) KeyEnvs() []string {
	if b, ok := builtinNamed(p.Name); ok && p.KeyEnv == b.KeyEnv {
		return b.keyEnvs
	}
	if p.KeyEnv == "" {
		return nil
	}
	return []string{p.KeyEnv}
}
