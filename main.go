// Command aex runs AI agents under a budget: see README.md and docs/design.md.
package main

import (
	"os"

	"github.com/Auro-rium/aex/v3/internal/cli"
	_ "github.com/Auro-rium/aex/v3/internal/room"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

func main() {
	if code, ok := process.MonitorMain(os.Args); ok {
		os.Exit(code)
	}
	if code, ok := adapter.LauncherMain(os.Args); ok {
		os.Exit(code)
	}
	exit := cli.Main(os.Args[1:])
	process.ExitLike(exit.Status)
	os.Exit(exit.Code)
}
