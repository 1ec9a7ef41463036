package proxy

import (
	"os"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

// TestEveryFieldIsDocumented: docs/ceilings.md has an answer for each
// top-level field that a wire knows.
func TestEveryFieldIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/ceilings.md")
	must(t, err)
	told := map[string]string{} // rows by wire
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for wire := range wires {
				if strings.Contains(cells[1], wire) {
					told[wire] += line
				}
			}
		}
	}
	for wire, fields := range map[string]map[string]bool{
		policy.Chat: chatFields, policy.Responses: responsesFields, policy.Completions: completionsFields,
		policy.Embeddings: embeddingsFields, policy.Messages: messagesFields, policy.Gemini: geminiFields,
	} {
		row := strings.ReplaceAll(told[wire], "prompt_cache_*", "")
		if wire == policy.Gemini {
			row = snake(row)
		}
		for field := range fields {
			if !strings.Contains(row, "`"+field+"`") && !strings.Contains(row, "`"+field+":") && !strings.Contains(row, "`"+field+".") {
				t.Errorf("docs/ceilings.md does not tell of %s's %s", wire, field)
			}
		}
	}
}
