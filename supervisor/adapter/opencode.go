package adapter

import (
	"encoding/json"
	"path/filepath"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// opencodeProviders are opencode's names of the gateway's providers, with the
// base URL as its SDK for each wants it. models.dev lists them.
var opencodeProviders = []struct{ id, provider, path string }{
	{"openai", "openai", "/v1"},
	{"anthropic", "anthropic", "/v1"},
	{"google", "google", "/v1beta"},
	{"groq", "groq", "/openai/v1"},
	{"mistral", "mistral", "/p/mistral/v1"},
	{"deepseek", "deepseek", "/p/deepseek/v1"},
	{"xai", "xai", "/p/xai/v1"},
	{"togetherai", "together", "/p/together/v1"},
	{"fireworks-ai", "fireworks", "/p/fireworks/v1"},
	{"cerebras", "cerebras", "/p/cerebras/v1"},
	{"openrouter", "openrouter", "/p/openrouter/v1"},
}

// leadOpencode: configuration in the environment goes before all files; a
// stored key would go before the environment's, so it is shown none.
func leadOpencode(p *Place) error {
	config := map[string]any{}
	if own, ok := p.get("OPENCODE_CONFIG_CONTENT"); ok {
		_ = json.Unmarshal(plainJSON([]byte(own)), &config) // what opencode could not read either goes
	}
	opencodeConfig(config, p.Gateway, func(name string) string { return "{env:" + name + "}" })
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	p.set("OPENCODE_CONFIG_CONTENT", string(b))
	p.set("OPENCODE_AUTH_CONTENT", "{}")
	return nil
}

// opencodeConfig leads each provider to the gateway. A key is named only where
// the environment is sure to have it.
func opencodeConfig(config map[string]any, to environ.Gateway, key func(variable string) string) {
	for _, o := range opencodeProviders {
		options := object(config, "provider", o.id, "options")
		options["baseURL"] = to.URL + o.path
		delete(options, "apiKey")
		if o.path[:2] != "/p" {
			options["apiKey"] = key(environ.Names(o.provider)[0])
		}
	}
}

func storedByOpencode(p *Place) map[string]string {
	auth := readJSON(filepath.Join(p.dirOf("XDG_DATA_HOME", ".local", "share"), "opencode", "auth.json"))
	if content, ok := p.get("OPENCODE_AUTH_CONTENT"); ok && content != "" {
		_ = json.Unmarshal([]byte(content), &auth) // as opencode reads it
	}
	keys := map[string]string{}
	for _, o := range opencodeProviders {
		if text(auth, o.id, "type") == "api" {
			keys[environ.Names(o.provider)[0]] = text(auth, o.id, "key")
		}
	}
	return keys
}

func serveOpencode(to environ.Gateway) []Snippet {
	config := map[string]any{"$schema": "https://opencode.ai/config.json"}
	opencodeConfig(config, to, func(string) string { return to.Token })
	b, _ := json.MarshalIndent(config, "", "  ") // of maps and text
	return []Snippet{{"~/.config/opencode/opencode.json", string(b) + "\n"}}
}
