//go:build linux

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Every mix of terminals and other things among descriptors 0 to 2 looks to the child as it would without aex.
func TestCase04_EachDescriptorIsWhatItWas(t *testing.T) {
	for mix := range 8 {
		result := filepath.Join(t.TempDir(), "result")
		c := openConsole(t, func(cmd *exec.Cmd, _ *os.File) {
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { null.Close() })
			if mix&1 != 0 {
				cmd.Stdin = null
			}
			if mix&2 != 0 {
				cmd.Stdout = null
			}
			if mix&4 != 0 {
				cmd.Stderr = null
			}
		}, os.Args[0], "sh", "-c", `for i in 0 1 2; do test -t $i && printf t >>"$1" || printf n >>"$1"; done; : </dev/tty && printf c >>"$1"`, "sh", result)
		if ws := c.wait(); exitCode(ws) != 0 {
			t.Errorf("mix %d: %v, %q", mix, ws, c.text())
		}
		want := []byte("tttc")
		for i := range 3 {
			if mix&(1<<i) != 0 {
				want[i] = 'n'
			}
		}
		if got, _ := os.ReadFile(result); string(got) != string(want) {
			t.Errorf("mix %d: the child sees %s, want %s", mix, got, want)
		}
	}
}

func TestCase06_BurstThroughTerminal(t *testing.T) {
	size := 16 << 20
	if os.Getenv("AEX_TEST_LONG") != "" {
		size = 256 << 20
	}
	c := onTerminal(t, "sh", "-c", fmt.Sprintf("stty raw -echo; head -c %d /dev/zero; echo; read _", size))
	c.expect("\n")
	if peak := peakMemory(t, c.cmd.Process.Pid); peak > 64<<10 {
		t.Errorf("peak resident set is %d KiB", peak)
	}
	c.send("\n")
	c.wait()
	if got := strings.Count(c.text(), "\x00"); got != size {
		t.Errorf("%d of %d bytes", got, size)
	}
}

func TestCase07_LastBytesAreNotLost(t *testing.T) {
	rounds := 30
	if os.Getenv("AEX_TEST_LONG") != "" {
		rounds = 300
	}
	want := strings.Repeat("x", 20000) + "END"
	for range rounds {
		c := onTerminal(t, "sh", "-c", "head -c 20000 /dev/zero | tr '\\0' x; printf END")
		c.wait()
		if c.text() != want {
			t.Fatalf("%d of %d bytes", len(c.text()), len(want))
		}
	}
}

func TestCase08_CharactersInPieces(t *testing.T) {
	filler := strings.Repeat("a", relayBuffer-2)
	text := "é😀é" + filler + "😀!"
	script := `stty raw; i=0; exec 3<"$1"; dd bs=1 count=16 <&3 2>/dev/null; cat <&3`
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := onTerminal(t, "sh", "-c", script, "sh", file)
	c.wait()
	if c.text() != text {
		t.Errorf("%d bytes came of %d", len(c.text()), len(text))
	}
}

func TestCase09_TheTerminalIsGivenBack(t *testing.T) {
	trigger := fifo(t)
	for name, c := range map[string]struct {
		args []string
		end  func(c *console)
		code int
	}{
		"exit":      {[]string{"sh", "-c", "stty raw -echo; echo up; exit 0"}, nil, 0},
		"killed":    {[]string{"sh", "-c", "stty raw -echo; echo up; kill -9 $$"}, nil, 137},
		"budget":    {[]string{"-trigger", trigger, "sh", "-c", "stty raw -echo; echo up; sleep 1000"}, func(*console) { fire(t, trigger) }, 121},
		"TERM":      {[]string{"sh", "-c", "stty raw -echo; echo up; sleep 1000"}, func(c *console) { c.cmd.Process.Signal(unix.SIGTERM) }, 143},
		"panic":     {[]string{"-trigger", trigger, "-panic", "sh", "-c", "stty raw -echo; echo up; sleep 1000"}, func(*console) { fire(t, trigger) }, 2},
		"not found": {[]string{"no-such-program"}, nil, 127},
	} {
		t.Run(name, func(t *testing.T) {
			con := onTerminal(t, c.args...)
			tty, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", con.slave.Fd()), os.O_RDWR|unix.O_NOCTTY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer tty.Close()
			if c.end != nil {
				con.expect("up")
				c.end(con)
			}
			<-con.exited
			if code := exitCode(statusOf(con)); code != c.code {
				t.Errorf("exit %d, want %d; %q", code, c.code, con.text())
			}
			eventually(t, "the terminal is as it was", func() bool { return con.termiosOf(tty) == con.before })
		})
	}
}

