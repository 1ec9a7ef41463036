//go:build linux

package e2e

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// finalReport is what these tests read of a report.
type finalReport struct {
	Outcome  string `json:"outcome"`
	ExitCode int    `json:"exit_code"`
	Budget   int64  `json:"budget_micro"`
	Spent    int64  `json:"spent_micro"`
	Overrun  int64  `json:"overrun_micro"`
}

func parseReport(t *testing.T, text string) (r finalReport) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return r
}

// A report goes into what is there, and does not take its place.
func TestReportKeepsWhatItIsWrittenTo(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) string {
		b, err := os.ReadFile(at(name))
		must(t, err)
		return string(b)
	}
	report := func(to string) result {
		return s.do("run", "--budget", "1", "-q", "--report", to, "--", "echo", "the program's")
	}
	must(t, syscall.Mkfifo(at("pipe"), 0o600))
	piped := make(chan string, 1)
	go func() {
		f, err := os.Open(at("pipe"))
		if err != nil {
			piped <- err.Error()
			return
		}
		defer f.Close()
		b, _ := io.ReadAll(f)
		piped <- string(b)
	}()
	must(t, os.WriteFile(at("file"), []byte("old"), 0o600))
	must(t, os.Symlink("file", at("link")))
	must(t, os.Symlink("later", at("early link")))
	for name, target := range map[string]string{"pipe": "", "link": "file", "early link": "later"} {
		before, err := os.Lstat(at(name))
		must(t, err)
		if r := report(at(name)); r.code != 0 || r.stdout != "the program's\n" {
			t.Errorf("%s: exit %d %s", name, r.code, r.stderr)
		}
		if after, err := os.Lstat(at(name)); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s was replaced: %v", name, err)
		}
		if target != "" {
			parseReport(t, read(target))
		}
	}
	parseReport(t, <-piped)

	for _, name := range []string{"/dev/stdout", "/proc/self/fd/1", at("out")} {
		out, err := os.Create(at("out"))
		must(t, err)
		cmd := s.aex("run", "--budget", "1", "-q", "--report", name, "--", "echo", "the program's")
		cmd.Stdout = out
		must(t, cmd.Run())
		must(t, out.Close())
		if first, rest, _ := strings.Cut(read("out"), "\n"); first != "the program's" {
			t.Errorf("%s: the output is lost: %q", name, first)
		} else {
			parseReport(t, rest)
		}
	}
}

// A report that can go nowhere is told before money is spent.
func TestReportIsRefusedBeforeTheStart(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	dir := t.TempDir()
	mark := filepath.Join(dir, "started")
	for _, to := range []string{dir, filepath.Join(dir, "none", "report.json")} {
		r := s.do("run", "--budget", "1", "--report", to, "--", "touch", mark)
		if r.code != 125 || !strings.Contains(r.stderr, "--report") || !strings.Contains(r.stderr, "aex: hint: ") {
			t.Errorf("%s: exit %d %s", to, r.code, r.stderr)
		}
	}
	if r := s.do("run", "--budget", "1", "--ca-file", filepath.Join(dir, "none.pem"), "--", "touch", mark); r.code != 125 || !strings.Contains(r.stderr, "none.pem") {
		t.Errorf("certificates: exit %d %s", r.code, r.stderr)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the program ran")
	}
}

// A provider that charges more than it was let to is told of in the exit code
// and in the report, also when the program has ended by then, and also when
// the budget is its agent's.
func TestOverrunIsReported(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Behaviour: fakeprovider.Behaviour{OutputTokens: 250_000, IgnoreCap: true}})
	if r := s.do("agent", "create", "poor", "0.05", "none"); r.code != 0 {
		t.Fatalf("exit %d %s", r.code, r.stderr)
	}
	dir := t.TempDir()
	report := filepath.Join(dir, "report.json")
	for agent, budget := range map[string]string{"rich": "0.05", "poor": "1"} {
		args := []string{"run", "--agent", agent, "--budget", budget, "--price", price, "--report", report, "--"}
		r := s.do(append(args, bot("once", filepath.Join(dir, "pid"))...)...)
		b, err := os.ReadFile(report)
		must(t, err)
		rep := parseReport(t, string(b))
		if r.code != 121 || rep.ExitCode != 121 || rep.Outcome != "budget" || rep.Spent != 50_000 || rep.Budget != 50_000 || rep.Overrun < 50_000 {
			t.Errorf("%s: exit %d, %+v", agent, r.code, rep)
		}
		if !strings.Contains(r.stderr, "beyond the budget") {
			t.Errorf("%s: %s", agent, r.stderr)
		}
		events := s.do("events", "--json", "--agent", agent)
		var end struct{ Detail map[string]any }
		for line := range strings.Lines(events.stdout) {
			if strings.Contains(line, `"run.end"`) {
				must(t, json.Unmarshal([]byte(line), &end))
			}
		}
		if end.Detail == nil {
			t.Fatalf("no end in %s", events.stdout)
		}
		for _, sum := range []string{"spent_micro", "overrun_micro", "budget_micro", "calls", "duration_s"} {
			if v, told := end.Detail[sum]; told {
				t.Errorf("%s: the run's end tells %s %v, before it is known", agent, sum, v)
			}
		}
	}
	s.audit()
}

// The variables of models.yaml's providers are for aex alone.
func TestKeysOfModelsFile(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	config := filepath.Join(s.home, "config")
	must(t, os.MkdirAll(config, 0o700))
	must(t, os.WriteFile(filepath.Join(config, "models.yaml"), []byte("version: 1\nproviders:\n"+
		"  corp: {base_url: \""+s.url+"/v1\", key_env: CORP_SECRET}\n  other: {base_url: \""+s.url+"/v1\"}\n"), 0o600))
	s.env = []string{"CORP_SECRET=" + realKey, "OTHER_API_KEY=" + realKey, "PLAIN=passed"}
	r := s.do("run", "--budget", "1", "-q", "--", "env")
	if r.code != 0 || !strings.Contains(r.stdout, "PLAIN=passed") || strings.Contains(r.stdout, realKey) {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
