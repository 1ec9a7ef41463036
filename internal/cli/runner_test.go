package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/proxy"
)

// asksGateway is a gateway that refuses everything, and keeps what it was asked.
type asksGateway struct {
	mu    sync.Mutex
	asked []string
}

func (g *asksGateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked = append(g.asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
	g.mu.Unlock()
	proxy.Refuse(w, r, "agent_paused", "agent ci is paused")
}

func (g *asksGateway) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	asked := g.asked
	g.asked = nil
	return asked
}

// What a command is where AEX_GATEWAY and AEX_TOKEN are set and there is no
// ledger: it opens a run, works here without either, or is refused.
const (
	opensRun = "opens a run"
	works    = "works here"
	refused  = "refused"
)

// atRunner has a word on every command, and how it is typed.
var atRunner = map[string]struct {
	is   string
	args []string
}{
	"aex run": {opensRun, []string{"--", "true"}}, "aex demo": {works, nil}, "aex version": {works, nil}, "aex doctor": {works, nil}, "aex init": {refused, nil},
	"aex runs": {refused, nil}, "aex runs show": {refused, []string{"abcd"}}, "aex runs stop": {refused, []string{"abcd"}},
	"aex agent create": {refused, []string{"x", "5", "30"}}, "aex agent list": {refused, nil}, "aex agent inspect": {refused, []string{"ci"}},
	"aex agent set": {refused, []string{"ci", "--budget", "9"}}, "aex agent token": {refused, []string{"ci"}}, "aex agent rotate-token": {refused, []string{"ci"}},
	"aex agent pause": {refused, []string{"ci"}}, "aex agent resume": {refused, []string{"ci"}}, "aex agent delete": {refused, []string{"ci"}},
	"aex group create": {refused, []string{"acme"}}, "aex group list": {refused, nil}, "aex group inspect": {refused, []string{"acme"}},
	"aex group set": {refused, []string{"acme", "--budget", "9"}}, "aex group pause": {refused, []string{"acme"}}, "aex group resume": {refused, []string{"acme"}},
	"aex group topup": {refused, []string{"acme", "1"}}, "aex group delete": {refused, []string{"acme"}},
	"aex topup": {refused, []string{"ci", "1"}}, "aex serve": {refused, []string{"--port", "0"}},
	"aex daemon start": {refused, []string{"--port", "0"}}, "aex daemon stop": {works, nil}, "aex daemon status": {works, nil},
	"aex status": {refused, nil}, "aex metrics": {refused, nil}, "aex report": {refused, nil}, "aex dashboard": {refused, nil}, "aex events": {refused, nil}, "aex audit": {refused, nil},
	"aex ledger backup": {refused, []string{"copy.db"}}, "aex ledger prune": {refused, []string{"--before", "2020-01-01"}}, "aex ledger timezone": {refused, nil},
	"aex ledger copy":          {refused, []string{"--to", "postgres://127.0.0.1:1/x"}},
	"aex ledger init-postgres": {works, nil}, "aex ledger migrate": {works, nil}, // they are told which by AEX_LEDGER
	"aex models list": {works, nil}, "aex models price": {works, []string{"gpt-4o-mini"}}, "aex models init": {works, nil}, "aex models schema": {works, nil},
	"aex models reload": {works, nil}, "aex models update": {works, []string{"--from", "nothing.json"}},
	"aex policy init": {works, nil}, "aex policy check": {works, nil}, "aex policy schema": {works, nil},
	"aex env": {refused, []string{"ci"}}, "aex fake-provider": {works, []string{"--nonsense"}}, "aex demo-agent": {works, nil},
	"aex completion bash": {works, nil}, "aex completion zsh": {works, nil}, "aex completion fish": {works, nil}, "aex completion powershell": {works, nil},
}

// TestEveryCommandAtARunner tries each command of the tree on a machine that has
// a runner's token and no ledger. Only aex run goes to the gateway with it; what
// would need the ledger says where that is, and makes none.
func TestEveryCommandAtARunner(t *testing.T) {
	gateway := &asksGateway{}
	server := httptest.NewServer(gateway)
	t.Cleanup(server.Close)
	tried := 0
	walk(surface(), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if cmd.Annotations["group"] != "" || path == "aex" || path == "aex completion" {
			return
		}
		row, ok := atRunner[path]
		if !ok {
			t.Errorf("atRunner has no word on %s", path)
			return
		}
		tried++
		out, err := tryAtRunner(t, server.URL, append(strings.Fields(path)[1:], row.args...))
		asked := gateway.take()
		switch {
		case row.is == opensRun && !slices.Equal(asked, []string{"POST /v1/aex/runs Bearer " + runnersToken}):
			t.Errorf("%s asked %q\n%s", path, asked, out)
		case row.is != opensRun && len(asked) > 0:
			t.Errorf("%s asked the gateway %q", path, asked)
		case row.is == refused && (err == nil || !strings.Contains(out, "the ledger is there") || !strings.Contains(out, "do this at the gateway")):
			t.Errorf("%s is not refused: %v\n%s", path, err, out)
		case row.is != refused && path != "aex doctor" && strings.Contains(out, "the ledger is there"):
			t.Errorf("%s is refused\n%s", path, out)
		case strings.Contains(out, runnersToken):
			t.Errorf("%s shows the token\n%s", path, out)
		}
	})
	if tried != len(atRunner) {
		t.Errorf("%d commands were tried, atRunner has %d", tried, len(atRunner))
	}
}

const runnersToken = "0123456789abcdef0123456789abcdef"

// tryAtRunner is one command in a home of its own, which has no ledger afterwards.
func tryAtRunner(t *testing.T, gateway string, args []string) (string, error) {
	t.Helper()
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "aex", args...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "AEX_HOME="+filepath.Join(home, "aex"), "AEX_GATEWAY="+gateway, "AEX_TOKEN="+runnersToken, "CI=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if _, bad := os.Stat(filepath.Join(home, "aex", "aex.db")); bad == nil {
		t.Errorf("aex %s made a ledger", strings.Join(args, " "))
	}
	return out.String(), err
}
