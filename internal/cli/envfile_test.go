package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEnvFilesShowNoKey: whatever is wrong in a file of keys, its line is named and nothing of it shown.
func TestEnvFilesShowNoKey(t *testing.T) {
	for text, line := range map[string]string{
		"OPENAI_API_KEY=\"sk-secret":                             ":1:",
		"A=1\nMY-KEY=1\nOPENAI_API_KEY=sk-secret\nB=sk-secret\n": ":2:",
		"A=\"1\n2\"\nOPENAI-KEY=sk-secret\nB=sk-secret\n":        ":3:",
	} {
		file := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readEnvFile(file); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), file+line) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
