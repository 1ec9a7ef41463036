package cli

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// commands are all of them, in the order of the help.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.runCommand(),
		a.runsCommand(),
		a.outsideOnly(a.initCommand()),
		a.agentCommand(),
		a.groupCommand(),
		a.outsideOnly(a.topupCommand()),
		a.outsideOnly(a.serveCommand()),
		a.daemonCommand(),
		a.statusCommand(),
		a.metricsCommand(),
		a.reportCommand(),
		a.dashboardCommand(),
		a.eventsCommand(),
		a.auditCommand(),
		a.ledgerCommand(),
		a.modelsCommand(),
		a.policyCommand(),
		a.outsideOnly(a.envCommand()),
		a.doctorCommand(),
		a.demoCommand(),
		a.versionCommand(),
		a.fakeProviderCommand(),
		a.demoAgentCommand(),
	}
}

// group is a command that only has commands below it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Annotations: map[string]string{"group": "yes"},
		Args:        below,
		RunE:        func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
