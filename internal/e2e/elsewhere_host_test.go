//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// host is another machine: a network of its own, from which a cable leads to
// each gateway and nothing else, names, processes and files of its own. It sees
// no file below this machine's temporary folder, where homes of the tests are.
type host struct {
	*stage          // of a runner
	dir    string   // inside: a folder for programs, with its home and its work
	pid    int      // here, of its first process
	cables []*cable // one for each gateway
}

// cable is a network between a gateway and a host.
type cable struct {
	t           *testing.T
	host        int // its first process
	here, there string
	gate, addr  netip.Addr
}

var cables atomic.Int32

// bootScript makes a host in namespaces that are new: its folder, with others in
// it, and the system's; a temporary folder, names and processes of its own.
const bootScript = `set -e
dir=$1 tmp=$2; shift 2
for pair; do mkdir -p "$dir/${pair%%=*}"; mount --bind "${pair#*=}" "$dir/${pair%%=*}"; done
mount --bind "$dir/etc-hosts" /etc/hosts
mount --bind "$dir/etc-resolv.conf" /etc/resolv.conf
mount --rbind "$dir" /mnt
mount -t tmpfs tmpfs "$tmp"
chmod 1777 "$tmp"
mkdir "$tmp/host"
mount --rbind /mnt "$tmp/host"
umount -R -l /mnt
ip link set lo up
echo up
exec sleep infinity`

