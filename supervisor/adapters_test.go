package supervisor

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
		a, at, err := findAdapter("", c.argv)
		got := ""
		if a != nil {
			got = a.name
		}
		if err != nil || got != c.want || a != nil && at != c.at {
			t.Errorf("%q is %q at %d (%v), want %q at %d", c.argv, got, at, err, c.want, c.at)
		}
	}
	if a, at, err := findAdapter("codex", []string{"wrapper", "exec"}); err != nil || a.name != "codex" || at != 1 {
		t.Errorf("a named adapter: %v at %d, %v", a, at, err)
	}
	if a, _, err := findAdapter(NoAdapter, []string{"codex"}); err != nil || a != nil {
		t.Errorf("none: %v, %v", a, err)
	}
	if _, _, err := findAdapter("vim", []string{"codex"}); !errors.Is(err, ErrNoAdapter) {
		t.Errorf("an unknown one: %v", err)
	}
}
