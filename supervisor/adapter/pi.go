package adapter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// leadPi: pi ignores base URLs in the environment; models.json in its own
// directory overrides its providers. The rest of the user's directory is lent
// to it, but not auth.json: a login in there would go before the token.
func leadPi(p *Place) error {
	own := p.dirOf("PI_CODING_AGENT_DIR", ".pi", "agent")
	var kept []string
	if _, err := os.Stat(own); err == nil {
		kept = []string{"sessions"} // outlive the run, also the first one
	}
	if err := p.lend(own, kept, "models.json", "auth.json"); err != nil {
		return err
	}
	models := readJSON(filepath.Join(own, "models.json"))
	piModels(models, p.Gateway, func(name string) string { return name })
	if _, err := p.writeJSON("pi/models.json", models); err != nil {
		return err
	}
	p.set("PI_CODING_AGENT_DIR", p.dir)
	return nil
}

// piModels leads pi's providers to the gateway. A key is the name of a
// variable, or the key itself.
func piModels(models map[string]any, to environ.Gateway, key func(variable string) string) {
	for _, o := range opencodeProviders {
		id, path := o.id, o.path
		switch id {
		case "anthropic":
			path = "" // its SDK adds the version
		case "togetherai", "fireworks-ai":
			id = o.provider
		}
		entry := object(models, "providers", id)
		entry["baseUrl"], entry["apiKey"] = to.URL+path, key(environ.Names(o.provider)[0])
	}
	onlyOurs(object(models, "providers"), func(id string) bool {
		return slices.ContainsFunc(opencodeProviders, func(o struct{ id, provider, path string }) bool { return o.id == id || o.provider == id })
	}, "baseUrl")
}

func storedByPi(p *Place) map[string]string {
	auth := readJSON(filepath.Join(p.dirOf("PI_CODING_AGENT_DIR", ".pi", "agent"), "auth.json"))
	keys := map[string]string{}
	for _, o := range opencodeProviders {
		if text(auth, o.id, "type") == "api_key" {
			keys[environ.Names(o.provider)[0]] = text(auth, o.id, "key")
		}
	}
	return keys
}

func servePi(to environ.Gateway) []Snippet {
	models := map[string]any{}
	piModels(models, to, func(string) string { return to.Token })
	b, _ := json.MarshalIndent(models, "", "  ") // of maps and text
	return []Snippet{{"~/.pi/agent/models.json", string(b) + "\n"}}
}