func TestCase10_ScreenModesAreUndoneAfterAKill(t *testing.T) {
	const on = `\033[?1049h\033[?25l\033[?1002;1006h\033[?2004h\033[>1u\033[31m`
	undo := []string{"\x1b[?1049l", "\x1b[?25h", "\x1b[?1002l", "\x1b[?1006l", "\x1b[?2004l", "\x1b[<1u", "\x1b[m"}
	c := onTerminal(t, "sh", "-c", "printf '"+on+"up'; kill -9 $$")
	c.wait()
	_, after, _ := strings.Cut(c.text(), "up")
	for _, text := range undo {
		if !strings.Contains(after, text) {
			t.Errorf("%q is missing in %q", text, after)
		}
	}
	polite := onTerminal(t, "sh", "-c", `printf '`+on+`up\033[m\033[<u\033[?2004l\033[?1002;1006l\033[?25h\033[?1049ldone'; kill -9 $$`)
	polite.wait()
	if !strings.HasSuffix(polite.text(), "done") {
		t.Errorf("a polite child got %q", polite.text())
	}
}

func TestCase13_InterruptReachesTheChildOnce(t *testing.T) {
	// A bash that was about to read when the signal came would run its trap only after a line.
	c := onTerminal(t, "bash", "-c", `n=0; trap 'n=$((n+1)); echo "int $n"' INT; echo up; while test $n = 0; do sleep 0.05; done; while read -r line; do test "$line" = end && exit $((10+n)); done; while read -r line; do test "$line" = end && exit $((10+n)); done`)
	c.expect("up")
	c.send("\x03")
	c.expect("int 1")
	c.send("end\n")
	if code := exitCode(c.wait()); code != 11 {
		t.Errorf("exit %d, %q", code, c.text())
	}
}

func TestCase14_InterruptsThatAreIgnored(t *testing.T) {
	c := onTerminal(t, "sh", "-c", `trap '' INT; echo up; read line; exit 3`)
	c.expect("up")
	for range 3 {
		c.send("\x03")
		c.expect("^C")
	}
	c.send("\n")
	if code := exitCode(c.wait()); code != 3 {
		t.Errorf("exit %d, %q", code, c.text())
	}
}

func TestCase15_Quit(t *testing.T) {
	c := onTerminal(t, "sh", "-c", `echo up; exec sleep 1000`)
	c.expect("up")
	c.send("\x1c")
	if ws := c.wait(); !ws.Signaled() || ws.Signal() != unix.SIGQUIT || ws.CoreDump() {
		t.Errorf("%v, core %v, %q", ws, ws.CoreDump(), c.text())
	}
}

func TestCase20_Resize(t *testing.T) {
	c := onTerminal(t, "env", "AEX_TEST_MAIN=sizes", os.Args[0])
	c.expect("up 24 80.")
	pty.Setsize(c.slave, &pty.Winsize{Rows: 33, Cols: 99})
	c.expect("winch 33 99.")
	c.send("\n")
	c.wait()
	if n := strings.Count(c.text(), "winch"); n != 1 {
		t.Errorf("%d times told: %q", n, c.text())
	}
}

