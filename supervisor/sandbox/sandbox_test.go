//go:build linux

package sandbox

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// tries are system calls that a level answers in its own way.
var tries = map[string]func() error{
	"tcp":       func() error { return dialSocket(unix.AF_INET, unix.SOCK_STREAM, 0) },
	"udp":       func() error { return dialSocket(unix.AF_INET, unix.SOCK_DGRAM, 0) },
	"udp6":      func() error { return dialSocket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) },
	"mptcp":     func() error { return dialSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP) },
	"sctp":      func() error { return dialSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP) },
	"raw":       func() error { return dialSocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
	"packet":    func() error { return dialSocket(unix.AF_PACKET, unix.SOCK_RAW, 0) },
	"vsock":     func() error { return dialSocket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) },
	"high-bits": func() error { return highBits() },
	"unix":      func() error { return dialSocket(unix.AF_UNIX, unix.SOCK_STREAM, 0) },
	"netlink":   func() error { return dialSocket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE) },
	"uring": func() error {
		var params [120]byte
		_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params[0])), 0)
		return orNil(errno)
	},
	"ptrace": func() error { return unix.PtraceSeize(os.Getppid()) },
	"tiocsti": func() error {
		c := byte('x')
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, 1<<32|unix.TIOCSTI, uintptr(unsafe.Pointer(&c)))
		return orNil(errno)
	},
	"keyctl": func() error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); return err },
	"fastopen": func() error {
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		return unix.Sendto(s, []byte("x"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}})
	},
	"caps": func() error {
		status, err := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "CapEff") || strings.HasPrefix(line, "CapPrm") || strings.HasPrefix(line, "CapAmb") || strings.HasPrefix(line, "NoNewPrivs") {
				fmt.Print(line)
			}
		}
		return err
	},
	"mount":  func() error { return unix.Mount("tmpfs", "/mnt", "tmpfs", 0, "") },
	"umount": func() error { return unix.Unmount(os.Getenv("COVERED"), unix.MNT_DETACH) },
}

func dialSocket(family, kind, protocol int) error {
	s, err := unix.Socket(family, kind, protocol)
	if err == nil {
		unix.Close(s)
	}
	return err
}

// highBits asks for a datagram socket with a bit in the half of the argument that the kernel does not look at.
func highBits() error {
	_, _, errno := unix.Syscall(unix.SYS_SOCKET, 1<<32|unix.AF_INET, unix.SOCK_DGRAM, 0)
	return orNil(errno)
}

func TestSystemCallsOfEachLevel(t *testing.T) {
	needFull(t)
	const ok = "done"
	for _, c := range []struct{ try, full, network string }{
		{"tcp", ok, ok}, {"unix", ok, ok}, {"netlink", ok, ok},
		{"udp", ok, "permission denied"}, {"udp6", ok, "permission denied"},
		{"mptcp", ok, "permission denied"}, {"sctp", "", "permission denied"},
		{"raw", "operation not permitted", "permission denied"},
		{"packet", "permission denied", "permission denied"},
		{"vsock", "permission denied", "permission denied"},
		{"high-bits", "permission denied", "permission denied"},
		{"uring", "function not implemented", "function not implemented"},
		{"tiocsti", "operation not permitted", "operation not permitted"},
		{"keyctl", "operation not permitted", "operation not permitted"},
		{"ptrace", "", "operation not permitted"},
		{"fastopen", "", "operation not permitted"},
	} {
		for level, want := range map[Level]string{Full: c.full, Network: c.network} {
			if got := output(t, plan{Level: level}, os.Args[0], c.try); want != "" && got != want {
				t.Errorf("%s at level %s: %q, not %q", c.try, level, got, want)
			}
		}
	}
}

