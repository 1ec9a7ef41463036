//go:build linux

package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
	"golang.org/x/sys/unix"
)

// budget runs a script, kills it for budget once it has said "up", and expects that nothing is left.
func budget(t *testing.T, script string, args ...string) string {
	t.Helper()
	trigger := fifo(t)
	cmd, mark := withMark(t, script, append(args, "-trigger", trigger)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out := begin(t, cmd)
	fire(t, trigger)
	rest, _ := io.ReadAll(out)
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != 121 {
		t.Errorf("%v, %q", cmd.ProcessState, errs.String())
	}
	allGone(t, mark)
	return string(rest)
}

// needCgroup ends a test where no cgroup can be made: whether version 2 is mounted and may be written is for whoever
// started the container, and nothing that could be installed changes it. CI has one.
func needCgroup(t *testing.T) {
	t.Helper()
	probe := makeCgroup(fmt.Sprintf("probe%d", os.Getpid()))
	if probe == nil {
		need.Missing(t, "no cgroup of version 2 can be made here")
	}
	probe.remove()
}

// layers runs a test with a cgroup, where one can be made, and without.
func layers(t *testing.T, test func(t *testing.T, args ...string)) {
	t.Run("walk", func(t *testing.T) { test(t) })
	t.Run("cgroup", func(t *testing.T) {
		needCgroup(t)
		test(t, "-id", fmt.Sprintf("t%d", os.Getpid()))
	})
}

func TestCase25_Daemon(t *testing.T) {
	layers(t, func(t *testing.T, args ...string) {
		budget(t, daemon+"echo up; while :; do sleep 0.05; done", args...)
	})
}

func TestCase26_DaemonOfAChildThatEnded(t *testing.T) {
	layers(t, func(t *testing.T, args ...string) {
		cmd, mark := withMark(t, daemon+"exit 4", args...)
		out, err := cmd.Output()
		if cmd.ProcessState.ExitCode() != 4 || len(out) != 0 {
			t.Errorf("%q, %v", out, err)
		}
		allGone(t, mark)
	})
}

func TestCase27_DaemonThatMoves(t *testing.T) {
	budget(t, `mover() { trap "" TERM HUP INT; i=0; while test $i -lt 200; do i=$((i+1)); (exec -a "$MARK.$i" bash -c 'trap "" TERM; sleep 0.2' &) ; done; sleep 1000; }
		(mover "$MARK" &) ; echo up; while :; do sleep 0.05; done`)
}

func TestCase28_ForkBomb(t *testing.T) {
	need.Root(t, "a process limit for somebody else")
	need.Tool(t, "setpriv")
	limit := 150
	// 64123 is nobody in particular: the limit counts all processes of a user.
	script := fmt.Sprintf(`exec setpriv --reuid=64123 --clear-groups bash -c 'ulimit -u %d; trap "" TERM HUP; bomb() { while :; do bomb & done 2>/dev/null; }; echo up; bomb' "$MARK"`, limit)
	layers(t, func(t *testing.T, args ...string) { budget(t, script, args...) })
}

func TestCase29_StoppedTree(t *testing.T) {
	dir := t.TempDir()
	layers(t, func(t *testing.T, args ...string) {
		budget(t, `for i in $(seq 20); do bash -c 'trap "touch `+dir+`/'$i'; exit" TERM; kill -STOP $$; while :; do sleep 0.01; done' "$MARK" & done
			for i in $(seq 20); do bash -c 'trap "" TERM; kill -STOP $$; sleep 1000' "$MARK" & done
			echo up; while :; do sleep 0.05; done`, args...)
		if polite, _ := readNames(dir); len(polite) == 0 {
			t.Error("no stopped process was let run to its end")
		}
	})
}

func TestCase30_ZombieFlood(t *testing.T) {
	flood := 300
	if os.Getenv("AEX_TEST_LONG") != "" {
		flood = 5000
	}
	cmd, _ := withMark(t, fmt.Sprintf(`for i in $(seq %d); do (true &) ; done; echo up; read -r _`, flood))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin(t, cmd)
	monitor := monitorOf(t, cmd.Process.Pid)
	eventually(t, "the monitor has one child", func() bool { return len((processTable{}).children(monitor)) == 1 })
	in.Close()
	cmd.Wait()
}

func TestCase31_ChildWithoutDescriptors(t *testing.T) {
	trigger, ready := fifo(t), fifo(t)
	cmd, mark := withMark(t, `exec 0<&- 1>&- 2>&-; echo up >"`+ready+`"; while :; do sleep 0.05; done`, "-trigger", trigger)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, ready)
	if len(carriers(mark)) == 0 {
		t.Fatal("aex did not wait")
	}
	fire(t, trigger)
	cmd.Wait()
	if cmd.ProcessState.ExitCode() != 121 {
		t.Error(cmd.ProcessState)
	}
	allGone(t, mark)
}

