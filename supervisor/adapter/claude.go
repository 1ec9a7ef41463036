package adapter

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// Claude Code reads the environment, but the settings of a user and of a
// project override it, unless a host says that it manages the provider
// (CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST, 2.1.332) or --settings says otherwise.
func leadClaude(p *Place) error {
	p.set("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST", "1")
	return nil
}

// startClaude: a key and a token together make it ask, so it gets the token
// alone.
func startClaude(s *Start) error {
	s.unset("ANTHROPIC_API_KEY")
	s.set("ANTHROPIC_BASE_URL", s.Base("ANTHROPIC_BASE_URL"))
	s.set("ANTHROPIC_AUTH_TOKEN", s.Token)
	settings := map[string]any{}
	own, at, given := s.given("--settings")
	if given {
		if settings = claudeSettings(own); settings == nil {
			s.note("--settings is yours and cannot be read: Claude Code will tell")
			return nil
		}
	}
	env := object(settings, "env")
	maps.Copy(env, map[string]any{
		"ANTHROPIC_BASE_URL": s.Base("ANTHROPIC_BASE_URL"), "ANTHROPIC_AUTH_TOKEN": s.Token, "ANTHROPIC_API_KEY": "",
		"CLAUDE_CODE_USE_BEDROCK": "", "CLAUDE_CODE_USE_VERTEX": "", "CLAUDE_CODE_USE_FOUNDRY": "",
	})
	delete(settings, "apiKeyHelper")
	path, err := s.writeJSON("claude.json", settings)
	if err != nil {
		return err
	}
	if !given {
		s.args("--settings", path)
		return nil
	}
	s.note("your --settings are merged into %s", path)
	if strings.HasPrefix(s.argv[at], "--settings=") {
		s.argv[at] = "--settings=" + path
	} else {
		s.argv[at+1] = path
	}
	return nil
}

// claudeSettings is what --settings names: a file, or JSON itself. Nil: it is
// neither.
func claudeSettings(value string) map[string]any {
	b := []byte(value)
	if !strings.HasPrefix(strings.TrimSpace(value), "{") {
		b = read(value)
	}
	settings := map[string]any{}
	if b == nil || json.Unmarshal(b, &settings) != nil {
		return nil
	}
	return settings
}

// storedByClaude: the key of a login at the console, or one in the user's
// settings.
func storedByClaude(p *Place) map[string]string {
	settings := readJSON(p.dirOf("CLAUDE_CONFIG_DIR", ".claude") + "/settings.json")
	if key := text(settings, "env", "ANTHROPIC_API_KEY"); key != "" {
		return map[string]string{"ANTHROPIC_API_KEY": key}
	}
	login := p.inHome(".claude.json")
	if dir, own := p.get("CLAUDE_CONFIG_DIR"); own {
		login = dir + "/.claude.json"
	}
	return map[string]string{"ANTHROPIC_API_KEY": text(readJSON(login), "primaryApiKey")}
}

func clientOfClaude(to environ.Gateway) [][2]string {
	return [][2]string{
		{"ANTHROPIC_BASE_URL", to.Base("ANTHROPIC_BASE_URL")}, {"ANTHROPIC_AUTH_TOKEN", to.Token},
		{"AEX_URL", to.URL}, {"AEX_AGENT_TOKEN", to.Token},
	}
}
