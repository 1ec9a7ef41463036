package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/remote"
	"github.com/Auro-rium/aex/v3/proxy/tunnel"
	"github.com/Auro-rium/aex/v3/supervisor"
)

// policyFile finds the policy that a run is under: the file that was named, or
// the nearest aex.yaml. Nil: there is none.
func (a *app) policyFile(named string) (*policy.File, error) {
	if named == "" {
		named = environment(a.environ)["AEX_POLICY"]
	}
	path, err := named, error(nil)
	if path == "" && a.dir == "" {
		return nil, nil // a working directory that was removed holds no policy
	}
	if path == "" {
		if path, err = policy.FindFile(a.dir); err != nil || path == "" {
			return nil, err
		}
	}
	file, err := policy.LoadFile(path, named != "", policyChecks)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted(fmt.Errorf("there is no policy file %s", path), "give --policy a file that exists; see: aex policy check --help")
	}
	if err != nil {
		return nil, hinted(err, "check it with: aex policy check %s", path)
	}
	return file, nil
}

// policyChecks are what others know of the values of a policy file.
var policyChecks = policy.Checks{
	Agent: nameRule(ledger.CheckName), Group: nameRule(ledger.CheckGroupName), Gateway: remote.CheckURL,
	Host: func(text string) error {
		_, err := tunnel.ParseRule(text)
		return err
	},
}

// addPolicy adds what a named policy file says of environment and models to the
// settings. A file that was found says nothing of these.
func (s *settings) addPolicy(file *policy.File) error {
	if file == nil || file.ModelsFile == "" {
		return nil
	}
	s.modelsFile = beside(file, file.ModelsFile)
	if _, err := os.Stat(s.modelsFile); errors.Is(err, fs.ErrNotExist) {
		return hinted(fmt.Errorf("%s: there is no models_file %s", file.Path, s.modelsFile), "correct models_file, which is relative to the policy file; an example is written by: aex models init -")
	}
	return nil
}

// beside is a path that a policy file gives relative to itself.
func beside(file *policy.File, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file.Path), path)
}

// applyPolicy puts the file behind the flags, and in front of them where it is
// locked. It is called before the flags become a run.
func (f *runFlags) applyPolicy(cmd *cobra.Command, env map[string]string, file *policy.File) error {
	if file == nil {
		return nil
	}
	if err := f.checkLocked(cmd, env, file); err != nil {
		return err
	}
	if f.agent == "" && env["AEX_AGENT"] == "" {
		f.agent = file.Agent
	}
	if f.budget.amount == nil && !f.budget.none && file.Budget != nil {
		b := ledger.Micros(*file.Budget)
		f.budget.amount = &b
	}
	fl := cmd.Flags()
	if !fl.Changed("max-calls") {
		f.maxCalls = file.MaxCalls
	}
	if !fl.Changed("timeout") {
		f.guard.Timeout = file.Timeout
	}
	if !fl.Changed("idle-timeout") {
		f.guard.Idle = file.IdleTimeout
	}
	if file.OnExhausted != "" && !fl.Changed("on-exhausted") {
		f.exhausts = file.OnExhausted
	}
	f.sandbox.applyPolicy(cmd, file.Sandbox)
	return nil
}

