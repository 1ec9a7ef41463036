package ledger

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// standbyOf makes a synchronous standby of a cluster.
func standbyOf(t *testing.T, c *cluster) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "aex-standby")
	if err != nil {
		t.Fatal(err)
	}
	s := &cluster{t: t, dir: dir, port: freePort(t)}
	t.Cleanup(func() {
		s.signal(syscall.SIGKILL)
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	if os.Getuid() == 0 {
		if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // the server's user makes its own directory in it
			t.Fatal(err)
		}
	}
	s.run("pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(c.port), "-U", "postgres", "-D", dir+"/data", "-R", "-X", "stream", "-c", "fast")
	f, err := os.OpenFile(dir+"/data/postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, "\nport = %d\n", s.port)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s.start()
	c.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
	c.run("pg_ctl", "-D", c.dir+"/data", "-l", c.dir+"/log", "-w", "restart")
	c.psql("CREATE TABLE awaited (); DROP TABLE awaited") // is answered when the standby has it
	return s
}

// TestServerFailsOver: the primary is killed under load and its synchronous
// standby promoted. Nothing that was acknowledged is lost, and the gateways find
// the new primary by themselves.
func TestServerFailsOver(t *testing.T) {
	primary := newCluster(t)
	standby := standbyOf(t, primary)
	place := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/aex?target_session_attrs=read-write", primary.port, standby.port)
	var gates []*Ledger
	for range 2 {
		l, err := Open(t.Context(), Options{Path: place, Home: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		gates = append(gates, l)
	}
	agentOn(t, gates[0], "x")
	ack := newAcknowledged()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for range 16 {
		for _, l := range gates {
			wg.Go(func() { ack.load(ctx, l, HashToken("x")) })
		}
	}
	ack.reach(t, 200)
	primary.signal(syscall.SIGKILL)
	standby.run("pg_ctl", "-D", standby.dir+"/data", "-w", "promote")
	ack.reach(t, ack.count()+200)
	stop()
	wg.Wait()
	ack.check(t, gates[1])
	for _, l := range gates {
		closed(t, l)
	}
}
