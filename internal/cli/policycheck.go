package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

func (a *app) policyCommand() *cobra.Command {
	return group("policy", "write and check policy files", a.initFileCommand(writtenPolicy), a.policyCheckCommand(), a.schemaCommand(writtenPolicy))
}

func (a *app) policyCheckCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "check [FILE]", Short: "check a policy file and tell what it says",
		Long: "check reads FILE, or the aex.yaml that a run from here would be under.",
		Args: atMostOne("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			named := ""
			if len(args) == 1 {
				named = args[0]
			}
			return a.checkPolicy(named)
		},
	}), false, takesFile)
}

func (a *app) checkPolicy(named string) error {
	file, err := a.policyFile(named)
	var f *failure
	switch {
	case errors.As(err, &f):
		return hinted(f.err, "every key is in: aex policy init -")
	case err != nil:
		return err
	case file == nil:
		return hinted(fmt.Errorf("there is no %s from %s up to the root of its repository", policy.FileName, a.dir), "make one with: aex policy init; or name a file: aex policy check FILE")
	}
	names := slices.AppendSeq([]string{}, maps.Keys(file.Env)) // values may be secret
	slices.Sort(names)
	if a.json {
		return a.printJSON(map[string]any{
			"file": file.Path, "agent": file.Agent, "group": file.Group, "budget_micro": file.Budget, "capabilities": file.Capabilities,
			"requests_per_minute": file.RequestsPerMinute, "tokens_per_minute": file.TokensPerMinute, "concurrency": file.Concurrency,
			"max_calls": file.MaxCalls, "timeout_s": int64(file.Timeout.Seconds()), "idle_timeout_s": int64(file.IdleTimeout.Seconds()),
			"locked": file.Locked, "on_exhausted": file.OnExhausted, "timezone": file.Timezone, "sandbox": file.Sandbox,
			"ci_allow_unknown_agents": file.CIUnknownAgents, "env": names, "env_file": file.EnvFile, "gateway": append([]string{}, file.Gateways...), "models_file": file.ModelsFile,
		})
	}
	a.printf("%s: ok", printable(file.Path))
	for _, line := range policyLines(file, names) {
		if line[1] != "" {
			a.printf("  %-22s %s", line[0]+":", printable(line[1]))
		}
	}
	a.printCapabilities(file.Capabilities, ledger.Limits{TokensPerMinute: file.TokensPerMinute, Concurrency: file.Concurrency})
	return nil
}

// policyLines are what a policy file says, beside capabilities: names and
// values, "" for what it does not say.
func policyLines(file *policy.File, env []string) [][2]string {
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return count(n)
	}
	length := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	var budget, locked, unknown string
	if file.Budget != nil {
		budget = ledger.Micros(*file.Budget).String()
	}
	if file.Locked {
		locked = "flags may only tighten it"
	}
	if file.CIUnknownAgents != nil && !*file.CIUnknownAgents {
		unknown = "may not be made in CI"
	}
	var ports []string
	for _, p := range file.Sandbox.AllowLocal {
		ports = append(ports, strconv.FormatInt(p, 10))
	}
	list := func(items []string) string { return strings.Join(items, ", ") }
	return [][2]string{
		{"Agent", file.Agent}, {"Group", file.Group}, {"Budget", budget}, {"Max Calls", number(file.MaxCalls)}, {"RPM Limit", number(file.RequestsPerMinute)},
		{"Timeout", length(file.Timeout)}, {"Idle Timeout", length(file.IdleTimeout)}, {"On Exhausted", file.OnExhausted},
		{"Sandbox", file.Sandbox.Mode}, {"Allowed Hosts", list(file.Sandbox.AllowHosts)}, {"Allowed Local", list(ports)},
		{"Allowed Sockets", list(file.Sandbox.AllowSockets)}, {"Hidden", list(file.Sandbox.Hide)}, {"Timezone", file.Timezone},
		{"Locked", locked}, {"Unknown Agents", unknown}, {"Gateway", list(file.Gateways)}, {"Env", list(env)}, {"Env File", file.EnvFile}, {"Models File", file.ModelsFile},
	}
}
