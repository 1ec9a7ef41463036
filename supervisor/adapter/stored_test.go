package adapter

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The files are what each agent's own login writes, or what its documentation
// tells people to write.
func TestStoredKeys(t *testing.T) {
	for _, c := range []struct{ agent, file, content, variable string }{
		{"claude", ".claude.json", `{"primaryApiKey":"K"}`, "ANTHROPIC_API_KEY"},
		{"claude", ".claude/settings.json", `{"env":{"ANTHROPIC_API_KEY":"K"}}`, "ANTHROPIC_API_KEY"},
		{"codex", ".codex/auth.json", `{"auth_mode":"apikey","OPENAI_API_KEY":"K"}`, "OPENAI_API_KEY"},
		{"opencode", ".local/share/opencode/auth.json", `{"openrouter":{"type":"api","key":"K"}}`, "OPENROUTER_API_KEY"},
		{"gemini", ".gemini/.env", "GEMINI_API_KEY=K\n", "GEMINI_API_KEY"},
		{"qwen", ".qwen/settings.json", `{"security":{"auth":{"selectedType":"openai","apiKey":"K"}}}`, "OPENAI_API_KEY"},
		{"pi", ".pi/agent/auth.json", `{"anthropic":{"type":"api_key","key":"K"}}`, "ANTHROPIC_API_KEY"},
		{"aider", ".aider.conf.yml", "api-key:\n- gemini=K\n", "GEMINI_API_KEY"},
		{"aider", ".aider/oauth-keys.env", "OPENROUTER_API_KEY=\"K\"\n", "OPENROUTER_API_KEY"},
		{"crush", ".local/share/crush/crush.json", `{"providers":{"groq":{"api_key":"K"}}}`, "GROQ_API_KEY"},
		{"cline", ".cline/data/settings/providers.json", `{"providers":{"anthropic":{"settings":{"apiKey":"K"}}}}`, "ANTHROPIC_API_KEY"},
	} {
		home := t.TempDir()
		for path, content := range map[string]string{filepath.Join("bin", c.agent): "#!/bin/sh\n", c.file: c.content} {
			path = filepath.Join(home, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		env := []string{"HOME=" + home, "PATH=" + filepath.Join(home, "bin")}
		if got := Stored(env, []string{"make"}); len(got) != 1 || got[0] != (Key{c.variable, "K", c.agent}) {
			t.Errorf("%s, %s: %+v", c.agent, c.file, got)
		}
		if got := Stored([]string{"HOME=" + home, "PATH="}, []string{"make"}); len(got) != 0 {
			t.Errorf("%s is not there to be started: %+v", c.agent, got)
		}
	}
}

// A pipe that nobody writes to, in the place of an agent's file, keeps no run
// from its start.
func TestStoredKeysOfAPipe(t *testing.T) {
	home := t.TempDir()
	for _, file := range []string{".gemini/.env", ".aider/oauth-keys.env", ".aider.conf.yml", ".codex/auth.json"} {
		path := filepath.Join(home, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := Stored([]string{"HOME=" + home, "PATH="}, []string{"make"}); len(got) != 0 {
		t.Errorf("pipes hold %+v", got)
	}
}
