//go:build linux

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// slowWire is a network on which everything takes a while.
type slowWire struct {
	net.Listener
	to    string
	delay time.Duration

	mu     sync.Mutex
	ends   []net.Conn
	owners sync.WaitGroup
}

func newSlowWire(t *testing.T, to string, delay time.Duration) *slowWire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &slowWire{Listener: l, to: to, delay: delay}
	w.owners.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.tear()
		w.owners.Wait()
	})
	return w
}

func (w *slowWire) accept() {
	for {
		near, err := w.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		w.mu.Lock()
		w.ends = append(w.ends, near, far)
		w.mu.Unlock()
		w.owners.Go(func() { w.carry(far, near) })
		w.owners.Go(func() { w.carry(near, far) })
	}
}

// carry takes all over, each piece after the delay.
func (w *slowWire) carry(to, from net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1024)
	w.owners.Go(func() {
		defer to.Close()
		for p := range pieces {
			time.Sleep(time.Until(p.due)) // this is the network
			_, _ = to.Write(p.data)       // the reader of the other way sees what became of it
		}
	})
	defer close(pieces)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			pieces <- piece{time.Now().Add(w.delay), append([]byte(nil), buf[:n]...)}
		}
		if err != nil {
			return
		}
	}
}

// tear breaks every connection that there is.
func (w *slowWire) tear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.ends {
		_ = c.Close()
	}
	w.ends = nil
}

// A runner behind a network that takes three seconds there and back is a slow
// one and no dead one: it opens its run, calls, finds back when its connections
// break, and ends the run.
func TestSlowRunner(t *testing.T) {
	minutes(t)
	s := newStage(t, fakeprovider.Options{})
	s.do("agent", "create", "team", "5.00", "none")
	authority := newAuthority(t)
	g := s.gate()
	g.name, g.listen = "localhost", "127.0.0.1"
	g.cert, g.key = authority.issue(t, g.name)
	g.start()
	wire := newSlowWire(t, strings.TrimPrefix(g.url(), "https://"), 1500*time.Millisecond)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, authority.pem, 0o644))
	r := s.runner(s.token("team", "--scope", "runs"))
	_, port, err := net.SplitHostPort(wire.Addr().String())
	must(t, err)
	r.env = append(r.env, "AEX_GATEWAY=https://localhost:"+port, "AEX_CA_FILE="+ca)
	cmd := r.aex(append([]string{"run", "--budget", "1", "--"}, bot("callers")...)...)
	d := &distant{stage: s, cmd: cmd}
	d.starts()
	d.hangs("under-way")
	wire.tear()
	d.await("under-way cut")
	d.provider.Release()
	d.calls("next")
	d.await("next 200")
	d.ends(0, "3 calls")
	d.books("exited", 3, true)
}
