package adapter

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// clineProviders are Cline's names of the gateway's providers, with the path
// that each wants.
var clineProviders = []struct{ id, provider, path string }{
	{"openai-native", "openai", "/v1"},
	{"openai-compatible", "openai", "/v1"},
	{"anthropic", "anthropic", ""},
	{"gemini", "google", ""},
	{"groq", "groq", "/openai/v1"},
	{"mistral", "mistral", "/p/mistral/v1"},
	{"deepseek", "deepseek", "/p/deepseek/v1"},
	{"xai", "xai", "/p/xai/v1"},
	{"together", "together", "/p/together/v1"},
	{"fireworks", "fireworks", "/p/fireworks/v1"},
	{"cerebras", "cerebras", "/p/cerebras/v1"},
	{"openrouter", "openrouter", "/p/openrouter/v1"},
}

// clineFile is where Cline keeps its providers and their keys.
func clineFile(p *Place) string {
	if path, ok := p.get("CLINE_PROVIDER_SETTINGS_PATH"); ok && path != "" {
		return path
	}
	return filepath.Join(p.dirOf("CLINE_DATA_DIR", ".cline", "data"), "settings", "providers.json")
}

// leadCline: Cline goes by its own file of providers alone.
func leadCline(p *Place) error {
	settings := readJSON(clineFile(p))
	clineSettings(settings, p.Gateway)
	path, err := p.writeJSON("cline.json", settings)
	if err != nil {
		return err
	}
	p.set("CLINE_PROVIDER_SETTINGS_PATH", path)
	return nil
}

func clineSettings(settings map[string]any, to environ.Gateway) {
	if settings["version"] == nil {
		maps.Copy(settings, map[string]any{"version": 1, "modes": map[string]any{}})
	}
	for _, c := range clineProviders {
		entry := object(settings, "providers", c.id)
		own := object(entry, "settings")
		own["provider"], own["apiKey"], own["baseUrl"] = c.id, to.Token, to.URL+c.path
		if entry["updatedAt"] == nil {
			entry["updatedAt"], entry["tokenSource"] = "2026-01-01T00:00:00.000Z", "manual"
		}
	}
	providers := object(settings, "providers")
	onlyOurs(providers, func(id string) bool {
		return slices.ContainsFunc(clineProviders, func(c struct{ id, provider, path string }) bool { return c.id == id })
	}, "settings", "baseUrl")
	if last := text(settings, "lastUsedProvider"); providers[last] == nil {
		settings["lastUsedProvider"] = clineProviders[0].id
	}
}

func storedByCline(p *Place) map[string]string {
	settings := readJSON(clineFile(p))
	keys := map[string]string{}
	for _, c := range clineProviders {
		if key := text(settings, "providers", c.id, "settings", "apiKey"); key != "" && keys[environ.Names(c.provider)[0]] == "" {
			keys[environ.Names(c.provider)[0]] = key
		}
	}
	return keys
}

func serveCline(to environ.Gateway) []Snippet {
	settings := map[string]any{}
	clineSettings(settings, to)
	b, _ := json.MarshalIndent(settings, "", "  ") // of maps and text
	return []Snippet{{"~/.cline/data/settings/providers.json", string(b) + "\n"}}
}
