//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, yaml.Unmarshal(text, into))
}

// workplace is a checkout with a pull request in it, on a machine that has
// Python, git and a curl that knows this release, and whose provider is ours.
type workplace struct {
	dir string
	env []string
}

const providerKey = "sk-of-ci"

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	ofDist(t, "*_linux_amd64.tar.gz")
	top := t.TempDir()
	bin := filepath.Join(top, "bin")
	must(t, os.Mkdir(bin, 0o755))
	repository, err := filepath.Abs("../..")
	must(t, err)
	_, stub, _ := strings.Cut(curl, "<<'END'\n")
	stub, _, _ = strings.Cut(stub, "END\n")
	stub = strings.NewReplacer("/dist/", dist+"/", "/repository/", repository+"/").Replace(stub)
	gh := "#!/bin/sh\necho \"gh $*\"; for last; do :; done; cat \"$last\"\n"
	for name, text := range map[string]string{"curl": stub, "gh": gh, "python": "#!/bin/sh\nexec /usr/bin/python3 \"$@\"\n"} {
		must(t, os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755))
	}
	w := &workplace{dir: filepath.Join(top, "work"), env: []string{
		"PATH=" + bin + ":/usr/bin:/bin", "HOME=" + top, "OPENAI_API_KEY=" + providerKey, "OPENAI_BASE_URL=" + startProvider(t) + "/v1",
	}}
	script := `git init -q -b main origin; cd origin
git config user.name a; git config user.email a@example.com
cp ` + repository + `/ci/review/review.py .; git add .; git commit -qm first; cd ..
git clone -q origin work; cd work; git config user.name a; git config user.email a@example.com; git checkout -qb change
for i in 1 2 3 4 5 6; do echo "print($i / 0)" > bug$i.py; done; git add .; git commit -qm bugs`
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir, cmd.Env = top, w.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

// startProvider runs the stand-in for a provider out of the release itself.
func startProvider(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(dist, "binaries/linux_amd64/aex"), "fake-provider", "--key", providerKey, "--output-tokens", "300")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	first, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	return strings.TrimSpace(strings.TrimPrefix(first, "listening on "))
}

// report is what of a run's report is looked at.
type report struct {
	Outcome string `json:"outcome"`
	Agent   string `json:"agent"`
	Calls   int    `json:"calls"`
	Spent   int64  `json:"spent_micro"`
	Exit    int    `json:"exit_code"`
}

func readReport(t *testing.T, text string) (rep report) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &rep); err != nil {
		t.Errorf("the report: %v\n%s", err, text)
	}
	return rep
}

// TestWorkflow is the whole example: an agent reviews a pull request.
func TestWorkflow(t *testing.T) {
	w := newWorkplace(t)
	r := newRunner(t, w)
	r.context["github.base_ref"], r.context["secrets.OPENAI_API_KEY"], r.context["github.event.pull_request.number"] = "main", providerKey, "17"
	var workflow struct {
		Jobs map[string]struct {
			Steps []step `yaml:"steps"`
		} `yaml:"jobs"`
	}
	readYAML(t, "../../ci/review/workflow.yml", &workflow)
	r.steps(workflow.Jobs["review"].Steps, nil)
	if r.failed {
		t.Fatalf("it failed:\n%s", r.log)
	}
	has(t, r.log, "reviewed 6 files", "gh pr comment 17 --body-file review.md", "# Review of 6 files", "## bug6.py")
	rep := readReport(t, r.uploaded["aex-report"])
	if rep.Outcome != "exited" || rep.Calls != 6 || rep.Spent == 0 || rep.Agent != "review" {
		t.Errorf("%+v", rep)
	}
	summary, err := os.ReadFile(filepath.Join(r.temp, "summary.md"))
	must(t, err)
	has(t, string(summary), "review", "exited", "$2.00")
	if r.context["steps.review.outputs.outcome"] != "exited" || r.context["steps.review.outputs.exit-code"] != "0" {
		t.Errorf("%v", r.context)
	}
}

// TestJobsOfThePages: the jobs that README.md and docs/ci.md show, as they are
// copied.
func TestJobsOfThePages(t *testing.T) {
	for page, heading := range map[string]string{"README.md": "**In CI,**", "docs/ci.md": "## GitHub Actions"} {
		w := newWorkplace(t)
		text := read(t, "../..", page)
		_, block, _ := strings.Cut(text, "\n"+heading)
		_, block, _ = strings.Cut(block, "```yaml\n")
		block, _, _ = strings.Cut(block, "```")
		var job struct {
			Jobs map[string]struct {
				Steps []step `yaml:"steps"`
			} `yaml:"jobs"`
		}
		steps := []step{}
		if strings.HasPrefix(block, "- ") {
			must(t, yaml.Unmarshal([]byte(block), &steps))
		} else {
			must(t, yaml.Unmarshal([]byte(block), &job))
			steps = job.Jobs["review"].Steps
		}
		r := newRunner(t, w)
		r.context["secrets.OPENAI_API_KEY"] = providerKey
		r.steps(steps, nil)
		has(t, r.log, "reviewed 6 files")
		if rep := readReport(t, r.uploaded["aex-report"]); r.failed || rep.Calls != 6 || rep.Agent != "review" {
			t.Errorf("%s: %+v\n%s", page, rep, r.log)
		}
	}
}

// runaway never stops asking.
const runaway = `python - <<'END'
import json, os, urllib.error, urllib.request
body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "again"}]}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions", json.dumps(body).encode(),
    {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
while True:
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError:
        pass
END`

