package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// adaptClaude: Claude Code reads the environment, but a project's settings
// override it; only --settings goes before those. A key and a token together
// make it ask, so it gets the token alone.
func adaptClaude(d *adaptation) error {
	settings := map[string]string{
		"ANTHROPIC_BASE_URL": d.url, "ANTHROPIC_AUTH_TOKEN": d.token,
		"CLAUDE_CODE_USE_BEDROCK": "", "CLAUDE_CODE_USE_VERTEX": "", "CLAUDE_CODE_USE_FOUNDRY": "",
	}
	d.unset("ANTHROPIC_API_KEY")
	d.set("ANTHROPIC_BASE_URL", d.url)
	d.set("ANTHROPIC_AUTH_TOKEN", d.token)
	if d.given("--settings") {
		d.tell("--settings is yours: settings of the project may lead it past aex")
		return nil
	}
	path, err := d.file("claude.json", map[string]any{"env": settings})
	if err != nil {
		return err
	}
	d.args("--settings", path)
	return nil
}

// adaptCodex: Codex ignores OPENAI_BASE_URL; a provider of its own is told on
// the command line. The token stays in the environment.
func adaptCodex(d *adaptation) error {
	d.args("-c", `model_provider="aex"`,
		"-c", `model_providers.aex={name="aex",base_url="`+d.url+`/v1",env_key="OPENAI_API_KEY",wire_api="responses"}`)
	return nil
}

// adaptOpencode: its SDK wants the version in Anthropic's base URL.
func adaptOpencode(d *adaptation) error {
	d.set("ANTHROPIC_BASE_URL", d.url+"/v1")
	return nil
}

// adaptGemini: Gemini CLI does not start without a way of logging in chosen;
// the system's settings go before the user's.
func adaptGemini(d *adaptation) error {
	d.set("GEMINI_DEFAULT_AUTH_TYPE", "gemini-api-key")
	if path, mine := d.get("GEMINI_CLI_SYSTEM_SETTINGS_PATH"); mine {
		d.tell("GEMINI_CLI_SYSTEM_SETTINGS_PATH is yours (%s): it must choose gemini-api-key", path)
		return nil
	}
	auth := map[string]any{"selectedType": "gemini-api-key"}
	path, err := d.file("gemini.json", map[string]any{"security": map[string]any{"auth": auth}})
	if err != nil {
		return err
	}
	d.set("GEMINI_CLI_SYSTEM_SETTINGS_PATH", path)
	return nil
}

// adaptAider: aider lets a project's .env override the environment, but not
// its command line; its library reads other names for other providers.
func adaptAider(d *adaptation) error {
	d.set("ANTHROPIC_API_BASE", d.url)
	d.set("GEMINI_API_BASE", d.url)
	if !d.given("--openai-api-base") {
		d.args("--openai-api-base", d.url+"/v1")
	}
	return nil
}

// adaptPi: pi ignores base URLs in the environment; models.json in its own
// directory overrides its providers. The rest of the user's directory is lent
// to it, but not auth.json: a login in there would go before the token.
func adaptPi(d *adaptation) error {
	own, mine := d.get("PI_CODING_AGENT_DIR")
	if !mine {
		own = filepath.Join(d.home, ".pi", "agent")
	}
	path, err := d.file("pi/models.json", map[string]any{"providers": map[string]any{
		"openai":    map[string]string{"baseUrl": d.url + "/v1", "apiKey": "OPENAI_API_KEY"},
		"anthropic": map[string]string{"baseUrl": d.url, "apiKey": "ANTHROPIC_API_KEY"},
		"google":    map[string]string{"baseUrl": d.url + "/v1beta", "apiKey": "GEMINI_API_KEY"},
		"groq":      map[string]string{"baseUrl": d.url + "/openai/v1", "apiKey": "GROQ_API_KEY"},
	}})
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if slices.Contains([]string{"models.json", "auth.json"}, e.Name()) {
			continue
		}
		if err := os.Symlink(filepath.Join(own, e.Name()), filepath.Join(filepath.Dir(path), e.Name())); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(own, "sessions"), 0o700); err == nil {
		// Sessions outlive the run, also the first one.
		_ = os.Symlink(filepath.Join(own, "sessions"), filepath.Join(filepath.Dir(path), "sessions")) // mostly it is linked already
	}
	d.set("PI_CODING_AGENT_DIR", filepath.Dir(path))
	return nil
}
