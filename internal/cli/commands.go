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
		a.versionCommand(),
	}
}

func (a *app) versionCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "version", Short: "print the version", Args: none,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": Version})
			}
			a.printf("AEX %s", Version)
			return nil
		},
	})
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
