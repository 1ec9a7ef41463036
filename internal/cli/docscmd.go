package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// docsCommand is hidden: make docs uses it.
func (a *app) docsCommand() *cobra.Command {
	cmd := group("docs", "write the man pages", &cobra.Command{
		Use: "man DIR", Short: "write a man page for each command into DIR", Args: exactly("dir"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("making %s: %w", args[0], err)
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "AEX", Section: "1", Source: "aex " + Version, Manual: "aex"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("writing man pages: %w", err)
			}
			return nil
		},
	})
	cmd.Hidden = true
	return cmd
}
