package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// exitCodes is the one table of them that people read.
const exitCodes = `aex run ends with the program's own exit code, or by its signal, or with:

  121  the budget is gone, or too small for the call that the program then
       gave up on; also when it ended by itself
  122  the run was ended by a guard (--max-calls, a loop, a storm of refused
       calls, --require-metered) or by the operator
  124  --timeout or --idle-timeout
  125  aex could not do its work, or was used wrongly
  126  the program cannot be executed
  127  the program was not found

Every other command ends with:

  0  done
  1  it failed, or found something wrong
  2  it was used wrongly
`

// helpCommand is aex help, for commands and for what is not a command.
func (a *app) helpCommand() *cobra.Command {
	help := &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "tell of a command, of environment or of exit-codes",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return beginning(typed, commandNames(target)), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(cmd.Root(), args[0])
			}
			return target.Help()
		},
	}
	help.AddCommand(a.environmentTopic(), &cobra.Command{
		Use: "exit-codes", Short: "list the exit codes", Args: none,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.stdout, exitCodes)
			return err
		},
	})
	return help
}
