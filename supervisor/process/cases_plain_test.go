//go:build linux

package process

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
	"golang.org/x/sys/unix"
)

func TestCase01_ExitCodes(t *testing.T) {
	codes := []int{0, 1, 2, 42, 101, 121, 124, 125, 126, 127, 128, 137, 255}
	if os.Getenv("AEX_TEST_LONG") != "" {
		codes = codes[:0]
		for code := range 256 {
			codes = append(codes, code)
		}
	}
	for _, code := range codes {
		if _, _, ws := run(t, "", "sh", "-c", fmt.Sprintf("exit %d", code)); !ws.Exited() || ws.ExitStatus() != code {
			t.Errorf("exit %d became %v", code, ws)
		}
	}
}

func TestCase02_SignalsAreRaisedAgain(t *testing.T) {
	for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE, unix.SIGABRT, unix.SIGSEGV, unix.SIGUSR1} {
		_, _, ws := run(t, "", "sh", "-c", fmt.Sprintf("kill -%d $$", int(s)))
		if !ws.Signaled() || ws.Signal() != s || ws.CoreDump() {
			t.Errorf("%v became %v (core: %v)", s, ws, ws.CoreDump())
		}
	}
	if _, _, ws := run(t, "", "sh", "-c", "kill -9 $$"); !ws.Exited() || ws.ExitStatus() != 137 {
		t.Errorf("SIGKILL became %v", ws)
	}
}

func TestCase03_ProgramsThatDoNotStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		want []int
	}{
		{"no-such-program", []int{127}}, {"/no/such/program", []int{127}}, {"", []int{127}}, {"/etc/passwd", []int{126}}, {"/etc", []int{126}},
		{write("shebang", "#!/no/such/interpreter\n"), []int{126, 127}}, {write("garbage", "\x00\x01\x02\x03"), []int{126}},
	} {
		_, errs, ws := run(t, "", "--", c.name)
		ok := false
		for _, code := range c.want {
			ok = ok || exitCode(ws) == code
		}
		if !ok || !strings.HasPrefix(errs, "aex: ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: %v, %q", c.name, ws, errs)
		}
	}
}

func TestCase05_BytesThroughPipesAndFiles(t *testing.T) {
	random := make([]byte, 30<<20)
	rand.Read(random)
	file := filepath.Join(t.TempDir(), "random")
	if err := os.WriteFile(file, random, 0o600); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(random)
	for name, args := range map[string][]string{"argument": {"cat", file}, "stdin": {"cat"}} {
		cmd := aexCommand(t, args...)
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd.Stdin = in
		out, err := cmd.Output()
		if err != nil || sha256.Sum256(out) != want {
			t.Errorf("%s: %d bytes came, %v", name, len(out), err)
		}
	}
}

func TestCase06_BurstThroughPipe(t *testing.T) {
	size := int64(64 << 20)
	if os.Getenv("AEX_TEST_LONG") != "" {
		size = 1 << 30
	}
	cmd := aexCommand(t, "sh", "-c", fmt.Sprintf("head -c %d /dev/zero; exec >&-; read _", size))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, out, size); err != nil {
		t.Errorf("%d of %d bytes, %v", n, size, err)
	}
	peak := peakMemory(t, cmd.Process.Pid)
	in.Close()
	rest, err := io.Copy(io.Discard, out)
	if rest != 0 || err != nil {
		t.Errorf("%d bytes too many, %v", rest, err)
	}
	cmd.Wait()
	if peak > 64<<10 {
		t.Errorf("peak resident set is %d KiB", peak)
	}
}

