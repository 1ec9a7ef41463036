//go:build linux

package process

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/need"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// resisting is a tree that does not want to end: daemons that hop from parent to parent without an end, deaf to TERM, stopped,
// in namespaces of their own, in a terminal of their own. Every process carries the mark.
const resisting = `
trap '' TERM HUP INT
(setsid perl -MPOSIX -e '$SIG{TERM} = "IGNORE"; while (1) { exit if fork; setsid; select undef, undef, undef, 0.02 }' "$1" &)
(setsid bash -c 'trap "" TERM HUP INT; for i in 1 2 3 4 5; do (setsid bash -c "exec -a $0-$i sleep 3000" & ) ; done; exec -a "$0" sleep 3000' "$1" &)
(setsid bash -c 'trap "" TERM; kill -STOP $$; exec -a "$0" sleep 3000' "$1" &)
(unshare -Urpf bash -c 'trap "" TERM; unshare -Urpf bash -c "exec -a \"\$0\" sleep 3000" "$0" & setsid bash -c "exec -a \"\$0\" sleep 3000" "$0" & wait' "$1" 2>/dev/null &)
(script -qc "exec -a '$1' sleep 3000" /dev/null >/dev/null 2>&1 </dev/null &)
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
	default:
		need.Missing(t, "%s", have.Line())
	}
}

// TestTreesInSandboxEndWhole ends trees that resist: by aex, by the death of aex, and of aex and its monitor. AEX_TEST_TREES
// is how many; 6 without it. -parallel says how many there are at a time.
func TestTreesInSandboxEndWhole(t *testing.T) {
	needSandbox(t)
	need.Tool(t, "perl")
	trees, err := strconv.Atoi(os.Getenv("AEX_TEST_TREES"))
	if err != nil {
		trees = 6
	}
	for i := range trees {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			endTree(t, i%3)
		})
	}
}

// endTree starts one, ends it in one of three ways, and waits for the last of it.
func endTree(t *testing.T, how int) {
	mark, up, trigger := marked(t), fifo(t), fifo(t)
	cmd := aexCommand(t, "-trigger", trigger, "--", "bash", "-c", resisting, "bash", mark, up)
	cmd.Env = append(cmd.Env, "AEX_TEST_SANDBOX="+string(sandbox.Require))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, up)
	if n := len(carriers(mark)); n < 4 {
		t.Errorf("only %d processes resist", n)
	}
	switch monitor := monitorOf(t, cmd.Process.Pid); how {
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
