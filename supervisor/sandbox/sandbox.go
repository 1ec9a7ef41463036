// Package sandbox keeps a program in: it reaches models through aex or not at all, sees and touches nothing of aex, and
// ends by the kernel's hand.
//
// The full level is made of namespaces (user, network, pid, mount, ipc). Its init, aex's monitor, is started with [Attr]
// and calls [Enter], [Inside.Cover] and [Confine]; then it starts the program. The network level needs no namespaces: it
// is [Confine] alone, by Landlock and seccomp.
package sandbox

import (
	"errors"
	"fmt"
	"strings"
)

// Mode is what the user asks for.
type Mode string

const (
	Off     Mode = "off"
	Auto    Mode = "auto"    // the best level that can be had
	Require Mode = "require" // the full level, or the program is not started
)

// Modes are all of them.
var Modes = []string{string(Auto), string(Require), string(Off)}

// Level is what can be had.
type Level string

const (
	None    Level = ""
	Network Level = "network"
	Full    Level = "full"
)

// Have is a level as it was had.
type Have struct {
	Level   Level
	Missing []Missing // why it is not the full level
	Open    []string  // what the level leaves open that the full level does not
}

// Missing is something that the machine does not grant.
type Missing struct {
	What   string `json:"what"`
	Remedy string `json:"remedy,omitempty"`
}

func (m Missing) Error() string { return m.What }

// Line says which level it is, in one line; "" for the full one.
func (h Have) Line() string {
	if h.Level == Full && len(h.Missing) == 0 {
		return ""
	}
	why := make([]string, 0, len(h.Missing))
	for _, m := range h.Missing {
		why = append(why, m.What)
	}
	name := map[Level]string{None: "there is none", Network: "the network level only", Full: "the full level, less what is missing"}[h.Level]
	return fmt.Sprintf("sandbox: %s: %s", name, strings.Join(why, "; "))
}

// Remedies are what to do for the full level.
func (h Have) Remedies() string {
	var all []string
	for _, m := range h.Missing {
		if m.Remedy != "" {
			all = append(all, m.Remedy)
		}
	}
	return strings.Join(all, "; ")
}

// ErrPlatform reports a system without what a sandbox is made of.
var ErrPlatform = errors.New("a sandbox is made of Linux namespaces, which this system does not have")

// ErrNotFull reports a sandbox that was required and cannot be had.
var ErrNotFull = errors.New("the full sandbox cannot be had")

// Cover is a path of which the program sees something else.
type Cover struct {
	Path string
	Text []byte   // what a file shows instead; a directory shows nothing
	Must bool     // it is an error that nothing is there to cover
	Keep []string // what in a directory stays as it is
}

// Bounds are what a thread is confined to.
type Bounds struct {
	Level Level
	Ports []uint16 // of the network level: those of the gateway and of the services that it lets through
	// NoCgroups keeps it from namespaces of cgroups; Inside tells.
	NoCgroups bool
}

// The steps on the way to a full sandbox that a machine may refuse, for Explain.
const (
	StepStart    = "start"    // the init itself, in its namespaces
	StepLoopback = "loopback" // the first thing that needs a capability there
	StepMounts   = "mounts"
	StepProc     = "proc"
)

// StepError says which step the machine refused.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }
