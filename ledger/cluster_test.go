package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// cluster is a PostgreSQL server of a test's own, which it may kill.
type cluster struct {
	t    *testing.T
	dir  string
	port int
}

// onServer skips a test of a server where there is none: make postgres has one.
func onServer(t *testing.T) {
	t.Helper()
	if testServer == "" {
		t.Skip("NOT TESTED here: make postgres runs it, on a PostgreSQL server")
	}
}

// as is a program of PostgreSQL, which does not run as root.
func (c *cluster) as(name string, args ...string) *exec.Cmd {
	bin := os.Getenv("AEX_TEST_POSTGRES_BIN")
	if bin == "" {
		need.Missing(c.t, "AEX_TEST_POSTGRES_BIN is not set: make postgres sets it")
	}
	args = append([]string{filepath.Join(bin, name)}, args...)
	if os.Getuid() == 0 {
		args = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = c.dir
	return cmd
}

func (c *cluster) run(name string, args ...string) string {
	c.t.Helper()
	out, err := c.as(name, args...).CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		c.t.Fatalf("%s: %v\n%s\n%.3000s", name, err, out, log)
	}
	return string(out)
}

func newCluster(t *testing.T, settings ...string) *cluster {
	t.Helper()
	onServer(t)
	dir, err := os.MkdirTemp("/tmp", "aex-cluster")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, dir: dir, port: freePort(t)}
	t.Cleanup(func() {
		c.signal(syscall.SIGKILL)
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	if os.Getuid() == 0 {
		if out, err := exec.Command("chown", "postgres", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	c.run("initdb", "-D", dir+"/data", "-A", "trust", "-U", "postgres", "-N")
	conf := fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = ''\n%s\n", c.port, strings.Join(settings, "\n"))
	f, err := os.OpenFile(dir+"/data/postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(conf)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.run("createdb", "-h", "127.0.0.1", "-p", strconv.Itoa(c.port), "-U", "postgres", "aex")
	if _, err := InitServer(context.Background(), c.place()); err != nil {
		t.Fatal(err)
	}
	return c
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

func (c *cluster) place() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/aex", c.port)
}

// start starts the server. Its processes of before are over, though the kernel
// may still list them.
func (c *cluster) start() {
	c.t.Helper()
	if err := os.Remove(c.dir + "/data/postmaster.pid"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.t.Fatal(err)
	}
	c.run("pg_ctl", "-D", c.dir+"/data", "-l", c.dir+"/log", "-w", "start")
}

// signal sends a signal to the server and to all its processes at once.
func (c *cluster) signal(s syscall.Signal) {
	pids := c.pids()
	wait := watchEnds(pids)
	for _, pid := range pids {
		_ = syscall.Kill(pid, s) // it may have gone
	}
	if s == syscall.SIGKILL {
		wait()
	}
}

// pids are the server's process and its children; none where it is not there.
func (c *cluster) pids() []int {
	b, err := os.ReadFile(c.dir + "/data/postmaster.pid")
	if err != nil {
		return nil
	}
	line, _, _ := strings.Cut(string(b), "\n")
	server, err := strconv.Atoi(line)
	if err != nil {
		return nil
	}
	pids := []int{server}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
	for f := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(f); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// psql runs a statement as the administrator.
func (c *cluster) psql(query string) string {
	c.t.Helper()
	return strings.TrimSpace(c.run("psql", "-h", "127.0.0.1", "-p", strconv.Itoa(c.port), "-U", "postgres", "-Atqc", query, "aex"))
}

// gateway opens the cluster's ledger as a gateway of its own does.
func (c *cluster) gateway(lease time.Duration) *Ledger {
	c.t.Helper()
	l, err := Open(context.Background(), Options{Path: c.place(), Home: c.t.TempDir(), lease: lease})
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

// close closes a gateway, and fails the test if that does not end well.
func closed(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
