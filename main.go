// Command aex runs AI agents under a budget: see README.md and docs/design.md.
package main

import (
	"os"

	"github.com/Auro-rium/aex/internal/cli"
	"github.com/Auro-rium/aex/supervisor"
)

func main() {
	if code, ok := supervisor.MonitorMain(os.Args); ok {
		os.Exit(code)
	}
	exit := cli.Main(os.Args[1:])
	supervisor.ExitLike(exit.Status)
	os.Exit(exit.Code)
}