func TestCase36_TerminalThatNobodyReads(t *testing.T) {
	mark, trigger := marked(t), fifo(t)
	c := onTerminal(t, "-trigger", trigger, "yes", mark)
	c.expect(mark)
	c.pause(true)
	pid := c.cmd.Process.Pid
	peak := peakMemory(t, pid)
	fire(t, trigger)
	eventually(t, "the child is gone", func() bool {
		pids := carriers(mark)
		return len(pids) == 1 && pids[0] == pid || len(pids) == 0
	})
	if peak > 64<<10 {
		t.Errorf("peak resident set is %d KiB", peak)
	}
	c.pause(false)
	if code := exitCode(c.wait()); code != 121 {
		t.Errorf("exit %d", code)
	}
}

func TestCase38_PasswordPrompt(t *testing.T) {
	c := openConsole(t, func(cmd *exec.Cmd, _ *os.File) { cmd.Stdin = strings.NewReader("piped\n") }, os.Args[0], "bash", "-c",
		`read -r line; read -rsp "password: " pw </dev/tty 2>/dev/tty; echo; echo "got $line and $pw"`)
	c.expect("password: ")
	c.send("secret\n")
	c.expect("got piped and secret")
	if code := exitCode(c.wait()); code != 0 {
		t.Errorf("exit %d", code)
	}
	if strings.Count(c.text(), "secret") != 1 {
		t.Errorf("the password was echoed: %q", c.text())
	}
}

func TestForcedTerminalWithoutOne(t *testing.T) {
	out, errs, ws := run(t, "input\n", "-tty=force", "sh", "-c", "cat; test -t 1 && test -t 2 && stty size </dev/tty; echo err >&2")
	if out != "input\n24 80\nerr\n" || errs != "" || exitCode(ws) != 0 {
		t.Errorf("%q, %q, %v", out, errs, ws)
	}
}

func TestNoTerminalOnRequest(t *testing.T) {
	c := shell(t)
	c.send("test $(tty) = $(\"$AEX\" -tty=never tty) && echo the same one\n")
	c.expect("the same one\r\n")
	c.send("\"$AEX\" -tty=never cat\n")
	c.send("hello\n")
	c.expect("hello")
	c.expect("hello")
	c.send("\x1a")
	c.expect("Stopped")
	c.send("fg\n")
	c.send("again\n")
	c.expect("again")
	c.expect("again")
	c.send("\x03")
	c.expect("ready> ")
	c.send("echo \"rc=$?\"\n")
	c.expect("rc=130")
}

// What aex writes comes at once, but not into an escape sequence of the program's.
func TestTitleAndNotice(t *testing.T) {
	told := fifo(t)
	c := onTerminal(t, "-told", told, "-title", "aex $0.01", "-notice", "aex: take care", "sh", "-c", "printf '\\033[3'; read _; printf '1mred'; read _")
	c.expect("\x1b[3")
	if err := os.WriteFile(told, nil, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "aex has a title and a notice", func() bool {
		_, err := os.Stat(told)
		return err != nil
	})
	c.send("\n")
	if between := c.expect("1m"); strings.Trim(between, "\r\n") != "" {
		t.Errorf("an escape sequence was torn by %q", between)
	}
	c.expect("aex: take care\r\n")
	c.send("\n")
	c.wait()
	if text := c.text(); !strings.Contains(text, "\x1b[22;2t\x1b]2;aex $0.01\x1b\\") || !strings.HasSuffix(text, "\x1b[23;2t") {
		t.Errorf("the title is not there, or not taken back: %q", text)
	}

	c = onTerminal(t, "-notice", "aex: take care", "sh", "-c", "read _")
	c.expect("aex: take care\r\n")
	c.send("\n")
	c.wait()
	_, errs, _ := run(t, "", "-title", "x", "-notice", "aex: take care", "true")
	if errs != "aex: take care\n" {
		t.Errorf("without a terminal: %q", errs)
	}
}
