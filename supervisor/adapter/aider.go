package adapter

import (
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
	"gopkg.in/yaml.v3"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// leadAider: aider lets the .env files of a user and of a project override the
// environment, and reads the file that AIDER_ENV_FILE names after all of them.
func leadAider(p *Place) error {
	own, _ := p.get("AIDER_ENV_FILE")
	path, err := p.write("aider.env", aiderEnv(p, own))
	if err != nil {
		return err
	}
	p.set("AIDER_ENV_FILE", path)
	return nil
}

// startAider: a file that the user names is read, too, before aex's lines.
func startAider(s *Start) error {
	if own, at, given := s.given("--env-file"); given && own != "" {
		path, err := s.write("aider.env", aiderEnv(s.Place, own))
		if err != nil {
			return err
		}
		if strings.HasPrefix(s.argv[at], "--env-file=") {
			s.argv[at] = "--env-file=" + path
		} else {
			s.argv[at+1] = path
		}
	}
	if _, _, given := s.given("--openai-api-base"); !given {
		s.args("--openai-api-base", s.Base("OPENAI_API_BASE"))
	}
	return nil
}

// aiderEnv is the user's file with what leads to the gateway after it.
func aiderEnv(p *Place, own string) []byte {
	var lines strings.Builder
	for line := range strings.Lines(string(read(own))) {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !environ.Taken(strings.TrimSpace(name), nil) {
			lines.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	for _, entry := range p.env {
		name, value, _ := strings.Cut(entry, "=")
		if value == p.Token || environ.IsBase(name) {
			lines.WriteString(entry + "\n")
		}
	}
	return []byte(lines.String())
}

// storedByAider: its configuration, and the key of its login at OpenRouter.
func storedByAider(p *Place) map[string]string {
	keys := map[string]string{}
	if vars, err := godotenv.UnmarshalBytes(read(p.inHome(".aider", "oauth-keys.env"))); err == nil {
		keys["OPENROUTER_API_KEY"] = vars["OPENROUTER_API_KEY"]
	}
	var config struct {
		OpenAI    string `yaml:"openai-api-key"`
		Anthropic string `yaml:"anthropic-api-key"`
		Others    any    `yaml:"api-key"`
	}
	if yaml.Unmarshal(read(filepath.Join(p.home, ".aider.conf.yml")), &config) != nil {
		return keys
	}
	keys["OPENAI_API_KEY"], keys["ANTHROPIC_API_KEY"] = config.OpenAI, config.Anthropic
	list, ok := config.Others.([]any)
	if !ok {
		list = []any{config.Others}
	}
	for _, one := range list {
		pair, _ := one.(string)
		if provider, key, ok := strings.Cut(pair, "="); ok {
			keys[strings.ToUpper(strings.TrimSpace(provider))+"_API_KEY"] = strings.TrimSpace(key)
		}
	}
	return keys
}
