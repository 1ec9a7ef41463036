package cli

import (
	"fmt"
	"os"

	"github.com/Auro-rium/aex/v3/supervisor/process"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// scriptCondition knows [sandbox]: the full sandbox can be had here. In CI it
// has to be.
func scriptCondition(name string) (bool, error) {
	if name != "sandbox" {
		return false, fmt.Errorf("unknown condition %s", name)
	}
	l := process.Prepare(process.Command{TTY: process.TTYNever, Sandbox: sandbox.Auto})
	defer l.Close()
	have, inside, err := l.Sandbox()
	if err != nil {
		return false, err
	}
	if inside != nil {
		inside.Close()
	}
	full := have.Level == sandbox.Full && len(have.Missing) == 0
	if !full && os.Getenv("CI") == "true" {
		return false, fmt.Errorf("the full sandbox cannot be had here: %s", have.Line())
	}
	return full, nil
}
