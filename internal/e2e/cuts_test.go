//go:build linux

package e2e

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// minutes is for tests that take the bounds at their word: a gateway waits a
// minute for a runner, and a runner for a gateway.
func minutes(t *testing.T) {
	t.Helper()
	if os.Getenv("AEX_TEST_MINUTES") == "" {
		t.Skip("NOT TESTED: it takes two minutes; make shared has it (AEX_TEST_MINUTES=1)")
	}
	t.Parallel()
}

// moment is what happens so long after a cut or a stop has begun.
type moment struct {
	after time.Duration
	does  func()
}

// lasts plays moments in their order. How long a cut or a stop lasts is what these
// tests try, and nothing but the clock tells of that; all else is waited for.
func lasts(moments ...moment) {
	began := time.Now()
	for _, m := range moments {
		<-time.After(time.Until(began.Add(m.after)))
		m.does()
	}
}

// A network that is away for some seconds: the calls that are under way come to
// their ends when it is back, and what was called meanwhile is answered.
func TestNetworkIsCutForSeconds(t *testing.T) {
	d := newDistant(t, 1, true)
	d.hangs("under-way")
	d.h.cables[0].cut()
	d.calls("meanwhile")
	d.provider.Release()
	lasts(moment{3 * time.Second, d.h.cables[0].mend})
	d.await("under-way 200", "meanwhile 200")
	d.ends(0, "3 calls")
	d.books("exited", 3, true)
}

// A network that is away for half a minute: by then the runner has lost its
// gateway. What was not sent goes on when the run is attached again.
func TestNetworkIsCutForHalfAMinute(t *testing.T) {
	minutes(t)
	d := newDistant(t, 1, true)
	d.hangs("under-way")
	d.h.cables[0].cut()
	d.calls("at-once")
	lasts(moment{15 * time.Second, d.provider.Release}, // it is booked while nobody hears of it
		moment{28 * time.Second, func() { d.calls("not-sent") }},
		moment{30 * time.Second, d.h.cables[0].mend})
	d.await("not-sent 200", "at-once 200", "under-way 200")
	d.ends(0, "4 calls")
	d.books("exited", 4, true)
}

// A network that comes back with another address, as a laptop's does: the
// connections of before lead nowhere. The call on one of them is cut, booked
// once and not sent again.
func TestNetworkComesBackAsAnother(t *testing.T) {
	minutes(t)
	d := newDistant(t, 1, true)
	d.hangs("under-way")
	d.h.cables[0].cut()
	lasts(moment{15 * time.Second, func() {
		d.provider.Release()
		d.h.cables[0].renumber()
	}},
		moment{28 * time.Second, func() { d.calls("not-sent") }},
		moment{30 * time.Second, d.h.cables[0].mend})
	d.await("not-sent 200", "under-way cut")
	d.calls("last")
	d.await("last 200")
	d.ends(0, "4 calls")
	d.books("exited", 4, true)
}

// A network that is away for longer than a run is waited for: the program is
// ended with 125, and the gateway ends the run and settles what it held, a call
// that was answered meanwhile and one that was not.
func TestNetworkIsCutForLonger(t *testing.T) {
	minutes(t)
	for _, answered := range []bool{true, false} {
		t.Run(fmt.Sprintf("answered %v", answered), func(t *testing.T) {
			t.Parallel()
			d := newDistant(t, 1, true)
			d.hangs("under-way")
			d.h.cables[0].cut()
			lasts(moment{30 * time.Second, func() {
				if answered {
					d.provider.Release()
				}
				d.calls("not-sent")
				d.ends(125, "the run has lost its gateway")
			}},
				moment{90 * time.Second, d.h.cables[0].mend})
			if left := d.h.processes(); left != "" {
				t.Errorf("at the runner there is still %s", left)
			}
			d.books("lost", 2, answered)
			if got := d.h.do(append([]string{"run", "--budget", "1", "--"}, d.h.bot("steady", "2")...)...); got.code != 0 {
				t.Errorf("the next run: exit %d\n%s", got.code, got.stderr)
			}
		})
	}
}

// A gateway that the network has lost is replaced by the next one: the call that
// was under way there is cut for the program when the next one has the run, before
// the connection itself tells of it, and booked where it was.
func TestOneGatewayIsCutOff(t *testing.T) {
	minutes(t)
	d := newDistant(t, 2, true)
	d.hangs("under-way")
	d.h.cables[0].cut()
	d.calls("next")
	d.await("next 200")
	for _, more := range []string{"one", "another"} { // while which the program hears of the cut
		d.calls(more)
		d.await(more + " 200")
	}
	if d.told["under-way"] == "" {
		t.Error("a call at the gateway that was lost is not cut, though the next one has the run")
	}
	d.await("under-way cut")
	d.provider.Release()
	d.ends(0, "5 calls")
	d.books("exited", 5, true)
}

// renumber gives the host another address on the same cable.
func (c *cable) renumber() {
	c.t.Helper()
	c.inside("addr", "del", c.addr.String()+"/29", "dev", c.there)
	c.addr = c.addr.Next()
	c.inside("addr", "add", c.addr.String()+"/29", "dev", c.there)
}

// A runner that is stopped for half a minute is a slow one, and keeps its run;
// one that is stopped for longer has lost it, and says so.
func TestSuspendedRunner(t *testing.T) {
	minutes(t)
	for _, tt := range []struct {
		rest    time.Duration
		code    int
		outcome string
		says    string
	}{{30 * time.Second, 0, "exited", "3 calls"}, {90 * time.Second, 125, "lost", "it had not heard from here for 1m0s"}} {
		t.Run(tt.rest.String(), func(t *testing.T) {
			t.Parallel()
			d := newDistant(t, 1, false)
			d.hangs("under-way")
			d.stops()
			d.provider.Release()
			d.calls("meanwhile")
			lasts(moment{tt.rest, func() { must(t, d.cmd.Process.Signal(syscall.SIGCONT)) }})
			calls := 2
			if tt.code == 0 {
				d.await("under-way 200", "meanwhile 200")
				calls++
			}
			d.ends(tt.code, tt.says)
			d.books(tt.outcome, calls, true)
		})
	}
}

// The run of a runner that was killed is ended as lost, and its call settled.
func TestKilledRunner(t *testing.T) {
	minutes(t)
	d := newDistant(t, 1, false)
	d.hangs("under-way")
	must(t, d.cmd.Process.Kill())
	d.awaitEnd()
	d.provider.Release()
	d.books("lost", 2, false)
}
