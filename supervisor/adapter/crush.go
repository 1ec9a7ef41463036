package adapter

import (
	"encoding/json"
	"path/filepath"
	"slices"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// crushProviders are Crush's names of the gateway's providers, as its list
// (catwalk) has them.
var crushProviders = []struct{ id, provider, path string }{
	{"openai", "openai", "/v1"},
	{"anthropic", "anthropic", ""},
	{"gemini", "google", ""},
	{"groq", "groq", "/openai/v1"},
	{"xai", "xai", "/p/xai/v1"},
	{"deepseek", "deepseek", "/p/deepseek/v1"},
	{"cerebras", "cerebras", "/p/cerebras/v1"},
	{"openrouter", "openrouter", "/p/openrouter/v1"},
}

// crushData is the directory of what Crush itself writes.
func crushData(p *Place) string {
	if dir, ok := p.get("CRUSH_GLOBAL_DATA"); ok && dir != "" {
		return dir
	}
	return filepath.Join(p.dirOf("XDG_DATA_HOME", ".local", "share"), "crush")
}

// leadCrush: Crush reads base URLs from its configuration alone. The file of
// what it stores itself goes before the user's.
func leadCrush(p *Place) error {
	own := crushData(p)
	if err := p.lend(own, nil, "crush.json"); err != nil {
		return err
	}
	settings := readJSON(filepath.Join(own, "crush.json"))
	crushSettings(settings, p.Gateway)
	if _, err := p.writeJSON("crush/crush.json", settings); err != nil {
		return err
	}
	p.set("CRUSH_GLOBAL_DATA", p.dir)
	return nil
}

func crushSettings(settings map[string]any, to environ.Gateway) {
	for _, c := range crushProviders {
		entry := object(settings, "providers", c.id)
		entry["base_url"], entry["api_key"] = to.URL+c.path, "$"+environ.Names(c.provider)[0]
	}
	onlyOurs(object(settings, "providers"), func(id string) bool {
		return slices.ContainsFunc(crushProviders, func(c struct{ id, provider, path string }) bool { return c.id == id })
	}, "base_url")
}

func storedByCrush(p *Place) map[string]string {
	settings := readJSON(filepath.Join(crushData(p), "crush.json"))
	keys := map[string]string{}
	for _, c := range crushProviders {
		if key := text(settings, "providers", c.id, "api_key"); key != "" && key[0] != '$' {
			keys[environ.Names(c.provider)[0]] = key
		}
	}
	return keys
}

func serveCrush(to environ.Gateway) []Snippet {
	settings := map[string]any{}
	crushSettings(settings, to)
	b, _ := json.MarshalIndent(settings, "", "  ") // of maps and text
	return []Snippet{{"~/.config/crush/crush.json", string(b) + "\n"}}
}