func TestCase32_SurvivorHoldsTheTerminal(t *testing.T) {
	notInSandbox(t, "nothing outlives the namespace")
	for _, orphans := range []string{"kill", "leave"} {
		mark := marked(t)
		c := openConsole(t, func(cmd *exec.Cmd, _ *os.File) { cmd.Env = append(cmd.Env, "MARK="+mark) }, os.Args[0],
			"-orphans", orphans, "bash", "-c", `(trap "" HUP; exec -a "$MARK" sleep 1000) & exit 8`)
		if code := exitCode(c.wait()); code != 8 {
			t.Errorf("%s: exit %d, %q", orphans, code, c.text())
		}
		if orphans == "kill" {
			allGone(t, mark)
			continue
		}
		left := carriers(mark)
		if len(left) != 1 || !strings.Contains(c.text(), "aex: 1 left") {
			t.Errorf("left are %v: %q", left, c.text())
		}
		for _, pid := range left {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

func TestCase33_SurvivorHoldsThePipe(t *testing.T) {
	cmd, mark := withMark(t, `(exec -a "$MARK" sleep 1000) & exit 0`)
	if _, err := cmd.Output(); err != nil { // returns at the end of file
		t.Error(err)
	}
	allGone(t, mark)
}

func TestCase34_TheTerminalIsHungUp(t *testing.T) {
	mark := marked(t)
	c := openConsole(t, func(cmd *exec.Cmd, _ *os.File) { cmd.Env = append(cmd.Env, "MARK="+mark, "SH=/bin/bash") }, os.Args[0],
		"-grace", "300ms", "bash", "-c", daemon+`trap "" HUP; echo up; while :; do sleep 0.05; done`, mark)
	c.expect("up")
	c.slave.Close()
	c.master.Close()
	eventually(t, "all processes of the test are gone", func() bool { return len(carriers(mark)) == 0 })
	<-c.exited
}

func TestCase46_OnlyTheTreeIsSignalled(t *testing.T) {
	notInSandbox(t, "a namespace is signalled whole")
	strace := need.Tool(t, "strace")
	trigger, log := fifo(t), filepath.Join(t.TempDir(), "log")
	mark := marked(t)
	cmd := aexCommand(t)
	cmd.Env = append(cmd.Env, "MARK="+mark, "SH=/bin/bash")
	cmd.Path = strace
	cmd.Args = []string{"strace", "-f", "-o", log, "-e", "trace=kill,tkill,pidfd_open,pidfd_send_signal", os.Args[0], "-trigger", trigger,
		"bash", "-c", `sleep 1000 & sleep 1000 & echo "up"; wait`, mark}
	out := begin(t, cmd)
	aex := 0
	eventually(t, "aex runs", func() bool {
		kids := (processTable{}).children(cmd.Process.Pid)
		if len(kids) == 1 {
			aex = kids[0]
		}
		return aex != 0
	})
	monitor := monitorOf(t, aex)
	tree := map[int]Proc{}
	(processTable{}).descend([]int{monitor}, nil, true, tree)
	fire(t, trigger)
	io.Copy(io.Discard, out)
	cmd.Wait()
	text, _ := os.ReadFile(log)
	targets := 0
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(kill|tkill|pidfd_open)\((-?\d+)`).FindAllStringSubmatch(string(text), -1) {
		pid, _ := strconv.Atoi(m[2])
		if m[1] == "pidfd_open" && pid == aex {
			continue // the runtime tries whether there are pidfds
		}
		if _, in := tree[pid]; !in && pid != monitor || pid <= 1 {
			t.Errorf("%s of %d, which is not in the tree %v", m[1], pid, tree)
		}
		targets++
	}
	if targets < 3 {
		t.Errorf("the log shows %d targets: %s", targets, text)
	}
}

func TestCase50_CIStopsTheShellOnly(t *testing.T) {
	mark := marked(t)
	cmd := aexCommand(t)
	cmd.Env = append(cmd.Env, "MARK="+mark, "SH=/bin/bash")
	cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", `"$AEX" -die-with-parent -grace 300ms bash -c '` + strings.ReplaceAll(daemon, "'", `'\''`) + `trap "" TERM; echo up; while :; do sleep 0.05; done' "$MARK"; true`}
	out := begin(t, cmd)
	cmd.Process.Signal(unix.SIGINT)
	cmd.Process.Signal(unix.SIGKILL)
	io.Copy(io.Discard, out)
	cmd.Wait()
	allGone(t, mark)
}

func TestConnectionsOfTheTree(t *testing.T) {
	l := listen(t)
	cmd := aexCommand(t, "-connected", "-grace", "1h", "bash", "-c", fmt.Sprintf(`exec 5<>/dev/tcp/127.0.0.1/%d; echo up; sleep 1000 & disown; exit 0`, l))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out := begin(t, cmd)
	io.Copy(io.Discard, out)
	cmd.Wait()
	if want := fmt.Sprintf("[127.0.0.1:%d]\n", l); errs.String() != want {
		t.Errorf("%q, want %q", errs.String(), want)
	}
}
