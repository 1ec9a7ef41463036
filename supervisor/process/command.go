//go:build linux || darwin

// Package process starts a program below a monitor, stands between its terminal
// and the caller's, and ends it with all that descends from it, wherever in the
// process table that has gone. It knows nothing of money: when to end a tree is
// its caller's to decide.
//
// Prepare and Launch (start.go) lead to the monitor (spawn.go, monitor.go), the
// loop that follows signals and reports (loop.go, jobs.go), and the terminals
// (terminals.go, relay.go). End leads through tree.go to kill.go, which reads and
// signals the process table (tree_linux.go, tree_darwin.go).
package process

import (
	"errors"
	"os"
	"syscall"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// TTY says when the child gets a pseudo-terminal.
type TTY string

const (
	TTYAuto  TTY = "auto"  // when aex has a controlling terminal; the zero value means the same
	TTYForce TTY = "force" // always; without a terminal the child's output and errors become it, and go to aex's output
	TTYNever TTY = "never" // not at all: the child has aex's descriptors as they are
)

// Command is a program to supervise.
type Command struct {
	Argv []string // the program and its arguments; looked up in the PATH of Env
	Env  []string // all of the child's environment
	Dir  string   // where it starts; "": here
	TTY  TTY

	Stdin, Stdout, Stderr *os.File // nil: aex's own

	// RunID names the run's cgroup, aex-<RunID>, where one can be made. "": none is.
	RunID string
	// Title lets SetTitle change the terminal's title.
	Title bool
	// DieWithParent ends the run as SIGTERM would when the process that started aex dies.
	DieWithParent bool
	// Sensitive hides aex's memory and environment from the user's other processes once the child runs.
	Sensitive bool
	// Sandbox is what keeps the program in; "" is off. Launcher.Sandbox tells what was had.
	Sandbox sandbox.Mode
	// Within tells that this process is in a full sandbox already, whose /proc shows nothing of the outside.
	Within bool
	// PassFD are the descriptors above 2 that a program in a sandbox gets; without one it gets all.
	PassFD []int
	// Walls count at Launch.
	Walls Walls
	// Rest counts at Launch. It is called before aex is stopped, and what it returns when aex goes on: what others wait for
	// is to be finished first. It must return soon. nil: there is nothing to finish.
	Rest func() (wake func())
}

// withStandard fills in aex's own descriptors.
func (c Command) withStandard() Command {
	for _, f := range []struct {
		of  **os.File
		own *os.File
	}{{&c.Stdin, os.Stdin}, {&c.Stdout, os.Stdout}, {&c.Stderr, os.Stderr}} {
		if *f.of == nil {
			*f.of = f.own
		}
	}
	return c
}

var (
	// ErrNotFound reports that there is no such program.
	ErrNotFound = errors.New("command not found")
	// ErrNoInterpreter reports, beside ErrNotFound, that there is such a program, and that what it needs to run is missing.
	ErrNoInterpreter = errors.New("its interpreter is missing")
	// ErrNotExecutable reports that there is one, and it cannot be run.
	ErrNotExecutable = errors.New("command cannot be executed")
)

// Status is how the child ended.
type Status struct {
	Code   int            // its exit code; 128 + Signal if a signal ended it
	Signal syscall.Signal // 0: it exited
	Lost   bool           // the monitor was killed, and with it the knowledge of how the child ended; Code is 125
}
