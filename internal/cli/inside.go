package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// runVariables are what tells a program of the run that it is in.
var runVariables = []string{"AEX_URL", "AEX_AGENT_TOKEN", "AEX_RUN_ID"}

// inside tells whether this command runs inside a run: by its environment, or
// because it descends from a run's monitor.
func (a *app) inside() bool {
	_, below := process.Around()
	return below || environment(a.environ)["AEX_RUN_ID"] != ""
}

// outsideOnly makes a command refuse to run inside a run: a program must not
// raise its own budget, nor act on what is not its own. It is a fence and no
// wall: a program of the same user can write the ledger's file, unless a
// sandbox keeps it out.
func (a *app) outsideOnly(cmd *cobra.Command) *cobra.Command {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.inside() {
			return a.refusedInside(cmd.CommandPath())
		}
		return run(cmd, args)
	}
	return cmd
}

func (a *app) refusedInside(what string) error {
	return hinted(fmt.Errorf("%s is refused inside a run, which must not change what it may do", what),
		"do it from outside, where the run was started; if that run is over: unset AEX_RUN_ID")
}

// ownRun tells whether a name that was typed is the run that this process is
// in.
func (a *app) ownRun(id string) bool {
	own := environment(a.environ)["AEX_RUN_ID"]
	return len(id) >= 4 && strings.HasPrefix(own, id)
}

// errLostRun reports a process below a run that has lost every variable by
// which it could find the run's gateway.
var errLostRun = errors.New("this is inside a run, and nothing says which: AEX_URL, AEX_AGENT_TOKEN and AEX_RUN_ID are gone")

// runAround is the environment with the variables of the run that this process
// descends from, when its own do not lead to one.
func (a *app) runAround() ([]string, error) {
	around, below := process.Around()
	if !below {
		return a.environ, nil
	}
	if around == nil {
		return nil, hinted(errLostRun, "start it with the environment that the run gave its program")
	}
	is := func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(runVariables, name)
	}
	environ := slices.DeleteFunc(slices.Clone(a.environ), is)
	for _, entry := range around {
		if is(entry) {
			environ = append(environ, entry)
		}
	}
	return environ, nil
}