// newHost is a machine with a cable to each of some gateways, which are told
// where to listen, with a token to open runs there. It sees some folders of this
// one, by other names: NAME=FOLDER; without them it has this binary as its bot.
func (s *stage) newHost(token string, gates []*gate, folders ...string) *host {
	t := s.t
	t.Helper()
	need.Root(t, "another host")
	for _, tool := range []string{"ip", "nsenter", "mount"} {
		need.Tool(t, tool)
	}
	need.Unshare(t, "--net", "--mount", "--pid", "--fork")
	dir := t.TempDir()
	authority := newAuthority(t)
	must(t, os.WriteFile(filepath.Join(dir, "ca.pem"), authority.pem, 0o644))
	for _, sub := range []string{"home", "work"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	copyFile(t, binary, filepath.Join(dir, "aex"))
	if len(folders) == 0 { // else those have its programs; this one knows the key
		copyFile(t, os.Args[0], filepath.Join(dir, "bot"))
	}
	must(t, os.WriteFile(filepath.Join(dir, "etc-resolv.conf"), []byte("nameserver 198.18.255.255\n"), 0o644))
	names := "127.0.0.1 localhost\n"
	h := &host{dir: filepath.Join(os.TempDir(), "host")}
	h.stage = &stage{t: t, home: filepath.Join(h.dir, "home", ".aex"), provider: s.provider, url: s.url}
	var urls []string
	for i, g := range gates {
		c := newCable(t)
		h.cables = append(h.cables, c)
		g.name, g.listen = fmt.Sprintf("gate%d.example.com", i+1), c.gate.String()
		g.cert, g.key = authority.issue(t, g.name)
		names += fmt.Sprintf("%s %s\n", c.gate, g.name)
		urls = append(urls, g.url())
	}
	must(t, os.WriteFile(filepath.Join(dir, "etc-hosts"), []byte(names), 0o644))
	h.boot(append([]string{dir, os.TempDir()}, folders...))
	h.env = []string{"AEX_GATEWAY=" + strings.Join(urls, ","), "AEX_TOKEN=" + token, "AEX_CA_FILE=" + filepath.Join(h.dir, "ca.pem")}
	for _, c := range h.cables {
		c.plug(h.pid)
	}
	return h
}

// boot starts the host's first process. The host ends with it.
func (h *host) boot(args []string) {
	t := h.t
	t.Helper()
	first := exec.Command("unshare", append([]string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", bootScript, "sh"}, args...)...)
	first.Env = []string{"PATH=" + os.Getenv("PATH")}
	first.Stderr = os.Stderr
	out, err := first.StdoutPipe()
	must(t, err)
	must(t, first.Start())
	t.Cleanup(func() {
		_ = first.Process.Kill()
		_ = first.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("the host says %q: %v", line, err)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", first.Process.Pid, first.Process.Pid))
	must(t, err)
	_, err = fmt.Sscan(string(children), &h.pid)
	must(t, err)
}

// newCable has addresses of the range that is kept for such tests, and this
// machine's end of it.
func newCable(t *testing.T) *cable {
	t.Helper()
	n := (os.Getpid()*16 + int(cables.Add(1))) % (1 << 14)
	base := netip.AddrFrom4([4]byte{198, byte(18 + n>>13), byte(n >> 5), byte(n << 3)})
	c := &cable{t: t, here: fmt.Sprintf("aex%dh", n), there: fmt.Sprintf("aex%dt", n), gate: base.Next(), addr: base.Next().Next()}
	if out, err := exec.Command("ip", "link", "add", c.here, "type", "veth", "peer", "name", c.there).CombinedOutput(); err != nil {
		need.Missing(t, "a cable between hosts: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", c.here).Run() }) // it may have gone with the host
	c.ip("addr", "add", c.gate.String()+"/29", "dev", c.here)
	c.ip("link", "set", c.here, "up")
	return c
}

func (c *cable) ip(args ...string) {
	c.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		c.t.Fatalf("ip %q: %v: %s", args, err, out)
	}
}

// inside is ip at the host.
func (c *cable) inside(args ...string) {
	c.t.Helper()
	full := append([]string{"-t", fmt.Sprint(c.host), "-n", "ip"}, args...)
	if out, err := exec.Command("nsenter", full...).CombinedOutput(); err != nil {
		c.t.Fatalf("ip %q at the host: %v: %s", args, err, out)
	}
}

func (c *cable) plug(host int) {
	c.t.Helper()
	c.host = host
	c.ip("link", "set", c.there, "netns", fmt.Sprint(host))
	c.inside("addr", "add", c.addr.String()+"/29", "dev", c.there)
	c.inside("link", "set", c.there, "up")
}

// cut has both ends send into the void, as where a cable breaks between two
// switches: no end sees more than silence.
func (c *cable) cut() {
	c.t.Helper()
	const nobody = "02:00:00:00:00:01"
	c.ip("neigh", "replace", c.addr.String(), "lladdr", nobody, "dev", c.here, "nud", "permanent")
	c.inside("neigh", "replace", c.gate.String(), "lladdr", nobody, "dev", c.there, "nud", "permanent")
}

// mend is the end of a cut.
func (c *cable) mend() {
	c.t.Helper()
	c.ip("neigh", "del", c.addr.String(), "dev", c.here)
	c.inside("neigh", "del", c.gate.String(), "dev", c.there)
}

// command is one of the host, as its user types it.
func (h *host) command(argv ...string) *exec.Cmd {
	enter := []string{"-t", fmt.Sprint(h.pid), "--net", "--mount", "--pid", "env", "-i", "PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(h.home), "AEX_HOME=" + h.home}
	enter = append(append(enter, h.env...), "sh", "-c", `cd "$0"; exec "$@"`, filepath.Join(h.dir, "work"))
	cmd := exec.Command("nsenter", append(enter, argv...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// aex is a command of aex at the host.
func (h *host) aex(args ...string) *exec.Cmd {
	return h.command(append([]string{filepath.Join(h.dir, "aex")}, args...)...)
}

func (h *host) do(args ...string) result {
	h.t.Helper()
	return finish(h.t, h.aex(args...))
}

// bot is this test binary at the host, in a role.
func (h *host) bot(role string, args ...string) []string {
	return append([]string{"env", "AEX_E2E_ROLE=" + role, filepath.Join(h.dir, "bot")}, args...)
}

// processes are the names of all that runs at the host beside its first.
func (h *host) processes() string {
	h.t.Helper()
	r := finish(h.t, h.command("sh", "-c", `for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || cat $p/comm 2>/dev/null; done`))
	return strings.ReplaceAll(r.stdout, "cat\n", "")
}
