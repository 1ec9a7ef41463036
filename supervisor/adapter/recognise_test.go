package adapter

import (
	"errors"
	"testing"
)

func TestKnownProgramsAreRecognised(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want string
		at   int
	}{
		{[]string{"claude", "-p", "hi"}, "claude", 1},
		{[]string{"/usr/local/bin/codex"}, "codex", 1},
		{[]string{"npx", "@openai/codex", "exec"}, "codex", 2},
		{[]string{"npx", "-y", "@anthropic-ai/claude-code@2.1.330"}, "claude", 3},
		{[]string{"npx", "-p", "opencode-ai", "opencode", "run"}, "opencode", 4},
		{[]string{"npx", "--package=@google/gemini-cli", "gemini"}, "gemini", 3},
		{[]string{"bunx", "@mariozechner/pi-coding-agent"}, "pi", 2},
		{[]string{"pnpm", "dlx", "opencode-ai@latest"}, "opencode", 3},
		{[]string{"uvx", "--from", "aider-chat", "aider"}, "aider", 4},
		{[]string{"uv", "run", "aider"}, "aider", 3},
		{[]string{"python3", "-m", "aider", "--model", "x"}, "aider", 3},
		{[]string{"python3", "claude"}, "", 0},
		{[]string{"npx", "-y"}, "", 0},
		{[]string{"npx"}, "", 0},
		{[]string{"npm", "install", "@openai/codex"}, "", 0},
		{[]string{"bash", "-c", "claude"}, "", 0},
		{[]string{"claude-wrapper"}, "", 0},
	} {
		a, at, err := Find("", c.argv)
		got := ""
		if a != nil {
			got = a.Name
		}
		if err != nil || got != c.want || a != nil && at != c.at {
			t.Errorf("%q is %q at %d (%v), want %q at %d", c.argv, got, at, err, c.want, c.at)
		}
	}
	if a, at, err := Find("codex", []string{"wrapper", "exec"}); err != nil || a.Name != "codex" || at != 1 {
		t.Errorf("a named adapter: %v at %d, %v", a, at, err)
	}
	if a, _, err := Find(None, []string{"codex"}); err != nil || a != nil {
		t.Errorf("none: %v, %v", a, err)
	}
	if _, _, err := Find("vim", []string{"codex"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown one: %v", err)
	}
}
