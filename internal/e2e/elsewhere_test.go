//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// team is a gateway with a group of agents, and a host whose programs are real
// ones, as clients/shared/run installs them.
type team struct {
	*stage // at the gateway
	h      *host
	token  string
	budget int64 // of the group acme
	prices map[string]fakeprovider.Price
}

// newTeam has an agent ci in the group acme/bots, and so many micro-dollars in
// acme. The variable names a folder with programs, which the host has, too.
func newTeam(t *testing.T, variable string, budget int64) *team {
	t.Helper()
	folder := os.Getenv(variable)
	if folder == "" {
		t.Skip("NOT TESTED: it takes programs of others; make shared and make shared-short install them (" + variable + ")")
	}
	w := &team{budget: budget, stage: newStage(t, fakeprovider.Options{Behaviour: fakeprovider.Behaviour{OutputTokens: 300}}), prices: map[string]fakeprovider.Price{}}
	for _, text := range []string{price, "claude-haiku-4-5=1/5/0.10/1.25/2"} {
		model, rate, err := fakeprovider.ParsePrice(text)
		must(t, err)
		w.prices[model] = rate
	}
	w.env = append(w.env, "ANTHROPIC_API_KEY="+realKey, "ANTHROPIC_BASE_URL="+w.url)
	w.do("group", "create", "acme", "--budget", fmt.Sprintf("%.6f", float64(budget)/1e6))
	w.do("group", "create", "acme/bots", "--budget", "100")
	w.do("agent", "create", "ci", "5.00", "none")
	w.do("agent", "set", "ci", "--group", "acme/bots")
	w.token = w.stage.token("ci", "--scope", "runs")
	g := w.gate()
	scripts, err := filepath.Abs("testdata/elsewhere")
	must(t, err)
	w.h = w.newHost(w.token, []*gate{g}, "programs="+folder, "scripts="+scripts)
	g.start()
	return w
}

// run is a run at the host: of a program that its folders have.
func (w *team) run(flags []string, argv ...string) result {
	w.t.Helper()
	for i, arg := range argv {
		argv[i] = strings.ReplaceAll(arg, "HOST", w.h.dir)
	}
	return w.h.do(append(append(append([]string{"run", "--grace", "100ms"}, flags...), "--"), argv...)...)
}

// killed checks a run that money has ended, and that nothing of it is left.
func (w *team) killed(r result, says string) {
	w.t.Helper()
	if r.code != 121 || !strings.Contains(r.stderr, says) {
		w.t.Errorf("exit %d, not 121 with %q\n%s%s", r.code, says, r.stdout, r.stderr)
	}
	if left := w.h.processes(); left != "" {
		w.t.Errorf("at the host there is still %s", left)
	}
}

// story is what the gateway tells of the run of a result: that it went so.
func (w *team) story(r result, says ...string) {
	w.t.Helper()
	id := regexp.MustCompile(`\(run ([0-9a-f]{4})`).FindStringSubmatch(r.stderr)
	if id == nil {
		w.t.Errorf("no run is named:\n%s", r.stderr)
		return
	}
	got := w.do("runs", "show", id[1])
	for _, say := range says {
		if !strings.Contains(got.stdout, say) {
			w.t.Errorf("aex runs show does not say %q:\n%s%s", say, got.stdout, got.stderr)
		}
	}
}

