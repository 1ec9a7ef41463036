package ledger

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// farAway is the way to a server, with something added to how long it takes.
type farAway struct {
	addr  string
	added atomic.Int64 // nanoseconds, each way
}

func newFarAway(t *testing.T, to string) *farAway {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &farAway{addr: l.Addr().String()}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			go f.carry(c, s)
			go f.carry(s, c)
		}
	}()
	return f
}

// carry passes on what comes, each piece as late as was added.
func (f *farAway) carry(from, to net.Conn) {
	defer to.Close()
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				pieces <- piece{time.Now().Add(time.Duration(f.added.Load())), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		wait(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
	}
}

// TestFleetOfTenThousandRuns has 10,000 runs of one group call at four gateways,
// a millisecond from their server, and tells how long admissions take at 300 and
// at 500 calls a second. AEX_FLEET=SECONDS, a call's length, asks for it.
func TestFleetOfTenThousandRuns(t *testing.T) {
	length, err := strconv.Atoi(os.Getenv("AEX_FLEET"))
	if err != nil {
		t.Skip("AEX_FLEET=20 measures it")
	}
	c := newCluster(t, "max_connections = 100")
	way := newFarAway(t, fmt.Sprintf("127.0.0.1:%d", c.port))
	var gates []*Ledger
	for range 4 {
		u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: way.addr, Path: "/aex"}
		l, err := Open(context.Background(), Options{Path: u.String(), Home: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, l)
		gates = append(gates, l)
	}
	tokens := tenThousand(t, gates)
	way.added.Store(int64(500 * time.Microsecond))
	for _, rate := range []int{300, 500} {
		measureFleet(t, gates, tokens, rate, time.Duration(length)*time.Second)
	}
	audited(t, gates[0])
}

// tenThousand opens the runs, a quarter at each gateway.
func tenThousand(t *testing.T, gates []*Ledger) [][]TokenHash {
	t.Helper()
	budget := Micros(1_000_000_000_000)
	if _, err := gates[0].CreateGroup(t.Context(), NewGroup{Name: "company", Budgets: map[Window]Micros{Total: budget}}); err != nil {
		t.Fatal(err)
	}
	if _, err := gates[0].CreateAgent(t.Context(), NewAgent{Name: "team", Group: "company", Budget: &budget}); err != nil {
		t.Fatal(err)
	}
	tokens := make([][]TokenHash, len(gates))
	var wg sync.WaitGroup
	for i, l := range gates {
		tokens[i] = make([]TokenHash, 2500)
		for part := range 25 {
			wg.Go(func() {
				for n := part * 100; n < part*100+100; n++ {
					h := HashToken(fmt.Sprint(i, " ", n))
					if _, err := l.OpenRun(context.Background(), NewRun{Agent: "team", Program: "p", Token: h, Expires: time.Now().Add(time.Hour), Metered: true, Budget: &budget}); err != nil {
						t.Error(err)
						return
					}
					tokens[i][n] = h
				}
			})
		}
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return tokens
}

// measureFleet offers so many calls a second for half a minute.
func measureFleet(t *testing.T, gates []*Ledger, tokens [][]TokenHash, rate int, length time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	var before, after syscall.Rusage
	commits := gates[0].Commits()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := time.Now()
	all := rate * 30
	for n := range all {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		l, token := gates[n%4], tokens[n%4][(n*7919)%2500]
		wg.Go(func() {
			start := time.Now()
			h, no, err := l.Admit(context.Background(), Admission{Token: token, Least: 100, Most: 1000})
			d := time.Since(start)
			if err != nil || no != nil {
				t.Errorf("%+v %v", no, err)
				return
			}
			mu.Lock()
			took = append(took, d)
			mu.Unlock()
			time.Sleep(length)
			if _, err := l.Settle(context.Background(), h.ID, Settlement{How: Settled, Cost: 500, ModelServed: "m"}); err != nil {
				t.Error(err)
			}
		})
	}
	offered := time.Since(began)
	wg.Wait()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	slices.Sort(took)
	if len(took) == 0 {
		t.Fatal("nothing was admitted")
	}
	at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))].Round(100 * time.Microsecond) }
	now := gates[0].Commits()
	cpu := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	t.Logf("%d calls/s offered, %.0f in fact: p50 %v, p90 %v, p99 %v, longest %v; a commit with its turn took %v on average (%d of one gateway); %v of CPU a pair, clients included; %s",
		rate, float64(all)/offered.Seconds(), at(.5), at(.9), at(.99), at(1), (now.Sum-commits.Sum)/time.Duration(max(1, now.Count-commits.Count)), now.Count-commits.Count,
		cpu/time.Duration(all), strings.TrimSpace(load()))
	if p99 := at(.99); rate == 300 && p99 > 250*time.Millisecond {
		t.Errorf("at 300 calls/s p99 is %v", p99)
	}
}

// load is what the machine had to do meanwhile.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return "load " + string(b)
}
