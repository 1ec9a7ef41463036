package remote

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// wire is the network before a gateway. What is open when it goes dead stays
// open, and nothing comes through it any more.
type wire struct {
	net.Listener
	to     string
	dead   atomic.Pointer[chan struct{}] // of the connections that are made now
	owners sync.WaitGroup
}

// behindWire puts a gateway behind a wire: that is its address from now on.
func behindWire(t *testing.T, g *gateway) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, to: u.Host}
	w.dead.Store(new(chan struct{}))
	*w.dead.Load() = make(chan struct{})
	g.URL = "http://" + l.Addr().String()
	w.owners.Go(w.accept)
	t.Cleanup(func() {
		g.CloseClientConnections()
		_ = l.Close()
		w.owners.Wait()
	})
	return w
}

func (w *wire) accept() {
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
		dead := *w.dead.Load()
		w.owners.Go(func() { carry(far, near, dead) })
		w.owners.Go(func() { carry(near, far, dead) })
	}
}

// carry takes bytes over until one side closes. Dead, it takes them and says
// nothing.
func carry(to, from net.Conn, dead chan struct{}) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-dead:
		default:
			_, _ = to.Write(buf[:n]) // the reader of the other way sees what became of it
		}
	}
}

// die has the connections that there are carry nothing more. New ones do.
func (w *wire) die() {
	next := make(chan struct{})
	close(*w.dead.Swap(&next))
}

// begun is a call whose answer has begun, and ends when the test says so.
func begun(t *testing.T, g *gateway, relay string) (body io.ReadCloser, end func()) {
	t.Helper()
	more := make(chan struct{})
	g.answer = func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		g.mu.Unlock()
		<-more
		g.mu.Lock()
		_, _ = io.WriteString(w, " and the end")
	}
	resp, err := call(t, relay, "program's")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, len("the beginning"))); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() { close(more) })
	t.Cleanup(end)
	return resp.Body, end
}

// The calls at a gateway that has gone silent are cut as soon as another one has
// the run: their connections would tell of nothing for a quarter of an hour.
func TestCallsAtASilentGatewayAreCut(t *testing.T) {
	a, b := newGateway(t), newGateway(t)
	w := behindWire(t, a)
	g, relay := opened(t, time.Minute, a, b)
	body, _ := begun(t, a, relay.URL)
	at, err := g.ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.die()
	_ = w.Close()
	g.lose(at, true)
	if at, err = g.ready(t.Context()); err != nil || at.base != b.URL {
		t.Fatalf("the run is at %s: %v", at.base, err)
	}
	if rest, err := io.ReadAll(body); err == nil {
		t.Errorf("the program takes for whole what ended with %q", rest)
	}
	if a.calls() != 1 || b.calls() != 0 {
		t.Errorf("%d and %d calls", a.calls(), b.calls())
	}
}

// A gateway that says that it has let a run go finishes its calls.
func TestCallsAtAGatewayThatDrainsGoOn(t *testing.T) {
	a, b := newGateway(t), newGateway(t)
	g, relay := opened(t, time.Minute, a, b)
	body, end := begun(t, a, relay.URL)
	at, err := g.ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	a.refuses = "shutting_down"
	a.mu.Unlock()
	g.lose(at, false)
	if at, err = g.ready(t.Context()); err != nil || at.base != b.URL {
		t.Fatalf("the run is at %s: %v", at.base, err)
	}
	end()
	if rest, err := io.ReadAll(body); err != nil || string(rest) != " and the end" {
		t.Errorf("%q %v", rest, err)
	}
}

// After a loss the run is attached over a new connection, however many old ones
// there are whose ends may be gone.
func TestARunIsAttachedOverANewConnection(t *testing.T) {
	a := newGateway(t)
	w := behindWire(t, a)
	g, relay := opened(t, patience*9/10, a)
	gate := make(chan struct{})
	var arrived sync.WaitGroup
	arrived.Add(8)
	a.answer = func(http.ResponseWriter) {
		a.mu.Unlock()
		arrived.Done()
		<-gate
		a.mu.Lock()
	}
	var all sync.WaitGroup
	for range 8 { // as many connections
		all.Go(func() {
			if resp, err := call(t, relay.URL, "program's"); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%v %v", resp, err)
			}
		})
	}
	arrived.Wait()
	close(gate)
	all.Wait()
	at, err := g.ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.die()
	g.lose(at, true)
	if at, err = g.ready(t.Context()); err != nil {
		t.Fatalf("%v: %v", at, err)
	}
	a.answer = func(w http.ResponseWriter) { _, _ = io.WriteString(w, "answered") }
	if resp, err := call(t, relay.URL, "program's"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%v %v", resp, err)
	}
}

// A proxy before a gateway that is gone answers for it. The program hears that
// once, and the next call waits for the other gateway.
func TestAProxyWhoseGatewayIsGone(t *testing.T) {
	a, b := newGateway(t), newGateway(t)
	_, relay := opened(t, time.Minute, a, b)
	a.mu.Lock()
	a.away = true
	a.mu.Unlock()
	for n, want := range []int{http.StatusBadGateway, http.StatusOK} {
		if resp, err := call(t, relay.URL, "program's"); err != nil || resp.StatusCode != want || b.calls() != n {
			t.Errorf("call %d: %v %v, %d at the other", n, resp, err, b.calls())
		}
	}
}