// A listening socket that was made inside is served from outside.
func TestListenerOfTheInside(t *testing.T) {
	needFull(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "")
	cmd := sandboxed(t, plan{Level: Full, Listen: true}, "sh", "-c", `read line; exec 9<>/dev/tcp/127.0.0.1/$line; cat <&9`)
	cmd.Args = append([]string{cmd.Args[0], "bash"}, cmd.Args[2:]...)
	cmd.ExtraFiles = []*os.File{theirs}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), rights, 0)
	if err != nil || n == 0 {
		t.Fatalf("no listener: %v: %s", err, out.String())
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(os.NewFile(uintptr(fds[0]), ""))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fmt.Fprintln(stdin, l.Addr().(*net.TCPAddr).Port)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "from outside")
	conn.Close()
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "from outside") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestCovers(t *testing.T) {
	needFull(t)
	dir := t.TempDir()
	home, keys, link := filepath.Join(dir, "ho me"), filepath.Join(dir, ".env"), filepath.Join(dir, "link")
	for _, err := range []error{
		os.Mkdir(home, 0o700), os.WriteFile(filepath.Join(home, "aex.db"), []byte("secret"), 0o600),
		os.WriteFile(keys, []byte("KEY=secret\nOTHER=1\n"), 0o600), os.Symlink(home, link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := plan{Level: Full, Covers: []Cover{{Path: link, Must: true}, {Path: keys, Text: []byte("OTHER=1\n")}, {Path: filepath.Join(dir, "none")}}}
	script := `cd "$1"; cat .env; ls -A 'ho me' | wc -l; { echo x >>.env; } 2>&1; { echo x >'ho me/x'; } 2>&1; mv 'ho me' y 2>&1; rm .env 2>&1; true`
	got := output(t, p, "sh", "-c", script, "sh", dir)
	if !strings.HasPrefix(got, "OTHER=1\n0\n") || strings.Contains(got, "secret") {
		t.Errorf("inside: %s", got)
	}
	if n := strings.Count(got, "ead-only file system") + strings.Count(got, "usy") + strings.Count(got, "denied"); n != 4 {
		t.Errorf("%d of 4 changes were refused: %s", n, got)
	}
	if text, err := os.ReadFile(keys); err != nil || !strings.Contains(string(text), "secret") {
		t.Errorf("outside: %s %v", text, err)
	}
	t.Setenv("COVERED", home)
	if got := output(t, p, os.Args[0], "umount"); got != "operation not permitted" {
		t.Errorf("unmounting a cover: %s", got)
	}
	if got := output(t, p, os.Args[0], "mount"); got != "operation not permitted" {
		t.Errorf("mounting: %s", got)
	}
	p.Covers = []Cover{{Path: filepath.Join(dir, "none"), Must: true}}
	if out, err := sandboxed(t, p, "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "no such file") {
		t.Errorf("hiding what is not there: %v: %s", err, out)
	}
}

// A namespace that the program makes has all capabilities in it, and takes no cover away.
func TestCoversInNamespaceOfTheProgramsOwn(t *testing.T) {
	needFull(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "aex.db"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := plan{Level: Full, Covers: []Cover{{Path: dir}}}
	script := `umount "$1"; mkdir -p /tmp/aex-view; mount --bind "${1%/*}" /tmp/aex-view; mount --rbind "${1%/*}" /tmp/aex-view; cat "$1/aex.db" /tmp/aex-view/*/aex.db; mount -o remount,rw "$1"; ls -R /tmp/aex-view`
	out, _ := sandboxed(t, p, "unshare", "-Urm", "sh", "-c", script, "sh", dir).CombinedOutput()
	if strings.Contains(string(out), "secret") || strings.Contains(string(out), "aex.db\n") {
		t.Errorf("a cover was taken away:\n%s", out)
	}
}

func TestProcessesOfTheOutsideAreNotSeen(t *testing.T) {
	needFull(t)
	if got := output(t, plan{Level: Full}, "sh", "-c", "ls -d /proc/[0-9]* | wc -l"); got != "4" && got != "3" {
		t.Errorf("%s processes are seen", got)
	}
	for _, path := range []string{"/sys/fs/cgroup/aex-test", "/sys/x"} {
		if got := output(t, plan{Level: Full}, "sh", "-c", "mkdir "+path+" 2>&1 || true"); !strings.Contains(got, "ead-only") && !strings.Contains(got, "No such file") && !strings.Contains(got, "not permitted") {
			t.Errorf("mkdir %s: %s", path, got)
		}
	}
}

func TestCapabilitiesAreGone(t *testing.T) {
	needFull(t)
	want := "0000000000000000"
	if os.Geteuid() == 0 {
		want = "00000000800004fb"
	}
	got := output(t, plan{Level: Full}, os.Args[0], "caps")
	for _, line := range []string{"CapPrm:\t" + want, "CapEff:\t" + want, "CapAmb:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in %s", line, got)
		}
	}
}

func TestRootCannotChangeTheMachine(t *testing.T) {
	need.Root(t, "what root can reach")
	needFull(t)
	script := `for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/kernel/modprobe /sys/kernel/uevent_helper; do test -w $f && { : >>$f; } 2>/dev/null && echo "$f is open"; done
for d in $(find /dev -type b) $(find /dev -type c -path "*/vcs*" -o -type c -path "*/*control*" -o -type c -path "*/sg*"); do head -c 1 "$d" >/dev/null 2>&1 && echo "$d is open"; done
mknod /tmp/aex-node b 254 0 2>/dev/null && echo mknod; chown 12 "$1" || echo chown; echo x >/dev/null || echo null; true`
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := output(t, plan{Level: Full}, "sh", "-c", script, "sh", file); got != "" {
		t.Error(got)
	}
}

// In a namespace of cgroups of its own a program can mount those of the machine anew, and freeze or end what is in them.
func TestCgroupsOfTheMachine(t *testing.T) {
	needFull(t)
	script := `unshare -UrmC sh -c 'mount -t cgroup2 c /mnt || mount -t cgroup -o freezer c /mnt; for f in /mnt/cgroup.procs /mnt/tasks; do test -w $f && echo "$f can be written"; done; true'
unshare -Ur true || echo no namespaces at all`
	if got := output(t, plan{Level: Full}, "sh", "-c", "{ "+script+"; } 2>/dev/null"); got != "" {
		t.Error(got)
	}
	if got := output(t, plan{Level: Full}, "sh", "-c", "(python3 -c 'import threading as t; x=t.Thread(target=print); x.start(); x.join()' && sh -c 'exec true') | wc -l"); got != "1" {
		t.Errorf("threads and programs: %s", got)
	}
}

func TestFilterAssembles(t *testing.T) {
	for _, level := range []Level{Full, Network} {
		for _, p := range policies(Bounds{Level: level, NoCgroups: true}) {
			if _, err := p.Assemble(); err != nil {
				t.Errorf("%s on %s: %v", level, runtime.GOARCH, err)
			}
		}
	}
}

func orNil(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
