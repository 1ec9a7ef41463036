package supervisor

import (
	"fmt"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// say prints a line for the user; it does not disturb a raw terminal.
func (r *session) say(format string, args ...any) {
	line := "aex: " + fmt.Sprintf(format, args...)
	switch {
	case r.Quiet:
	case is(r.started):
		r.proc.Notice(line)
	default:
		fmt.Fprintln(r.Stderr, process.Printable(line))
	}
}

// is tells whether what a channel stands for has come about.
func is(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func short(id ledger.RunID) string { return string(id[:min(4, len(id))]) }
