// Command manpages writes a man page for each command of aex. It is no command
// of aex itself, whose every start would pay for what only this needs.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"

	"github.com/Auro-rium/aex/v3/internal/cli"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manpages:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: manpages DIR")
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return fmt.Errorf("making %s: %w", args[0], err)
	}
	root := cli.Commands()
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Title: "AEX", Section: "1", Source: "aex " + cli.Version, Manual: "aex"}
	if err := doc.GenManTree(root, header, args[0]); err != nil {
		return fmt.Errorf("writing man pages: %w", err)
	}
	return nil
}
