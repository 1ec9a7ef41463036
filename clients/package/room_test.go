//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dist is what make dist made.
var dist string

func TestMain(m *testing.M) {
	if os.Getenv("AEX_ROOM") != "" {
		fmt.Fprintln(os.Stderr, enterRoom())
		os.Exit(99)
	}
	dist = os.Getenv("AEX_DIST")
	if dist == "" || os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "run this by: make dist-check")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// room runs a script as somebody would who has this machine without Go: a
// root of its own over the machine's, thrown away afterwards, processes and a
// network of its own. /dist is what was built, /repository the source.
func room(t *testing.T, script string, env ...string) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	repository, err := filepath.Abs("../..")
	must(t, err)
	cmd := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", self)
	cmd.Env = append(env, "AEX_ROOM="+script, "AEX_ROOM_BASE="+t.TempDir(), "AEX_DIST="+dist, "AEX_REPOSITORY="+repository,
		"GOROOT="+runtime.GOROOT(), "HOME="+os.Getenv("HOME"), "PATH="+os.Getenv("PATH"))
	cmd.WaitDelay = 10 * time.Second
	stop := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// roomPath is where a room looks for commands.
const roomPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// enterRoom is the other side: it makes the root and becomes the shell.
func enterRoom() error {
	base := os.Getenv("AEX_ROOM_BASE")
	root := base + "/root"
	if err := unix.Mount("room", base, "tmpfs", 0, "size=3g"); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	for _, dir := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(base+"/"+dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("room", root, "overlay", 0, "lowerdir=/,upperdir="+base+"/upper,workdir="+base+"/work"); err != nil {
		return fmt.Errorf("mounting an overlay: %w", err)
	}
	for _, dir := range []string{"dist", "repository", "home/reader", "tmp"} {
		if err := os.MkdirAll(root+"/"+dir, 0o755); err != nil {
			return err
		}
	}
	for _, dir := range filepath.SplitList(roomPath) { // some machines have links to their Go there
		for _, tool := range []string{"go", "gofmt"} {
			if err := os.Remove(filepath.Join(root, dir, tool)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	for _, m := range []struct {
		from, to, kind string
		flags          uintptr
	}{
		{"proc", "/proc", "proc", 0},
		{"/dev", "/dev", "", unix.MS_BIND | unix.MS_REC},
		{"/sys", "/sys", "", unix.MS_BIND | unix.MS_REC},
		{os.Getenv("AEX_DIST"), "/dist", "", unix.MS_BIND},
		{os.Getenv("AEX_REPOSITORY"), "/repository", "", unix.MS_BIND},
		{"tmp", "/tmp", "tmpfs", 0},
		{"none", os.Getenv("GOROOT"), "tmpfs", 0},
		{"none", os.Getenv("HOME") + "/go", "tmpfs", 0},
		{"none", os.Getenv("HOME") + "/.cache", "tmpfs", 0},
	} {
		if m.from == "none" {
			if _, err := os.Stat(root + m.to); err != nil {
				continue
			}
		}
		if err := unix.Mount(m.from, root+m.to, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.to, err)
		}
	}
	if err := loopback(); err != nil {
		return err
	}
	if err := syscall.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/home/reader"); err != nil {
		return err
	}
	return becomeShell()
}

// becomeShell runs the script with a plain environment, beside the registry
// that npm asks.
func becomeShell() error {
	l, err := net.Listen("tcp", "127.0.0.1:4873")
	if err != nil {
		return err
	}
	go serveNPM(l)
	cmd := exec.Command("/bin/sh", "-euc", "if command -v go >/dev/null; then echo there is a Go here; exit 98; fi\n"+os.Getenv("AEX_ROOM"))
	cmd.Env = []string{"PATH=" + roomPath, "HOME=/home/reader", "LANG=C.UTF-8"}
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "PIP_") || strings.HasPrefix(name, "npm_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	os.Exit(0)
	return nil
}

// loopback brings up lo, which is down in a new network.
func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// has fails unless the output has each of the words.
func has(t *testing.T, out string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("%q is not in:\n%s", w, out)
		}
	}
}

// ofDist is the one file of dist that a pattern names; the test is skipped
// where the release was made for other targets (TARGETS).
func ofDist(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist, pattern))
	must(t, err)
	if len(found) == 0 {
		t.Skipf("NOT TESTED: %s is not in dist; it was made for other targets", pattern)
	}
	return found[0]
}

// line is the line of a page's shell blocks that begins so: what a reader
// types is what is tested.
func line(t *testing.T, page, begins string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", page))
	must(t, err)
	for l := range strings.Lines(string(text)) {
		if strings.HasPrefix(l, begins) {
			return strings.TrimSpace(l)
		}
	}
	t.Fatalf("%s has no line that begins with %q", page, begins)
	return ""
}

// missing ends a test that cannot be done here, by the rule of internal/need,
// which another module's tests are not built with: in CI it fails.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT TESTED: "+format, args...)
	}
	t.Skipf("NOT TESTED: "+format, args...)
}
