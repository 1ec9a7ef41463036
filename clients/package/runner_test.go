//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// step is one of a GitHub job or composite action, as far as ours have it.
type step struct {
	ID   string            `yaml:"id"`
	If   string            `yaml:"if"`
	Uses string            `yaml:"uses"`
	Run  string            `yaml:"run"`
	Dir  string            `yaml:"working-directory"`
	Env  map[string]string `yaml:"env"`
	With map[string]string `yaml:"with"`
}

// runner does with steps what GitHub's does.
type runner struct {
	t        *testing.T
	dir      string            // the workspace
	temp     string            // RUNNER_TEMP
	env      []string          // of the machine
	path     []string          // added by steps
	context  map[string]string // inputs.budget, steps.run.outputs.report, github.base_ref
	log      string
	failed   bool
	uploaded map[string]string // artifact -> its text
}

func newRunner(t *testing.T, w *workplace) *runner {
	t.Helper()
	return &runner{t: t, dir: w.dir, temp: t.TempDir(), env: w.env, context: make(map[string]string), uploaded: make(map[string]string)}
}

var expression = regexp.MustCompile(`\$\{\{ *(.*?) *\}\}`)

// expand replaces ${{ }} by what it says now.
func (r *runner) expand(text string) string {
	return expression.ReplaceAllStringFunc(text, func(whole string) string {
		return r.value(expression.FindStringSubmatch(whole)[1])
	})
}

// value knows names, texts, always(), != and &&.
func (r *runner) value(text string) string {
	if terms := strings.Split(text, " && "); len(terms) > 1 {
		for _, term := range terms {
			if v := r.value(term); v == "" || v == "false" {
				return "false"
			}
		}
		return "true"
	}
	if left, right, ok := strings.Cut(text, " != "); ok {
		return fmt.Sprint(r.value(left) != r.value(right))
	}
	switch {
	case text == "always()":
		return "true"
	case strings.HasPrefix(text, "'"):
		return strings.Trim(text, "'")
	}
	return r.context[text]
}

// steps runs one after the other; after a failure only those that say always().
func (r *runner) steps(list []step, env map[string]string) {
	for _, s := range list {
		if r.failed && !strings.Contains(s.If, "always()") || s.If != "" && r.expand(s.If) != "true" {
			continue
		}
		switch {
		case s.Run != "":
			r.shell(s, env)
		case strings.HasPrefix(s.Uses, "actions/upload-artifact@"):
			text, err := os.ReadFile(r.expand(s.With["path"]))
			if err != nil && s.With["if-no-files-found"] != "ignore" {
				r.t.Errorf("uploading: %v", err)
			}
			r.uploaded[r.expand(s.With["name"])] = string(text)
		case strings.HasPrefix(s.Uses, "actions/checkout@"): // the workplace is one
		case strings.HasPrefix(s.Uses, "Auro-rium/aex@"):
			r.aex(s.ID, s.With, s.Env)
		default:
			r.t.Errorf("this runner has no %s", s.Uses)
		}
	}
}

// aex runs action.yml, and hands on its outputs.
func (r *runner) aex(id string, with, env map[string]string) {
	var action struct {
		Inputs map[string]struct {
			Default  string `yaml:"default"`
			Required bool   `yaml:"required"`
		} `yaml:"inputs"`
		Outputs map[string]struct {
			Value string `yaml:"value"`
		} `yaml:"outputs"`
		Runs struct {
			Using string `yaml:"using"`
			Steps []step `yaml:"steps"`
		} `yaml:"runs"`
	}
	readYAML(r.t, "../../action.yml", &action)
	if action.Runs.Using != "composite" {
		r.t.Errorf("the action is %q", action.Runs.Using)
	}
	for name, input := range action.Inputs {
		value, given := with[name]
		if !given {
			value = input.Default
		}
		if !given && input.Required {
			r.t.Errorf("input %s is missing", name)
		}
		r.context["inputs."+name] = r.expand(value)
	}
	for name := range with {
		if _, known := action.Inputs[name]; !known {
			r.t.Errorf("the action has no input %s", name)
		}
	}
	r.steps(action.Runs.Steps, env)
	for name, output := range action.Outputs {
		r.context["steps."+id+".outputs."+name] = r.expand(output.Value)
	}
}

// shell runs one step in bash, with the files that it may write to.
func (r *runner) shell(s step, env map[string]string) {
	script := filepath.Join(r.temp, "step.sh")
	must(r.t, os.WriteFile(script, []byte(r.expand(s.Run)), 0o600))
	outputs, paths := filepath.Join(r.temp, "outputs"), filepath.Join(r.temp, "paths")
	must(r.t, os.WriteFile(outputs, nil, 0o600))
	must(r.t, os.WriteFile(paths, nil, 0o600))
	action, err := filepath.Abs("../..")
	must(r.t, err)
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", script)
	cmd.Dir = filepath.Join(r.dir, r.expand(s.Dir))
	cmd.Env = append(r.env, "GITHUB_ACTIONS=true", "CI=true", "GITHUB_JOB=review", "RUNNER_TEMP="+r.temp, "GITHUB_ACTION_PATH="+action,
		"GITHUB_OUTPUT="+outputs, "GITHUB_PATH="+paths, "GITHUB_STEP_SUMMARY="+filepath.Join(r.temp, "summary.md"))
	for _, m := range []map[string]string{env, s.Env} {
		for name, value := range m {
			cmd.Env = append(cmd.Env, name+"="+r.expand(value))
		}
	}
	for i, entry := range cmd.Env {
		if rest, ok := strings.CutPrefix(entry, "PATH="); ok {
			cmd.Env[i] = "PATH=" + strings.Join(append(r.path, rest), ":")
		}
	}
	out, err := cmd.CombinedOutput()
	r.log += string(out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	r.failed = r.failed || err != nil
	r.wrote(s.ID, outputs, paths)
}

// wrote takes over what a step wrote into its files.
func (r *runner) wrote(id, outputs, paths string) {
	text, err := os.ReadFile(outputs)
	must(r.t, err)
	for _, l := range strings.Split(string(text), "\n") {
		if name, value, ok := strings.Cut(l, "="); ok {
			r.context["steps."+id+".outputs."+name] = value
		}
	}
	text, err = os.ReadFile(paths)
	must(r.t, err)
	if p := strings.TrimSpace(string(text)); p != "" {
		r.path = append(strings.Split(p, "\n"), r.path...)
	}
}
