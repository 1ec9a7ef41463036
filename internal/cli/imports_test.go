package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the shape of aex: what each package may import of the others. Everything points one way, from the command
// line to the two that import nothing of aex's: ledger and policy, neither of which knows the other.
var mayImport = map[string]string{
	"main":                "internal/cli internal/room supervisor/adapter supervisor/process",
	"internal/cli":        "internal/owned internal/fakeprovider internal/plain internal/whole ledger policy proxy proxy/dashboard proxy/inner proxy/memory proxy/metrics proxy/oidc proxy/refusal proxy/remote proxy/tunnel proxy/watch proxy/wire supervisor supervisor/adapter supervisor/environ supervisor/process supervisor/sandbox",
	"supervisor":          "internal/plain ledger policy proxy proxy/inner proxy/refusal proxy/remote proxy/tunnel proxy/watch supervisor/adapter supervisor/environ supervisor/process supervisor/sandbox",
	"supervisor/process":  "internal/plain supervisor/sandbox",
	"supervisor/sandbox":  "internal/plain",
	"supervisor/adapter":  "internal/owned internal/whole policy supervisor/environ",
	"supervisor/environ":  "policy",
	"proxy/tunnel":        "",
	"proxy/remote":        "ledger proxy proxy/inner",
	"proxy/dashboard":     "internal/plain ledger policy proxy proxy/refusal",
	"proxy":               "internal/plain internal/whole ledger policy proxy/bound proxy/inner proxy/memory proxy/oidc proxy/refusal proxy/tunnel proxy/watch proxy/wire",
	"proxy/bound":         "internal/vocabulary ledger policy proxy/wire",
	"proxy/inner":         "internal/plain ledger policy proxy/refusal proxy/watch",
	"proxy/watch":         "ledger proxy/refusal",
	"proxy/memory":        "",
	"proxy/metrics":       "internal/plain ledger proxy/wire",
	"proxy/refusal":       "internal/plain ledger proxy/wire",
	"proxy/oidc":          "ledger",
	"proxy/wire":          "internal/plain policy",
	"ledger":              "internal/owned internal/plain internal/whole internal/zones",
	"policy":              "internal/plain internal/whole internal/zones",
	"internal/plain":      "",
	"internal/owned":      "",
	"internal/room":       "",
	"internal/vocabulary": "",
	"internal/whole":      "",
	"internal/zones":      "",
}

// mustImport are the edges without which the picture would be another.
var mustImport = []string{"internal/cli supervisor", "supervisor supervisor/process", "supervisor proxy", "proxy ledger", "proxy policy"}

func TestImportsPointOneWay(t *testing.T) {
	const module = "github.com/Auro-rium/aex/v3"
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	list.Dir = "../.."
	out, err := list.Output()
	noError(t, err)
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(strings.TrimPrefix(fields[0], module), "/")
		if from == "" {
			from = "main"
		}
		if outsideShape(from) {
			continue
		}
		may, known := mayImport[from]
		if !known {
			t.Errorf("%s is new: say in mayImport what it may import", from)
		}
		for _, path := range fields[1:] {
			to, ours := strings.CutPrefix(path, module+"/")
			if !ours {
				continue
			}
			seen[from+" "+to] = true
			if !slices.Contains(strings.Fields(may), to) {
				t.Errorf("%s may not import %s", from, to)
			}
		}
	}
	for _, edge := range mustImport {
		if !seen[edge] {
			from, to, _ := strings.Cut(edge, " ")
			t.Errorf("%s does not import %s any more", from, to)
		}
	}
}

// outsideShape tells of packages that the binary does not hold: tools of the repository, and what tests need. The fake
// provider is one of those that it does hold, for aex demo, and stands alone.
func outsideShape(pkg string) bool {
	return strings.HasPrefix(pkg, "clients/") || slices.Contains([]string{"internal/e2e", "internal/need", "internal/longhistory", "internal/fakeprovider", "internal/fakeissuer", "internal/decoy"}, pkg)
}
