package policy

import "testing"

// A provider is one of those that aex knows by where its base URL leads, whatever
// its name, and whether or not a registry has looked that up.
func TestBuiltin(t *testing.T) {
	for base, want := range map[string]bool{
		"https://api.openai.com/v1":     true,
		"https://api.openai.com:444/v1": false,
		"http://127.0.0.1:8080/v1":      false,
		"https://proxy.example/v1":      false,
		"://":                           true, // leads nowhere
	} {
		p := Provider{Name: "mine", Type: TypeOpenAI, BaseURL: base}
		if p.Builtin() != want || p.located().Builtin() != want {
			t.Errorf("%s: %t, looked up %t", base, p.Builtin(), p.located().Builtin())
		}
	}
	for _, p := range BuiltinProviders() {
		if !p.Builtin() {
			t.Errorf("%s is not known", p.Name)
		}
	}
	r, err := NewRegistry(Sources{BaseURLs: map[string]string{"openai": "http://127.0.0.1:8080/v1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Providers() {
		if p.Builtin() == (p.Name == "openai") {
			t.Errorf("%s at %s: %t", p.Name, p.BaseURL, p.Builtin())
		}
	}
}
