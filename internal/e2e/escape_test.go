//go:build linux

package e2e

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/internal/need"
)

// openAtNetworkLevel are the ways that docs/sandbox.md lists as open at the
// network level: those that surely are, and those that are on some machines.
func openAtNetworkLevel(t *testing.T) (surely, some []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/sandbox.md")
	must(t, err)
	_, text, _ = bytes.Cut(text, []byte("### At the network level"))
	_, text, _ = bytes.Cut(text, []byte("```text\n"))
	text, _, found := bytes.Cut(text, []byte("```"))
	if !found {
		t.Fatal("docs/sandbox.md lists no ways")
	}
	to := &surely
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "open:"):
			to = &surely
		case strings.HasPrefix(line, "some:"):
			to = &some
		}
		for _, word := range strings.Fields(line) {
			if wayName.MatchString(word) {
				*to = append(*to, word)
			}
		}
	}
	return surely, some
}

// wayName tells a way from a word.
var wayName = regexp.MustCompile(`^(go|py|sh)-[a-z0-9-]+$`)

// control is the way that is let out on purpose: without it nothing was tried.
const control = "py-control"

// unconfined are ways that do get out where there is no sandbox: by them a suite
// that could not fail would be seen.
var unconfined = strings.Fields(`
	go-tcp-loopback go-tcp-name go-tcp-ipv6 go-tcp-mapped go-udp go-udp-ipv6 go-abstract go-socket-file go-socket-datagram go-socket-agent go-socket-docker
	go-socket-tmux go-socket-x11 go-socket-dbus go-provider-direct go-tcp-raw-call go-tcp-high-bits go-inherited go-netlink-diag
	go-signal-victim go-signal-aex go-pidfd go-proc-environ go-proc-list go-home go-home-by-dots go-hidden go-env-file go-ledger-write go-owner-locks
	go-hard-link go-rename-home go-shared-memory go-setuid py-dns-udp py-dns-tcp py-tcp py-abstract py-bind-then-connect py-passed-descriptor
	sh-tcp sh-tcp-name sh-udp sh-home sh-home-list sh-hidden sh-env-file sh-environ sh-ps sh-kill sh-kill-aex sh-touch-home sh-ledger-read
	sh-setuid-helper sh-same-network go-provider-name go-socket-relative go-listen go-bind go-owner-lock-take`)

// needFull skips where the full level cannot be had. In CI it has to be.
func needFull(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(binary, "doctor", "--sandbox").CombinedOutput(); err != nil {
		need.Missing(t, "the full sandbox cannot be had here:\n%s", out)
	}
}

func TestNoWayOutOfTheFullLevel(t *testing.T) {
	needFull(t)
	judge(t, escape(t, "require"), nil)
}

