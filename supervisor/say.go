package supervisor

import (
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
)

// say prints a line for the user; it does not disturb a raw terminal.
func (r *session) say(format string, args ...any) {
	line := "aex: " + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	switch {
	case r.Quiet:
	case closed(r.started):
		r.proc.Notice(line)
	default:
		fmt.Fprintln(r.Stderr, plain.Line(line))
	}
}

// heldUp tells the user of a process that keeps this one from the ledger. Meanwhile calls
// are refused, and what is to be booked waits.
func (r *session) heldUp(h *ledger.Holder) {
	r.say("%v; what is to be booked waits for it: %s", h, h.Hint())
}

// closed tells whether a channel has been closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func short(id ledger.RunID) string { return string(id[:min(4, len(id))]) }