func TestCase23_IgnoredSignalsStayIgnored(t *testing.T) {
	ignores := func(script string) string {
		cmd := aexCommand(t)
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", script}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return strings.TrimSpace(string(out))
	}
	// The C library's own two signals (32, 33) are whatever the caller of the
	// tests left them at.
	ours := func(line string) string {
		mask, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(line, "SigIgn:")), 16, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return fmt.Sprintf("SigIgn:\t%016x", mask&^(3<<31))
	}
	const show = ` "$AEX" grep SigIgn /proc/self/status`
	for name, c := range map[string]struct{ script, want string }{
		"plain": {show, "SigIgn:\t0000000000000000"},
		"nohup": {"trap '' HUP;" + show, "SigIgn:\t0000000000000001"},
		"both":  {"trap '' INT QUIT;" + show, "SigIgn:\t0000000000000006"},
		"&":     {show + " & wait", "SigIgn:\t0000000000000006"},
		"stop":  {"trap '' TSTP TTIN TTOU;" + show, "SigIgn:\t0000000000380000"},
	} {
		if got := ours(ignores(c.script)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestCase24_NoSignalIsBlocked(t *testing.T) {
	out, _, _ := run(t, "", "grep", "SigBlk", "/proc/self/status")
	if out != "SigBlk:\t0000000000000000\n" {
		t.Error(out)
	}
}

func TestCase35_ReaderThatLeaves(t *testing.T) {
	cmd := aexCommand(t)
	cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", `"$AEX" yes | head -1; echo "${PIPESTATUS[0]}"`}
	out, err := cmd.Output()
	if err != nil || string(out) != "y\n141\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestCase37_EndOfInput(t *testing.T) {
	if out, _, _ := run(t, "x", "wc", "-c"); strings.TrimSpace(out) != "1" {
		t.Errorf("wc: %q", out)
	}
	if out, _, ws := run(t, "", "cat"); out != "" || exitCode(ws) != 0 {
		t.Errorf("cat: %q, %v", out, ws)
	}
	cmd := aexCommand(t)
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", `"$AEX" sh -c 'cat; echo done' <&-`}
	if out, err := cmd.Output(); err != nil || string(out) != "done\n" {
		t.Errorf("closed input: %q, %v", out, err)
	}
}

// Descriptors that the caller passes on reach the child under their own numbers, and aex's own do not.
func TestDescriptorsAreThoseOfTheCaller(t *testing.T) {
	cmd := aexCommand(t, "-id", "descriptors")
	cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", `
		exec 3<<<three 7<<<seven
		"$AEX" sh -c 'cat <&3; cat <&7; cat "$1"; for fd in /proc/$$/fd/*; do readlink $fd; done' sh <(echo sixty)`}
	out, err := cmd.Output()
	if !strings.HasPrefix(string(out), "three\nseven\nsixty\n") || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	for _, own := range []string{"socket:", "ptmx", "cgroup", "anon_inode"} {
		if strings.Contains(string(out), own) {
			t.Errorf("the child has aex's own %s: %q", own, out)
		}
	}
}

func TestCase44_NoProc(t *testing.T) {
	notInSandbox(t, "the sandbox says so in its own words")
	unshare := need.Unshare(t, "-m")
	cmd := aexCommand(t)
	cmd.Path, cmd.Args = unshare, []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /proc && exec "$AEX" true`}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.Run()
	if cmd.ProcessState.ExitCode() != 125 || !strings.Contains(errs.String(), "/proc") {
		t.Errorf("%v, %q", cmd.ProcessState, errs.String())
	}
}

func TestCase43_FirstProcessOfAContainer(t *testing.T) {
	notInSandbox(t, "inside, number 1 is the monitor")
	unshare := need.Unshare(t, "-Urpf", "--mount-proc")
	cmd := aexCommand(t)
	cmd.Path, cmd.Args = unshare, []string{"unshare", "-Urpf", "--mount-proc", os.Args[0], "sh", "-c", `
		for i in 1 2 3 4 5; do (true & exec true) & done; wait
		trap 'echo got it; exit 7' TERM; kill -TERM 1; while :; do sleep 0.05; done`}
	out, err := cmd.Output()
	if string(out) != "got it\n" || cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("%q, %v", out, err)
	}
}
