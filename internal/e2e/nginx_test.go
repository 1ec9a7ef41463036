//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// nginxPiece is what docs/shared.md says that nginx is told for a gateway.
func nginxPiece(t *testing.T) string {
	t.Helper()
	for _, b := range blocksOf(t, "../../docs/shared.md") {
		if b.kind == "nginx" {
			return b.text
		}
	}
	t.Fatal("docs/shared.md has no piece for nginx")
	return ""
}

// nginx has a real nginx stand before all gateways of a distant run, with their
// names and certificates. They themselves are on loopback, without TLS.
func nginx(d *distant) {
	t := d.t
	t.Helper()
	dir, piece := t.TempDir(), nginxPiece(t)
	var servers strings.Builder
	for _, g := range d.gates {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		g.behind = l.Addr().(*net.TCPAddr).Port
		must(t, l.Close())
		fmt.Fprintf(&servers, "server {\nlisten %s:%d ssl http2;\nserver_name %s;\nssl_certificate %s;\nssl_certificate_key %s;\n%s}\n",
			g.listen, g.port, g.name, g.cert, g.key, strings.ReplaceAll(piece, "127.0.0.1:8080", fmt.Sprint("127.0.0.1:", g.behind)))
	}
	file := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(file, []byte(fmt.Sprintf("daemon off;\nuser root;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\n"+
		"fastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\nscgi_temp_path %[1]s/s;\n%[2]s}\n", dir, servers.String())), 0o600))
	if out, err := exec.Command("nginx", "-t", "-c", file).CombinedOutput(); err != nil {
		t.Fatalf("nginx: %v\n%s", err, out)
	}
	cmd := exec.Command("nginx", "-c", file)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	for _, g := range d.gates {
		at := net.JoinHostPort(g.listen, fmt.Sprint(g.port))
		conn, err := net.Dial("tcp", at)
		for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); {
			conn, err = net.Dial("tcp", at)
		}
		must(t, err)
		_ = conn.Close()
	}
}

// Two gateways behind nginx, as docs/shared.md has it: a stream is seen as it
// comes and may be silent for more than a minute, as its run is attended
// meanwhile; a large request passes; and the second gateway takes the run when
// the first is killed.
func TestBehindNginx(t *testing.T) {
	minutes(t)
	need.Tool(t, "nginx")
	d := newDistant(t, 2, true, nginx)
	d.calls("large")
	d.await("large 200")
	d.hangs("stream")
	d.await("stream-begins 200")
	time.Sleep(100 * time.Second) // longer than nginx, and than a gateway, by themselves wait
	d.provider.Release()
	d.await("stream 200")
	d.gates[0].end(syscall.SIGKILL)
	last := "next"
	d.calls(last)
	if d.went(last) == "502" { // from nginx, where the run's own request has not heard of it before
		last = "again"
		d.calls(last)
	}
	d.await(last + " 200")
	d.ends(0, "4 calls")
	d.books("exited", 4, false) // what was not settled when the gateway was killed is booked in full
}