// TestAction: what fails says why in an annotation, has its report, and ends
// with the command's or aex's exit code.
func TestAction(t *testing.T) {
	w := newWorkplace(t)
	for name, c := range map[string]struct {
		with       map[string]string
		code, says string
	}{
		"budget":   {map[string]string{"budget": "0.0005", "run": runaway}, "121", "the budget is gone"},
		"refused":  {map[string]string{"budget": "0.0006", "run": "python review.py"}, "121", "the next call could cost $0.0005"},
		"policy":   {map[string]string{"budget": "1", "run": "REVIEW_MODEL=nobody-knows python review.py"}, "1", "0 calls, 1 refused; aex runs show tells why"},
		"own code": {map[string]string{"budget": "1", "run": "echo it is \"quoted\" and 'so'\nexit 7", "agent": "x-y"}, "7", "failed by itself with exit code 7"},
		"guard":    {map[string]string{"budget": "1", "run": "python review.py", "flags": "-v\n--max-calls  2\n"}, "122", "a guard of aex ended it (guard: "},
		"time":     {map[string]string{"budget": "1", "run": "sleep 60", "timeout": "1s"}, "124", "longer than it may"},
		"usage":    {map[string]string{"budget": "much", "run": "true", "artifact": ""}, "125", "aex could not run it"},
		"injected": {map[string]string{"budget": "1; echo injected", "run": "true"}, "125", "aex could not run it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, w)
			r.aex("it", c.with, nil)
			if !r.failed || r.context["steps.it.outputs.exit-code"] != c.code || strings.Contains(r.log, "\ninjected") {
				t.Errorf("failed: %t, exit code %s\n%s", r.failed, r.context["steps.it.outputs.exit-code"], r.log)
			}
			has(t, r.log, "::error title=aex::")
			_, why, _ := strings.Cut(r.log, "::error title=aex::")
			has(t, why, c.says)
			if c.code != "125" && r.uploaded["aex-report"] == "" {
				t.Error("no report was uploaded")
			}
		})
	}
}

// TestGitLab: docs/ci.md's job with what ci/gitlab.yml adds.
func TestGitLab(t *testing.T) {
	w := newWorkplace(t)
	var template struct {
		AEX struct {
			Variables map[string]string `yaml:"variables"`
			Before    []string          `yaml:"before_script"`
			After     []string          `yaml:"after_script"`
		} `yaml:".aex"`
	}
	readYAML(t, "../../ci/gitlab.yml", &template)
	page, err := os.ReadFile("../../docs/ci.md")
	must(t, err)
	var pipeline struct {
		Review struct {
			Extends   string            `yaml:"extends"`
			Variables map[string]string `yaml:"variables"`
			Script    []string          `yaml:"script"`
		} `yaml:"review"`
	}
	_, block, _ := strings.Cut(string(page), "## GitLab\n```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	must(t, yaml.Unmarshal([]byte(block), &pipeline))
	if pipeline.Review.Extends != ".aex" || len(pipeline.Review.Script) == 0 {
		t.Fatalf("%+v", pipeline)
	}
	env := append(w.env, "CI_PROJECT_DIR="+w.dir)
	for _, variables := range []map[string]string{template.AEX.Variables, pipeline.Review.Variables} {
		for name, value := range variables {
			env = append(env, name+"="+strings.ReplaceAll(value, "$CI_PROJECT_DIR", w.dir))
		}
	}
	script := append(append(template.AEX.Before, pipeline.Review.Script...), template.AEX.After...)
	out := shell(t, w.dir, env, strings.Join(script, "\n"))
	has(t, out, "reviewed 6 files", `"outcome": "exited"`)
	text, err := os.ReadFile(filepath.Join(w.dir, "aex-report.json"))
	must(t, err)
	if rep := readReport(t, string(text)); rep.Calls != 6 || rep.Agent != "review" {
		t.Errorf("%+v", rep)
	}
}

// TestJenkins runs the shell of the Jenkinsfile.
func TestJenkins(t *testing.T) {
	w := newWorkplace(t)
	text, err := os.ReadFile("../../ci/Jenkinsfile")
	must(t, err)
	m := regexp.MustCompile(`(?s)sh '''(.*?)'''`).FindSubmatch(text)
	if m == nil {
		t.Fatal("there is no sh step")
	}
	out := shell(t, w.dir, append(w.env, "WORKSPACE="+w.dir, "AEX_HOME="+w.dir+"/.aex"), string(m[1]))
	has(t, out, "reviewed 6 files")
	if rep := readReport(t, read(t, w.dir, "aex-report.json")); rep.Calls != 6 {
		t.Errorf("%+v", rep)
	}
}

// TestCircleCI runs the commands of ci/circleci.yml, each in a shell of its own.
func TestCircleCI(t *testing.T) {
	w := newWorkplace(t)
	var config struct {
		Jobs map[string]struct {
			Steps []yaml.Node `yaml:"steps"`
		} `yaml:"jobs"`
	}
	readYAML(t, "../../ci/circleci.yml", &config)
	env, out := append(w.env, "BASH_ENV="+w.dir+"/../bash_env"), ""
	must(t, os.WriteFile(filepath.Join(w.dir, "../bash_env"), nil, 0o600))
	for _, node := range config.Jobs["review"].Steps {
		var s struct {
			Run struct {
				Command string `yaml:"command"`
			} `yaml:"run"`
		}
		if node.Decode(&s) == nil && s.Run.Command != "" {
			out += shell(t, w.dir, env, s.Run.Command)
		}
	}
	has(t, out, "reviewed 6 files")
	if rep := readReport(t, read(t, w.dir, "aex-report.json")); rep.Calls != 6 {
		t.Errorf("%+v", rep)
	}
}

func shell(t *testing.T, dir string, env []string, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-eo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return string(text)
}
