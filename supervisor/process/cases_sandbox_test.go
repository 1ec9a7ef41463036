//go:build linux

package process

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// resisting is a tree that does not want to end: daemons that hop from parent to
// parent, deaf to TERM, stopped, in namespaces of their own.
const resisting = `
trap '' TERM HUP INT
hop() { (setsid bash -c 'trap "" TERM HUP INT; i=0; while [ $i -lt 20 ]; do i=$((i+1)); (exec -a "$0" sleep 3000 & ) ; sleep 0.01; done; exec -a "$0" sleep 3000' "$1" &) }
hop "$1"; hop "$1"
(setsid bash -c 'trap "" TERM; kill -STOP $$; exec -a "$0" sleep 3000' "$1" &)
(unshare -Urpf bash -c 'trap "" TERM; setsid bash -c "exec -a \"\$0\" sleep 3000" "$0" & wait' "$1" 2>/dev/null &)
exec 3>"$2"; exec 3>&-
while :; do sleep 3000 & wait $!; done
`

// needSandbox skips where the full level cannot be had, and says why.
func needSandbox(t *testing.T) {
	t.Helper()
	l := Prepare(Command{TTY: TTYNever, Sandbox: sandbox.Auto})
	defer l.Close()
	have, inside, err := l.Sandbox()
	if inside != nil {
		inside.Close()
	}
	switch {
	case err != nil:
		t.Fatal(err)
	case have.Level == sandbox.Full:
	case os.Getenv("CI") == "true":
		t.Fatalf("NOT TESTED: %s", have.Line())
	default:
		t.Skipf("NOT TESTED: %s", have.Line())
	}
}

// TestTreesInSandboxEndWhole ends trees that resist: by aex, by the death of
// aex, and of aex and its monitor. AEX_TEST_TREES is how many; 6 without it.
func TestTreesInSandboxEndWhole(t *testing.T) {
	needSandbox(t)
	t.Setenv("AEX_TEST_SANDBOX", string(sandbox.Require))
	trees, err := strconv.Atoi(os.Getenv("AEX_TEST_TREES"))
	if err != nil {
		trees = 6
	}
	for i := range trees {
		mark, up, trigger := marked(t), fifo(t), fifo(t)
		cmd := aexCommand(t, "-trigger", trigger, "--", "bash", "-c", resisting, "bash", mark, up)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, up)
		switch monitor := monitorOf(t, cmd.Process.Pid); i % 3 {
		case 0:
			fire(t, trigger)
		case 1:
			unix.Kill(cmd.Process.Pid, unix.SIGKILL)
		case 2:
			unix.Kill(cmd.Process.Pid, unix.SIGKILL)
			unix.Kill(monitor, unix.SIGKILL)
		}
		_ = cmd.Wait() // what became of aex is not what is asked here
		allGone(t, mark)
	}
}
