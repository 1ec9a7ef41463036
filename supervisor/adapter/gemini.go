package adapter

import (
	"encoding/json"
	"path/filepath"

	"github.com/joho/godotenv"

	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// leadGemini: Gemini CLI does not start without a way of logging in chosen, and
// one that the user chose before, such as Google's, goes past GEMINI_API_KEY.
// The system's settings go before the user's and the project's. They must not
// lie below a directory that everybody may write to, as aex's home does not.
func leadGemini(p *Place) error {
	p.set("GEMINI_DEFAULT_AUTH_TYPE", "gemini-api-key")
	own, mine := p.get("GEMINI_CLI_SYSTEM_SETTINGS_PATH")
	settings := map[string]any{}
	if mine {
		settings = readJSON(own)
	}
	geminiSettings(settings)
	path, err := p.writeJSON("gemini.json", settings)
	if err != nil {
		return err
	}
	p.set("GEMINI_CLI_SYSTEM_SETTINGS_PATH", path)
	return nil
}

func geminiSettings(settings map[string]any) {
	auth := object(settings, "security", "auth")
	auth["selectedType"] = "gemini-api-key"
	delete(auth, "enforcedType")
	delete(auth, "useExternal")
}

// startGemini: it reads no other name of the key.
func startGemini(s *Start) error {
	s.set("GEMINI_API_KEY", s.Token)
	s.unset("GOOGLE_API_KEY")
	s.set("GOOGLE_GEMINI_BASE_URL", s.Base("GOOGLE_GEMINI_BASE_URL"))
	return nil
}

// storedByGemini: the key that its login keeps is encrypted; the one in its own
// .env is not.
func storedByGemini(p *Place) map[string]string {
	dir := p.inHome(".gemini")
	if home, ok := p.get("GEMINI_CLI_HOME"); ok && home != "" {
		dir = filepath.Join(home, ".gemini")
	}
	vars, err := godotenv.UnmarshalBytes(read(filepath.Join(dir, ".env")))
	if err != nil {
		return nil
	}
	return map[string]string{"GEMINI_API_KEY": vars["GEMINI_API_KEY"]}
}

func serveGemini(environ.Gateway) []Snippet {
	settings := map[string]any{}
	geminiSettings(settings)
	b, _ := json.MarshalIndent(settings, "", "  ") // of maps and text
	return []Snippet{{"~/.gemini/settings.json", string(b) + "\n"}}
}