// checkLocked refuses flags that would loosen a locked file.
func (f *runFlags) checkLocked(cmd *cobra.Command, env map[string]string, file *policy.File) error {
	if !file.Locked {
		return nil
	}
	fl := cmd.Flags()
	loosens := func(flag string) error {
		return hinted(fmt.Errorf("%s is locked and %s would loosen it", file.Path, flag), "leave the flag out, or change the file")
	}
	agent := f.agent
	if agent == "" {
		agent = env["AEX_AGENT"]
	}
	if file.Agent != "" && agent != "" && agent != file.Agent {
		return loosens("--agent " + agent)
	}
	for _, flag := range []string{"pass-env", "price"} {
		if fl.Changed(flag) {
			return loosens("--" + flag)
		}
	}
	if f.localPrices == policy.LocalOff {
		return loosens("--local-prices off")
	}
	if file.OnExhausted != "" && fl.Changed("on-exhausted") && f.exhausts != file.OnExhausted && f.exhausts != "kill" {
		return loosens("--on-exhausted " + f.exhausts)
	}
	if flag := f.sandbox.loosens(cmd, file.Sandbox); flag != "" {
		return loosens(flag)
	}
	asked := map[string][2]int64{
		"max-calls":    {f.maxCalls, file.MaxCalls},
		"timeout":      {int64(f.guard.Timeout), int64(file.Timeout)},
		"idle-timeout": {int64(f.guard.Idle), int64(file.IdleTimeout)},
	}
	if file.Budget != nil && (f.budget.none || f.budget.amount != nil) {
		var budget int64
		if f.budget.amount != nil {
			budget = int64(*f.budget.amount)
		}
		if err := file.Allow("--budget", budget, *file.Budget); err != nil {
			return hinted(err, "leave the flag out, or change the file")
		}
	}
	for flag, pair := range asked {
		if !fl.Changed(flag) {
			continue
		}
		if err := file.Allow("--"+flag, pair[0], pair[1]); err != nil {
			return hinted(err, "leave the flag out, or change the file")
		}
	}
	return nil
}

// underPolicy bounds a run by the file: its capabilities hold beside the
// agent's, and its pace must hold for the agent.
func (a *app) underPolicy(ctx context.Context, spec *supervisor.Spec, file *policy.File, ci bool) (err error) {
	if file == nil {
		return nil
	}
	if spec.Policy, err = json.Marshal(file.Capabilities); err != nil {
		return err
	}
	for name, value := range file.Env {
		spec.Environ = append(spec.Environ, name+"="+value)
	}
	limits := ledger.Limits{RequestsPerMinute: file.RequestsPerMinute, TokensPerMinute: file.TokensPerMinute, Concurrency: file.Concurrency}
	if spec.NewAgent != nil {
		spec.NewAgent.Limits, spec.NewAgent.Group = limits, file.Group
		if ci && file.CIUnknownAgents != nil && !*file.CIUnknownAgents {
			spec.NewAgent = nil
		}
	}
	rules := inner.AgentRules{Group: file.Group, RequestsPerMinute: file.RequestsPerMinute, TokensPerMinute: file.TokensPerMinute, Concurrency: file.Concurrency}
	switch {
	case rules == (inner.AgentRules{}) || spec.Outer != nil:
		return nil // the gateway around paces the agent who pays, and knows its group
	case spec.Gateway != nil: // it knows the agent
		spec.AgentRules = rules
		return nil
	}
	return a.checkAgent(ctx, spec, file, rules)
}

// addHosted adds --hosted-tools to what the run's policy says. The stricter of
// both holds.
func addHosted(spec *supervisor.Spec, rule string) error {
	if rule == "" {
		return nil
	}
	rule, err := oneOf("--hosted-tools", rule, policy.HostedAuto, policy.HostedRefuse, policy.HostedAllow)
	if err != nil {
		return err
	}
	caps, err := policy.ParseCapabilities(spec.Policy)
	if err != nil {
		return err
	}
	caps.HostedTools = policy.HostedRule([]policy.Capabilities{caps, {HostedTools: rule}})
	spec.Policy, err = json.Marshal(caps)
	return err
}

// checkAgent refuses an agent whose own pace is looser than the file's, or that
// is not in the file's group.
func (a *app) checkAgent(ctx context.Context, spec *supervisor.Spec, file *policy.File, rules inner.AgentRules) (err error) {
	l, err := ledger.Open(ctx, spec.Ledger)
	if err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if file.Group != "" {
		if _, err := l.Group(ctx, file.Group); err != nil {
			err = a.groupError(ctx, l, file.Group, err)
			var f *failure
			if errors.As(err, &f) {
				return hinted(fmt.Errorf("%s: %w", file.Path, f.err), "%s", f.hint)
			}
			return err
		}
	}
	ag, err := l.Agent(ctx, spec.Agent)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if how, flags := rules.Broken(file.Path, ag); how != "" {
		return hinted(errors.New(how), "aex agent set %s %s", plain.Word(printable(ag.Name)), flags)
	}
	return nil
}