// The network level is had where user namespaces are off: in a namespace of the
// test's own.
func TestWaysOutOfTheNetworkLevel(t *testing.T) {
	unshare := need.Unshare(t, "-Ur")
	got := escape(t, "auto", unshare, "-Ur", "sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"`, "sh")
	if !strings.Contains(got.text, "sandbox: the network level only: user namespaces are off") {
		t.Fatalf("this is not the network level: %s", got.text)
	}
	surely, some := openAtNetworkLevel(t)
	judge(t, got, slices.Concat(surely, some))
	for _, name := range surely {
		if !got.out[name] {
			t.Errorf("docs/sandbox.md says that %s is open, and it is not", name)
		}
	}
}

// Without a sandbox most ways lead out: so the suite can fail.
func TestWaysOutWithoutSandbox(t *testing.T) {
	got := escape(t, "off")
	open := unconfined
	if os.Getuid() == 0 { // as a user there is nobody whose program it could be
		open = append(slices.Clone(open), "go-setuid-program")
	}
	for _, name := range open {
		if !got.out[name] {
			t.Errorf("%s does not get out of no sandbox at all: it tests nothing", name)
		}
	}
	if t.Failed() {
		t.Log(got.text)
	}
}

// reports are what a suite of ways printed and what the witnesses heard.
type reports struct {
	tried, out map[string]bool
	text       string
}

// escape runs all ways in aex run with a mode of its sandbox, behind prefix.
func escape(t *testing.T, mode string, prefix ...string) reports {
	t.Helper()
	python, bash := need.Tool(t, "python3"), need.Tool(t, "bash")
	s := newStage(t, fakeprovider.Options{})
	w := newSpy(t)
	o := furnishOutside(t, s, w)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ways, err := filepath.Abs("testdata/escape")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`AEX_E2E_ROLE=escape '%s'; '%s' '%s/ways.py'; '%s' '%s/ways.sh'`, self, python, ways, bash, ways)
	args := append(slices.Clone(prefix), binary, "run", "--budget", "1", "--env-file", o.EnvFile, "--sandbox="+mode)
	if mode != "off" {
		front := ":" + strconv.Itoa(o.Tunnel)
		args = append(args, "--hide", o.Hidden, "--allow-host", "*", "--allow-host", "localhost"+front, "--allow-host", "127.0.0.1"+front)
	}
	args = append(args, "--", bash, "-c", script)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(s.environ(), "SSH_AUTH_SOCK="+o.Paths["agent"], "DOCKER_HOST=unix://"+o.Paths["docker"], "DBUS_SESSION_BUS_ADDRESS=unix:path="+o.Paths["dbus"], "TMUX="+o.Paths["tmux"]+",1,0")
	cmd.Env = slices.DeleteFunc(cmd.Env, func(e string) bool { return strings.HasPrefix(e, "OPENAI_API_KEY=") })
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	inherited, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(o.Port))
	if err != nil {
		t.Fatal(err)
	}
	file, err := inherited.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = make([]*os.File, 50)
	for _, i := range []int{0, 1, 20, 49} { // beside what aex opens itself, and beyond it
		cmd.ExtraFiles[i] = file
	}
	o.Aex = os.Getpid() // as good as aex itself, and there before it
	told, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "ESCAPE="+string(told), "PORT="+strconv.Itoa(o.Port), "HOMEDIR="+o.Home, "HIDDEN="+o.Hidden, "ENVFILE="+o.EnvFile,
		"VICTIM="+strconv.Itoa(o.Victim), "AEXPID="+strconv.Itoa(o.Aex), "AEX="+binary, "REAL="+realKey, "OUTSIDE_NET="+o.Network)
	r := finish(t, cmd)
	file.Close()
	inherited.Close()
	got := reports{map[string]bool{}, w.heard(), r.stdout + r.stderr}
	got.read(r.stdout)
	if r.code != 0 {
		t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if err := unix.Kill(o.Victim, 0); err != nil {
		t.Errorf("the victim outside has ended: %v", err)
	}
	return got
}

// read takes in what the ways themselves printed.
func (r reports) read(stdout string) {
	for line := range strings.Lines(stdout) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 1 && fields[0] == "TRIED":
			r.tried[fields[1]] = true
		case len(fields) > 1 && fields[0] == "OUT":
			r.out[fields[1]] = true
		}
	}
}

// everyGoWay are those of this language.
func everyGoWay() []way { return slices.Concat(networkWays(), systemWays(), moreWays()) }

// allWays are the names of the ways of all three languages, from their sources:
// one that is no longer tried fails the suite.
func allWays(t *testing.T) (all []string) {
	t.Helper()
	for _, w := range everyGoWay() {
		all = append(all, w.name)
	}
	listed, err := os.ReadFile("testdata/escape/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	return append(all, strings.Fields(string(listed))...)
}

// judge compares what got out with what may.
func judge(t *testing.T, got reports, open []string) {
	t.Helper()
	all := allWays(t)
	if len(all) < 100 {
		t.Errorf("only %d ways are left", len(all))
	}
	for _, name := range open {
		if !slices.Contains(all, name) {
			t.Errorf("docs/sandbox.md lists %s, which is not tried", name)
		}
	}
	for _, name := range all {
		if !got.tried[name] {
			t.Errorf("%s is no longer tried", name)
		}
		if got.out[name] && name != control && !slices.Contains(open, name) {
			t.Errorf("%s got out", name)
		}
	}
	for name := range got.tried {
		if !slices.Contains(all, name) {
			t.Errorf("%s is tried and not listed", name)
		}
	}
	if !got.out[control] {
		t.Errorf("what --allow-host lets out did not come out: nothing was tried")
	}
	if t.Failed() {
		t.Log(got.text)
	}
}

// spy listens outside for ways that got out.
type spy struct {
	mu        sync.Mutex
	names     map[string]bool
	listeners []net.Listener
	accepting sync.WaitGroup
	served    sync.WaitGroup // Go only while accepting
}

func newSpy(t *testing.T) *spy {
	return &spy{names: map[string]bool{}}
}

// conditional is the mark of a way that is out only where a text has come out too.
var conditional = regexp.MustCompile(`way-if:([0-9a-f]+):([a-z0-9-]+);`)

func (w *spy) note(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range conditional.FindAllStringSubmatch(string(data), -1) {
		if text, err := hex.DecodeString(m[1]); err == nil && bytes.Contains(data, text) {
			w.names[m[2]] = true
		}
	}
	for part := range strings.SplitSeq(string(data), "way:") {
		if name, _, ok := strings.Cut(part, ";"); ok && len(name) < 40 && !strings.ContainsAny(name, " \r\n") {
			w.names[name] = true
		}
	}
}

// heard is what got out. Connections that wait to be accepted are heard, too.
func (w *spy) heard() map[string]bool {
	for _, l := range w.listeners {
		_ = l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(200 * time.Millisecond))
	}
	w.accepting.Wait()
	w.served.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names
}

// accept notes what comes to a listener. An answer lets the other side go on.
func (w *spy) accept(t *testing.T, l net.Listener) {
	t.Cleanup(func() { l.Close() })
	w.listeners = append(w.listeners, l)
	w.accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.served.Go(func() {
				defer c.Close()
				all := []byte{}
				buf := make([]byte, 16<<10)
				for {
					c.SetReadDeadline(time.Now().Add(20 * time.Second))
					n, err := c.Read(buf)
					all = append(all, buf[:n]...)
					w.note(all)
					if err != nil {
						return
					}
					if strings.HasPrefix(string(all), "GET ") || strings.HasPrefix(string(all), "POST ") {
						fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					}
				}
			})
		}
	})
}

func (w *spy) packets(t *testing.T, c net.PacketConn) {
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			w.note(buf[:n])
		}
	}()
}
