//go:build linux

package process

import (
	"fmt"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Job control under a real bash. What the shell shows and does is what it would without aex.

func (c *console) canonical() bool { return c.termiosOf(c.slave).Lflag&unix.ICANON != 0 }

func TestCase16_StopAndContinue(t *testing.T) {
	c := shell(t)
	c.send("\"$AEX\" bash -c 'echo up; while read -r line; do echo \"got <$line>\"; done'\n")
	c.expect("up\r\n")
	for round := range 6 {
		c.send("\x1a")
		c.expect("Stopped")
		c.expect("ready> ")
		if !c.canonical() {
			t.Fatal("the shell's terminal is raw")
		}
		c.send("fg\n")
		c.expect("fg\r\n")
		c.send(fmt.Sprintf("line %d\n", round))
		c.expect(fmt.Sprintf("got <line %d>", round))
	}
	c.send("\x03")
	c.expect("ready> ")
	c.send("echo \"rc=$?\"\n")
	c.expect("rc=130")
}

func TestCase17_InTheBackground(t *testing.T) {
	c := shell(t)
	c.send("\"$AEX\" cat &\n")
	c.expect("ready> ")
	// bash tells of the stop when it next has something to say.
	eventually(t, "the job has stopped", func() bool {
		for _, pid := range (processTable{}).children(c.cmd.Process.Pid) {
			if p, err := (processTable{}).lookup(pid); err == nil && p.state == 'T' {
				return true
			}
		}
		return false
	})
	// The shell has to hear of it too.
	eventually(t, "the shell shows the job as stopped", func() bool {
		c.send("jobs\n")
		return strings.Contains(c.expect("ready> "), "Stopped")
	})
	c.send("fg\n")
	c.expect("fg\r\n")
	// What is typed before aex has the terminal again is echoed by the shell's terminal already.
	eventually(t, "aex has the terminal", func() bool { return !c.canonical() })
	c.send("hello\n")
	c.expect("hello\r\nhello\r\n")
	c.send("\x04")
	c.expect("ready> ")
	c.send("echo \"rc=$?\"\n")
	c.expect("rc=0")
	if n := strings.Count(c.text(), "hello"); n != 2 {
		t.Errorf("seen %d times: %q", n, c.text())
	}
}

func TestCase18_ChildThatStopsItself(t *testing.T) {
	for _, how := range []string{"kill -STOP $$", "kill -TSTP 0"} {
		c := shell(t)
		c.send("\"$AEX\" bash -c '" + how + "; echo went on; exit 5'\n")
		c.expect("Stopped")
		c.expect("ready> ")
		c.send("fg\n")
		c.expect("went on")
		c.expect("ready> ")
		c.send("echo \"rc=$?\"\n")
		c.expect("rc=5")
	}
}

func TestCase19_StopWhereNobodyContinues(t *testing.T) {
	out, _, ws := run(t, "", "sh", "-c", "kill -TSTP $$; echo ok")
	if out != "ok\n" || exitCode(ws) != 0 {
		t.Errorf("no terminal: %q, %v", out, ws)
	}
	// A session leader's own group is orphaned.
	c := onTerminal(t, "sh", "-c", "kill -TSTP $$; echo ok")
	c.expect("ok")
	c.wait()
}

func TestCase20_ResizeWhileStopped(t *testing.T) {
	c := shell(t)
	c.send("AEX_TEST_MAIN=aex \"$AEX\" env AEX_TEST_MAIN=sizes \"$AEX\"\n")
	c.expect("up 24 80.")
	c.send("\x1a")
	c.expect("Stopped")
	c.expect("ready> ")
	pty.Setsize(c.slave, &pty.Winsize{Rows: 33, Cols: 99})
	c.send("fg\n")
	c.expect("winch 33 99.")
	c.send("\n")
	c.expect("ready> ")
	if n := strings.Count(c.text(), "winch 33"); n != 1 {
		t.Errorf("%d times told: %q", n, c.text())
	}
}

// Ctrl-C where the child does not have the terminal: the kernel tells aex, and aex tells the child.
func TestCase13_InterruptOfAPipeline(t *testing.T) {
	c := shell(t)
	c.send("echo x | \"$AEX\" bash -c 'trap \"echo int; exit 9\" INT; echo up; while :; do sleep 0.05; done'; echo \"rc=$?\"\n")
	c.expect("$?\"\r\n")
	c.expect("up\r")
	c.send("\x03")
	c.expect("int\r")
	c.expect("rc=9\r")
	if n := strings.Count(c.text(), "int\r"); n != 1 {
		t.Errorf("%d times told: %q", n, c.text())
	}
}

func TestCase16_Pipeline(t *testing.T) {
	c := shell(t)
	c.send("\"$AEX\" bash -c 'trap \"echo back >&2\" CONT; trap \"exit 9\" INT; echo up >&2; while :; do sleep 0.05; done' | cat\n")
	c.expect("| cat\r\n")
	c.expect("up\r")
	c.send("\x1a")
	c.expect("Stopped")
	c.expect("ready> ")
	c.send("fg\n")
	c.expect("back\r") // the shell says which job it continues before that job has the terminal
	c.send("\x03")
	c.expect("ready> ")
}

// A loop in a shell ends when Ctrl-C ended the command in it.
func TestInterruptEndsTheShellsLoop(t *testing.T) {
	c := shell(t)
	c.send("for i in 1 2 3; do \"$AEX\" sh -c 'echo \"round '$i'\"; exec sleep 1000'; done; echo over\n")
	c.expect("round 1\r\n")
	c.send("\x03")
	c.expect("ready> ")
	if strings.Contains(c.text(), "round 2\r\n") {
		t.Errorf("the loop went on: %q", c.text())
	}
}

func TestCase41_SuspendedTimeIsNotCounted(t *testing.T) {
	_, errs, ws := run(t, "", "-timeout", "300ms", "sleep", "1000")
	if exitCode(ws) != 124 {
		t.Errorf("%v, %q", ws, errs)
	}
	c := shell(t)
	c.send("\"$AEX\" -timeout 3s bash -c 'echo up; while read -r line; do echo \"got <$line>\"; exit 6; done'\n")
	c.expect("up\r\n")
	c.send("\x1a")
	c.expect("Stopped")
	// The shell waits longer than the timeout, by its own clock.
	c.send("read -t 4 _ </dev/zero; sleep 4; echo waited\n")
	c.expect("waited\r\nready> ")
	c.send("fg\n")
	c.expect("fg\r\n")
	c.send("on\n")
	c.expect("got <on>")
	c.expect("ready> ")
	c.send("echo \"rc=$?\"\n")
	c.expect("rc=6")
}
