//go:build linux

package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/internal/need"
)

// docKey is the key that the pages show, and that their provider takes.
const docKey = "sk-..."

// desk is where a page is tried: a home with aex in PATH, the folder docs, and
// the program that the reader is meant to have.
type desk struct {
	t    *testing.T
	home string
	env  []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	provider := fakeprovider.New(fakeprovider.Options{Key: docKey})
	server := httptest.NewServer(provider)
	t.Cleanup(func() {
		provider.Release()
		server.CloseClientConnections()
		server.Close()
	})
	d := &desk{t: t, home: t.TempDir()}
	bin := filepath.Join(d.home, "bin")
	must(t, os.Mkdir(bin, 0o700))
	must(t, os.Symlink(binary, filepath.Join(bin, "aex")))
	docs, err := filepath.Abs("../../docs")
	must(t, err)
	must(t, os.Symlink(docs, filepath.Join(d.home, "docs")))
	d.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + d.home,
		"OPENAI_API_KEY=" + docKey, "OPENAI_BASE_URL=" + server.URL + "/v1",
	}
	return d
}

// docFixtures are what a block may say that it is run with. Each may change
// the block's text.
var docFixtures = map[string]func(d *desk, text string) string{
	"python bot.py": func(d *desk, text string) string { return d.program("bin/python", "bot.py", text) },
	"node agent.mjs and ./agents/all.sh": func(d *desk, text string) string {
		return d.program("agents/all.sh", "", d.program("bin/node", "agent.mjs", text))
	},
	"a run 7f3a": func(_ *desk, text string) string {
		return strings.ReplaceAll(text, "7f3a", `$(aex runs --json | sed -n 's/^ *"\(run_\)*id": *"\([0-9a-f]*\)".*/\2/p' | head -n 1)`)
	},
	"a ledger": func(_ *desk, text string) string { return "aex agent create atlas 10.00 30\n" + text },
	"python3":  func(d *desk, text string) string { need.Tool(d.t, "python3"); return text },
	"openssl":  func(d *desk, text string) string { need.Tool(d.t, "openssl"); return text },
	"a repository": func(d *desk, text string) string {
		need.Tool(d.t, "git")
		need.Tool(d.t, "python3")
		return "cd repository\n" + d.repository() + text
	},
}

func (d *desk) provide(b block, fixture, text string) string {
	d.t.Helper()
	make, ok := docFixtures[fixture]
	if !ok {
		d.t.Errorf("%s: there is no %q to run it with", b, fixture)
		return text
	}
	return make(d, text)
}

// program puts a program at path that makes one call, as the reader's would,
// and the file that it is given.
func (d *desk) program(path, script, text string) string {
	d.t.Helper()
	self, err := os.Executable()
	must(d.t, err)
	path = filepath.Join(d.home, path)
	must(d.t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(d.t, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n[ -z \"${1:-}\" ] || [ -f \"$1\" ] || exit 9\nAEX_E2E_ROLE=once exec %q \"$HOME/called\"\n", self), 0o700)) //nolint:gosec // a program
	if script != "" {
		must(d.t, os.WriteFile(filepath.Join(d.home, script), nil, 0o600))
	}
	return text
}

// repository is a repository with a branch main, and a commit on top of it.
func (d *desk) repository() string {
	d.t.Helper()
	dir := filepath.Join(d.home, "repository")
	must(d.t, os.Mkdir(dir, 0o700))
	agent, err := os.ReadFile("../../ci/review/review.py")
	must(d.t, err)
	must(d.t, os.WriteFile(filepath.Join(dir, "review.py"), agent, 0o600))
	return `git init -q -b main .
git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m first
git checkout -q -b change
echo 'print(1/0)' > bug.py
git add bug.py
git -c user.name=a -c user.email=a@example.com commit -q -m bug
`
}

// run runs the script of a page and fails with what it said.
func (d *desk) run(script string) {
	d.t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Env, cmd.Dir = d.env, d.home
	cmd.WaitDelay = 10 * time.Second
	stop := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Errorf("%v\n%s", err, out)
	}
}
