package adapter

import (
	"encoding/json"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// leadQwen: Qwen Code goes by the login that was chosen before, and by the
// base URL in its settings; the system's settings go before the user's.
func leadQwen(p *Place) error {
	own, mine := p.get("QWEN_CODE_SYSTEM_SETTINGS_PATH")
	settings := map[string]any{}
	if mine {
		settings = readJSON(own)
	}
	qwenSettings(settings, p.Gateway)
	object(settings, "env")["OPENAI_API_KEY"] = p.Token
	path, err := p.writeJSON("qwen.json", settings)
	if err != nil {
		return err
	}
	p.set("QWEN_CODE_SYSTEM_SETTINGS_PATH", path)
	p.set("QWEN_DEFAULT_AUTH_TYPE", "openai")
	return nil
}

func qwenSettings(settings map[string]any, to environ.Gateway) {
	auth := object(settings, "security", "auth")
	auth["selectedType"], auth["apiKey"], auth["baseUrl"] = "openai", to.Token, to.Base("OPENAI_BASE_URL")
}

func startQwen(s *Start) error {
	if _, _, chosen := s.given("--auth-type"); !chosen {
		s.args("--auth-type", "openai")
	}
	if _, _, chosen := s.given("--openai-base-url"); !chosen {
		s.args("--openai-base-url", s.Base("OPENAI_BASE_URL"))
	}
	s.set("OPENAI_API_KEY", s.Token)
	return nil
}

func storedByQwen(p *Place) map[string]string {
	settings := readJSON(p.dirOf("QWEN_HOME", ".qwen") + "/settings.json")
	keys := map[string]string{}
	for _, name := range []string{"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"} {
		keys[name] = text(settings, "env", name)
	}
	if keys["OPENAI_API_KEY"] == "" && text(settings, "security", "auth", "selectedType") == "openai" {
		keys["OPENAI_API_KEY"] = text(settings, "security", "auth", "apiKey")
	}
	return keys
}

func serveQwen(to environ.Gateway) []Snippet {
	settings := map[string]any{}
	qwenSettings(settings, to)
	b, _ := json.MarshalIndent(settings, "", "  ") // of maps and text
	return []Snippet{{"~/.qwen/settings.json", string(b) + "\n"}}
}