// searches looks for the key, and for the token to see that it can find, on the
// whole host while a run is there.
func (w *team) searches(python string) {
	w.t.Helper()
	got := w.run([]string{"--budget", "0.01"}, python, "HOST/scripts/search.py", reverse(realKey), reverse(w.token), "--", "/etc", "/run", "/var/tmp", "/dev/shm", os.TempDir())
	lines := strings.Split(got.stdout, "\n")
	if got.code != 0 || len(lines) < 3 || lines[1] != "found 0 " || strings.HasPrefix(lines[2], "found 0 ") || !strings.Contains(lines[2], "environ of") {
		w.t.Errorf("exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	w.t.Log(got.stdout)
}

// settled checks what is booked in the end.
func (w *team) settled() {
	w.t.Helper()
	w.audit()
	bill, err := w.provider.Total(w.prices)
	must(w.t, err)
	// A call that the end cut is booked in full, the rest to the micro-dollar.
	if spent := spentOfAll(w.t, w.stage); spent < bill || spent > w.budget || bill < w.budget/2 {
		w.t.Errorf("booked %d, billed %d, of a group with %d", spent, bill, w.budget)
	}
}

// A bot with OpenAI's SDK on a host without a key and a ledger: it works, it is
// killed at its run's budget and at the group's, and the gateway knows.
func TestPythonBotElsewhere(t *testing.T) {
	w := newTeam(t, "AEX_TEST_VENV", 60_000)
	python := "HOST/programs/bin/python"
	got := w.run([]string{"--budget", "0.01"}, python, "HOST/scripts/bot.py", "ask")
	if got.code != 0 || strings.Count(got.stdout, "answer: w1 w2") != 3 || !strings.Contains(got.stderr, "aex: ci: $0.0") || !strings.Contains(got.stderr, "of $0.01, 3 calls") {
		t.Errorf("exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	w.story(got, "exited", "3 calls", "ci")
	w.searches(python)
	got = w.run([]string{"--budget", "0.02"}, python, "HOST/scripts/bot.py", "loop")
	w.killed(got, "aex: ci: budget exhausted: $0.01")
	w.story(got, "budget", "budget $0.02 of run")
	got = w.run([]string{"--budget", "1"}, python, "HOST/scripts/bot.py", "loop")
	w.killed(got, "acme")
	w.story(got, "budget", "budget $0.06 of group acme")
	if got = w.run(nil, python, "HOST/scripts/bot.py", "ask"); got.code != 121 || got.stdout != "" {
		t.Errorf("with nothing left: exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	if got := finish(t, w.h.command("sh", "-c", fmt.Sprintf("ls %s; getent hosts api.openai.com", w.h.home))); strings.Contains(got.stdout, "aex.db") || strings.Contains(got.stdout, "openai") {
		t.Errorf("the host has a ledger, or knows other hosts:\n%s", got.stdout)
	}
	w.settled()
}

// endless has each step of Claude Code bring about the next.
const endless = `echo step >> steps.log; echo '[[tool Bash {"command":"sh step.sh","description":"step"}]]'`

// Claude Code on such a host, which a script starts again and again.
func TestClaudeCodeElsewhere(t *testing.T) {
	w := newTeam(t, "AEX_TEST_CLAUDE", 1_000_000)
	w.provider.Set(fakeprovider.Behaviour{OutputTokens: 20})
	w.h.env = append(w.h.env, "PATH="+filepath.Join(w.h.dir, "programs", "node_modules", ".bin")+":"+os.Getenv("PATH"), "DISABLE_AUTOUPDATER=1")
	claude := func(budget, script, prompt string) result {
		return w.run([]string{"--budget", budget}, "sh", "-c", script, "sh", "claude", "-p", prompt, "--model", "claude-haiku-4-5", "--allowedTools", "Bash")
	}
	must(t, w.h.command("sh", "-c", `printf '%s\n' "$1" > step.sh`, "sh", endless).Run())
	got := claude("0.40", `"$@"`, `Do it. [[tool Bash {"command":"echo all is done","description":"step"}]]`)
	if got.code != 0 || !strings.Contains(got.stdout, "w1 w2") {
		t.Errorf("exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	w.story(got, "exited", "claude-haiku-4-5", "group     acme/bots")
	prompt := `Do the steps. [[tool Bash {"command":"sh step.sh","description":"step"}]]`
	const again = `while :; do "$@"; done`
	got = claude("0.40", again, prompt)
	w.killed(got, "of $0.40")
	w.story(got, "budget", "budget $0.40 of run")
	w.searches("python3")
	if steps := finish(t, w.h.command("cat", "steps.log")).stdout; strings.Count(steps, "step") == 0 {
		t.Error("Claude Code made no step")
	}
	got = claude("5", again, prompt)
	w.killed(got, "acme")
	w.story(got, "budget", "budget $1.00 of group acme")
	w.settled()
}
