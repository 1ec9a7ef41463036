//go:build linux

package process

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// What aex and its monitor may need of threads is there when the program begins, where its user may not have very many
// processes.
func TestThreadsAreThereWhenTheProgramBegins(t *testing.T) {
	notInSandbox(t, "the program does not see its monitor")
	need.Tool(t, "prlimit")
	cmd, _ := withMark(t, `set -- $(</proc/$PPID/stat); aex=$4; set -- /proc/$PPID/task/*; monitor=$#; set -- /proc/$aex/task/*; echo $# $monitor`)
	asNumber(t, cmd, "64129", "prlimit", fmt.Sprintf("--nproc=%d", fewProcesses))
	out, err := cmd.Output()
	var aex, monitor int
	if _, scanned := fmt.Sscan(string(out), &aex, &monitor); err != nil || scanned != nil {
		t.Fatalf("%q, %v, %v", out, err, scanned)
	}
	if least := aexThreads + runtime.GOMAXPROCS(0); aex < least+2 || monitor < monitorThreads+2 { // the first one, and that of Go's own monitor
		t.Errorf("aex has %d threads and the monitor %d, where %d and %d were made beside two", aex, monitor, least, monitorThreads)
	}
}

// A program that starts all the processes that its user may have, who is aex's, too, ends neither aex nor its monitor, and
// nothing of it is left. Go ends a process that needs one more thread and gets none.
func TestAllProcessesAreTaken(t *testing.T) {
	notInSandbox(t, "the limit counts the processes of a user of this machine")
	need.Tool(t, "prlimit")
	for range 3 {
		cmd, mark := withMark(t, `trap "" TERM HUP; bomb() { while :; do bomb & done 2>/dev/null; }; bomb`, "-timeout", "500ms")
		// 64129 is nobody in particular, and runs nothing else: the limit counts all processes of a user.
		asNumber(t, cmd, "64129", "prlimit", fmt.Sprintf("--nproc=%d", 60+runtime.GOMAXPROCS(0)))
		var said bytes.Buffer
		cmd.Stderr = &said
		err := cmd.Run()
		if cmd.ProcessState.ExitCode() != 124 || strings.Contains(said.String(), "goroutine") {
			t.Errorf("%v\n%.500s", err, said.String())
		}
		allGone(t, mark)
	}
}

// Where few processes are allowed and there are many processors, or few addresses, aex does not end itself by what it
// reserves.
func TestThreadsLeaveRoom(t *testing.T) {
	notInSandbox(t, "the limit counts the processes of a user of this machine")
	need.Tool(t, "prlimit")
	cmd, _ := withMark(t, `echo begun`)
	cmd.Env = append(cmd.Env, "GOMAXPROCS=64")
	asNumber(t, cmd, "64131", "prlimit", "--nproc=80")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "begun\n" {
		t.Errorf("%v\n%.500s", err, out)
	}
	for _, c := range []struct {
		space, processes uint64
		want             int
	}{
		{math.MaxUint64, math.MaxUint64, 0}, {math.MaxUint64, fewProcesses + 1, 0}, {math.MaxUint64, fewProcesses, (fewProcesses - enoughProcesses) / 2},
		{enoughSpace, 60, 10}, {enoughSpace - 1, 60, 0}, {math.MaxUint64, 41, 0}, {math.MaxUint64, 1, 0},
	} {
		if n := roomForThreads(c.space, c.processes); n != c.want {
			t.Errorf("%d threads in %d bytes of addresses and %d processes, want %d", n, c.space, c.processes, c.want)
		}
	}
}
