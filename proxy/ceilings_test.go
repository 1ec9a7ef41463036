package proxy

import (
	"os"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// TestEveryFieldIsDocumented: docs/ceilings.md has an answer for each
// top-level field that a wire knows.
func TestEveryFieldIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/ceilings.md")
	must(t, err)
	told := map[string]string{} // rows by wire
	for line := range strings.Lines(string(doc)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, w := range wire.All() {
				if strings.Contains(cells[1], w.Name) {
					told[w.Name] += line
				}
			}
		}
	}
	for _, w := range wire.All() {
		row := strings.ReplaceAll(told[w.Name], "prompt_cache_*", "")
		if w == wire.Gemini {
			row = wire.Snake(row)
		}
		for field := range w.Fields {
			if !strings.Contains(row, "`"+field+"`") && !strings.Contains(row, "`"+field+":") && !strings.Contains(row, "`"+field+".") {
				t.Errorf("docs/ceilings.md does not tell of %s's %s", w.Name, field)
			}
		}
	}
}
