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

	"github.com/jackc/pgx/v5"
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

// fleet is four gateways a millisecond from their server.
type fleet struct {
	t      *testing.T
	c      *cluster
	way    *farAway
	gates  []*Ledger
	tokens [][]TokenHash // of the runs of each
}

// TestFleetOfTenThousandRuns has 10,000 runs of one group call at four gateways,
// a millisecond from their server, and tells how long admissions take at 300 and
// at 500 calls a second, with how long a commit of one row takes at the same time.
// AEX_FLEET=SECONDS, a call's length, asks for it; AEX_FLEET_EVENTS=1e7 has so many
// events there before.
func TestFleetOfTenThousandRuns(t *testing.T) {
	length, err := strconv.Atoi(os.Getenv("AEX_FLEET"))
	if err != nil {
		t.Skip("NOT TESTED: it is a measurement of some minutes; AEX_FLEET=20 asks for it")
	}
	events, _ := strconv.ParseFloat(os.Getenv("AEX_FLEET_EVENTS"), 64)
	c := newCluster(t, "max_connections = 100", "max_wal_size = 8GB")
	f := &fleet{t: t, c: c, way: newFarAway(t, fmt.Sprintf("127.0.0.1:%d", c.port))}
	for range 4 {
		u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: f.way.addr, Path: "/aex"}
		l, err := Open(context.Background(), Options{Path: u.String(), Home: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, l)
		f.gates = append(f.gates, l)
	}
	f.tokens = tenThousand(t, f.gates)
	f.writeHistory(int(events))
	c.psql("CREATE TABLE probe (n BIGINT); INSERT INTO probe VALUES (0)")
	near, _ := f.commits(50)
	f.way.added.Store(int64(500 * time.Microsecond))
	far, _ := f.commits(50)
	t.Logf("a commit of one row takes %v, and %v with the way that is added; %d events", near, far, int(events))
	for _, rate := range []int{300, 500} {
		f.measure(rate, time.Duration(length)*time.Second)
	}
	if events == 0 {
		audited(t, f.gates[0])
	}
}

// writeHistory puts events behind those that there are, with the runs that they
// are of. Their hashes are made up: it is their number that is to be felt.
func (f *fleet) writeHistory(events int) {
	if events == 0 {
		return
	}
	began := time.Now()
	f.c.psql(`SET search_path = aex;
		WITH a AS (INSERT INTO account (agent_id, parent, kind) SELECT 1, 1, 'run' FROM generate_series(1, 20000) RETURNING id)
		INSERT INTO run (id, agent_id, account_id, owner, state, program, metered, started_at, ended_at, outcome, first_seq)
			SELECT md5(id::text), 1, id, 1, 'ended', 'bot', true, 0, 0, 'exited', 1 FROM a`)
	f.c.psql(fmt.Sprintf(`SET search_path = aex; INSERT INTO event_log (seq, body, hash)
		SELECT last.seq + n, format('{"seq":%%s,"time":"2026-01-01T00:00:00.000Z","action":"usage.commit","agent":"team","agent_id":"a1","run":"%%s","cost_micro":321,"pad":"%%s"}',
			last.seq + n, md5((n / 500)::text), repeat('x', 500)), sha256(n::text::bytea)
		FROM generate_series(1, %d) n, (SELECT max(seq) AS seq FROM event_log) last`, events))
	f.c.psql("CHECKPOINT")
	f.c.psql("ANALYZE")
	f.t.Logf("%d events were written in %v", events, time.Since(began).Round(time.Second))
}

// commits is how long so many commits of one row take, one after the other: the
// median and the ninety-ninth of a hundred.
func (f *fleet) commits(n int) (p50, p99 time.Duration) {
	conn, err := pgx.Connect(context.Background(), "postgres://postgres@"+f.way.addr+"/aex")
	if err != nil {
		f.t.Error(err)
		return 0, 0
	}
	defer conn.Close(context.Background())
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if _, err := conn.Exec(context.Background(), `UPDATE probe SET n = n + 1`); err != nil {
			f.t.Error(err)
		}
		took[i] = time.Since(start)
		time.Sleep(10 * time.Millisecond)
	}
	return at(took, .5), at(took, .99)
}

// at is a quantile.
func at(took []time.Duration, q float64) time.Duration {
	slices.Sort(took)
	return took[int(q*float64(len(took)-1))].Round(100 * time.Microsecond)
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

// measure offers so many calls a second for half a minute.
func (f *fleet) measure(rate int, length time.Duration) {
	t := f.t
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var wg sync.WaitGroup
	commits, clients, server := f.gates[0].Commits(), ownCPU(), f.c.cpu()
	var bare, bareLong time.Duration
	wg.Go(func() { bare, bareLong = f.commits(1500) })
	began := time.Now()
	all := rate * 30
	for n := range all {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		l, token := f.gates[n%4], f.tokens[n%4][(n*7919)%2500]
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
	if len(took) == 0 {
		t.Fatal("nothing was admitted")
	}
	now := f.gates[0].Commits()
	turns := now.Count - commits.Count
	t.Logf("%d calls/s offered, %.0f in fact: p50 %v, p90 %v, p99 %v, longest %v; a turn with its barrier %v (%d of one gateway); a commit of one row beside p50 %v, p99 %v; CPU a pair: %v of gateways and clients, %v of the server; %s",
		rate, float64(all)/offered.Seconds(), at(took, .5), at(took, .9), at(took, .99), at(took, 1),
		((now.Sum - commits.Sum) / time.Duration(max(1, turns))).Round(10*time.Microsecond), turns, bare, bareLong,
		((ownCPU() - clients) / time.Duration(all)).Round(time.Microsecond), ((f.c.cpu() - server) / time.Duration(all)).Round(time.Microsecond), strings.TrimSpace(load()))
	if p99 := at(took, .99); rate == 300 && p99 > 250*time.Millisecond {
		t.Errorf("at 300 calls/s p99 is %v", p99)
	}
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpu is the processor time of a cluster's processes, those that live.
func (c *cluster) cpu() (all time.Duration) {
	for _, pid := range c.pids() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		for i := 11; i < 13 && i < len(f); i++ { // user and system, in hundredths of a second
			n, _ := strconv.Atoi(f[i])
			all += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return all
}

// load is what the machine had to do meanwhile.
func load() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return "load " + string(b)
}
