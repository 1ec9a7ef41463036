package ledger_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Auro-rium/aex/ledger"
)

// The test binary plays other processes: AEX_TEST_ROLE names the part.
func TestMain(m *testing.M) {
	roles := map[string]func(part) error{"race": race, "load": load, "hold": holdOne, "fill": fillDisk, "look": look}
	role := os.Getenv("AEX_TEST_ROLE")
	if role == "" {
		os.Exit(m.Run())
	}
	var p part
	err := json.Unmarshal([]byte(os.Getenv("AEX_TEST_PART")), &p)
	if err == nil {
		err = roles[role](p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// part is what a process of a test is told.
type part struct {
	Dir     string
	Token   string
	Callers int
	Amount  ledger.Micros
	Settle  bool
	Limit   uint64
	Wait    time.Duration
}

func (p part) open() (*ledger.Ledger, error) {
	return ledger.Open(context.Background(), ledger.Options{Path: filepath.Join(p.Dir, "aex.db"), Home: p.Dir})
}

// process is a child with its lines.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startProcess(t *testing.T, role string, p part, attr *syscall.SysProcAttr) *process {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "AEX_TEST_ROLE="+role, "AEX_TEST_PART="+string(text))
	c.Stderr, c.SysProcAttr = os.Stderr, attr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return &process{c, in, bufio.NewReader(out)}
}

// line reads the next line of the child.
func (p *process) line(t *testing.T) string {
	t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("child: %v after %q", err, s)
	}
	return strings.TrimSpace(s)
}

// raced is what a racing process did.
type raced struct {
	Admitted, Other int
	Causes          map[ledger.Cause]int
	Longest         time.Duration
}

// race calls as fast as it can until it is refused for good.
func race(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println("ready")
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	r := raced{Causes: map[ledger.Cause]int{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make(chan error, p.Callers)
	for range p.Callers {
		wg.Go(func() {
			ctx := context.Background()
			for {
				start := time.Now()
				h, no, err := l.Admit(ctx, ledger.Admission{Token: ledger.HashToken(p.Token), Least: p.Amount, Most: p.Amount, Wait: p.Wait})
				if err == nil && no == nil && p.Settle {
					_, err = l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: p.Amount})
				}
				if err != nil {
					errs <- err
					return
				}
				mu.Lock()
				r.Longest = max(r.Longest, time.Since(start))
				if no == nil {
					r.Admitted++
				} else {
					r.Causes[no.Cause]++
				}
				mu.Unlock()
				if no != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	// Stay until the others have finished: a process that ends gives up what
	// it holds.
	_, err = syscall.Read(3, make([]byte, 1))
	return err
}

// TestProcessesRaceForTheLast has eight processes of thirty-two callers race
// for exactly so many calls, dollars, requests of a minute and slots.
func TestProcessesRaceForTheLast(t *testing.T) {
	const amount = 100
	for _, c := range []struct {
		name   string
		agent  ledger.NewAgent
		want   int
		settle bool
		cause  ledger.Cause
	}{
		{"dollar", ledger.NewAgent{Budget: micro(1000 * amount)}, 1000, true, ledger.CauseExhausted},
		{"dollar held", ledger.NewAgent{Budget: micro(300*amount + amount - 1)}, 300, false, ledger.CauseBusy},
		{"request", ledger.NewAgent{Limits: ledger.Limits{RequestsPerMinute: 70}}, 70, true, ledger.CauseRequests},
		{"slot", ledger.NewAgent{Limits: ledger.Limits{Concurrency: 5}}, 5, false, ledger.CauseConcurrency},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir)
			c.agent.Name = "shared"
			agent(t, l, c.agent)
			stay, done, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stay.Close()
			var children []*process
			for range 8 {
				p := part{Dir: dir, Token: "token of shared", Callers: 32, Amount: amount, Settle: c.settle, Wait: time.Minute}
				if !c.settle {
					p.Wait = 100 * time.Millisecond // nobody will make room
				}
				children = append(children, startRace(t, p, stay))
			}
			for _, p := range children {
				p.line(t)
			}
			for _, p := range children {
				p.in.Close()
			}
			total, shares, longest := 0, []int{}, time.Duration(0)
			for _, p := range children {
				var r raced
				if err := json.Unmarshal([]byte(p.line(t)), &r); err != nil {
					t.Fatal(err)
				}
				if len(r.Causes) != 1 || r.Causes[c.cause] != 32 {
					t.Errorf("refusals %v, want all %s", r.Causes, c.cause)
				}
				total, shares, longest = total+r.Admitted, append(shares, r.Admitted), max(longest, r.Longest)
			}
			verify(t, l)
			done.Close()
			for _, p := range children {
				if err := p.Wait(); err != nil {
					t.Error(err)
				}
			}
			t.Logf("%d calls; shares %v; longest wait %v", total, shares, longest)
			if total != c.want {
				t.Errorf("%d calls were admitted, want %d", total, c.want)
			}
		})
	}
}

func micro(v int64) *ledger.Micros { m := ledger.Micros(v); return &m }

func startRace(t *testing.T, p part, stay *os.File) *process {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "AEX_TEST_ROLE=race", "AEX_TEST_PART="+string(text))
	c.Stderr, c.ExtraFiles = os.Stderr, []*os.File{stay}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	return &process{c, in, bufio.NewReader(out)}
}

// load calls for ever and tells on stdout what the provider charges, after the
// hold and before the settlement.
func load(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	ctx := context.Background()
	token := ledger.HashToken("load " + strconv.Itoa(os.Getpid()) + time.Now().String())
	if _, err := l.OpenRun(ctx, ledger.NewRun{Agent: "shared", Program: "load", Token: token, Metered: true}); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for i := range p.Callers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), uint64(os.Getpid())))
			for {
				h, no, err := l.Admit(ctx, ledger.Admission{Token: token, Least: p.Amount, Most: p.Amount})
				if err == nil && no != nil {
					err = fmt.Errorf("refused: %+v", *no)
				}
				if err == nil {
					cost := ledger.Micros(r.Int64N(int64(p.Amount) + 1))
					fmt.Printf("%d\n", cost)
					_, err = l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: cost})
				}
				if err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	return *failed.Load()
}

// TestKillAtAnyInstant kills a loaded process with signal 9 again and again.
// AEX_CRASH=500 for the long form.
func TestKillAtAnyInstant(t *testing.T) {
	rounds := 10
	if n, err := strconv.Atoi(os.Getenv("AEX_CRASH")); err == nil {
		rounds = n
	}
	const amount, callers = 1000, 8
	dir := t.TempDir()
	func() {
		l, err := part{Dir: dir}.open()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "100000")})
	}()
	var bill, slack ledger.Micros
	for round := range rounds {
		p := startProcess(t, "load", part{Dir: dir, Callers: callers, Amount: amount}, nil)
		for range rand.IntN(200) {
			n, err := strconv.ParseInt(p.line(t), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			bill += ledger.Micros(n)
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(p.out)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range strings.Fields(string(rest)) {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			bill += ledger.Micros(n)
		}
		p.Wait()
		slack += callers * amount
		checkAfterKill(t, dir, bill, slack, round)
	}
}

func checkAfterKill(t *testing.T, dir string, bill, slack ledger.Micros, round int) {
	t.Helper()
	l, err := part{Dir: dir}.open()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	verify(t, l)
	a, err := l.Agent(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	if a.Account.Reserved != 0 {
		t.Fatalf("round %d: %s stay reserved by the dead", round, a.Account.Reserved)
	}
	if a.Account.Spent < bill || a.Account.Spent > bill+slack {
		t.Fatalf("round %d: the provider billed %d, the ledger says %d, more than %d in flight", round, bill, a.Account.Spent, slack)
	}
	if runs, err := l.Runs(t.Context(), ledger.RunFilter{Open: true}); err != nil || len(runs) != 0 {
		t.Fatalf("round %d: runs of the dead are open: %v %v", round, runs, err)
	}
}

// holdOne takes a hold, tells its id, and settles it when told.
func holdOne(p part) error {
	l, err := p.open()
	if err != nil {
		return err
	}
	defer l.Close()
	h, no, err := l.Admit(context.Background(), ledger.Admission{Token: ledger.HashToken(p.Token), Least: p.Amount, Most: p.Amount})
	if err != nil || no != nil {
		return fmt.Errorf("refused %+v: %w", no, err)
	}
	fmt.Println(h.ID)
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	out, err := l.Settle(context.Background(), h.ID, ledger.Settlement{How: ledger.Settled, Cost: 7})
	if err != nil {
		return err
	}
	fmt.Println(out.Cost, out.Late)
	return nil
}

// TestLivingOwnersAreNeverRecovered stops an owner, steps the clock a day both
// ways, and puts it into another pid namespace.
func TestLivingOwnersAreNeverRecovered(t *testing.T) {
	for _, attr := range []*syscall.SysProcAttr{nil, pidNamespace()} {
		dir := t.TempDir()
		l := open(t, dir)
		agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "1")})
		p := startProcess(t, "hold", part{Dir: dir, Token: "token of shared", Amount: 500}, attr)
		p.line(t)
		if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for _, step := range []time.Duration{0, 24 * time.Hour, -24 * time.Hour} {
			other, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(dir, "aex.db"), Home: dir, Now: func() time.Time { return time.Now().Add(step) }})
			if err != nil {
				t.Fatal(err)
			}
			a, err := other.Agent(t.Context(), "shared")
			if err != nil || a.Account.Reserved != 500 || len(other.Recovered()) != 0 {
				t.Fatalf("a living owner's hold was taken: %+v %v %v", a.Account, other.Recovered(), err)
			}
			verify(t, other)
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		p.in.Close()
		if got := p.line(t); got != "$0.000007 false" {
			t.Fatalf("settled %s", got)
		}
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		verify(t, l)
	}
}

// fillDisk calls until the file may not grow any more, and tells how it found out.
func fillDisk(p part) error {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := p.open()
	if err != nil {
		return err
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	limit := was
	limit.Cur = p.Limit
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	ctx := context.Background()
	for {
		h, no, err := l.Admit(ctx, ledger.Admission{Token: ledger.HashToken(p.Token), Least: 10, Most: 10})
		if no != nil {
			return fmt.Errorf("refused: %+v", *no)
		}
		if err == nil {
			_, err = l.Settle(ctx, h.ID, ledger.Settlement{How: ledger.Settled, Cost: 10})
		}
		if err == nil {
			fmt.Println("settled")
			continue
		}
		if !errors.Is(err, ledger.ErrBroken) {
			return fmt.Errorf("not told as broken: %w", err)
		}
		<-l.Broken()
		if _, _, err := l.Admit(ctx, ledger.Admission{Token: ledger.HashToken(p.Token), Most: 1}); !errors.Is(err, ledger.ErrBroken) {
			return fmt.Errorf("served past the end: %w", err)
		}
		fmt.Println("broken")
		return nil
	}
}

// TestDiskFull lets the disk fill up under a process: it must stop, and what
// it had told to be booked must be booked.
func TestDiskFull(t *testing.T) {
	for _, limit := range []uint64{150_000, 400_001, 786_432} {
		dir := t.TempDir()
		func() {
			l, err := part{Dir: dir}.open()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			agent(t, l, ledger.NewAgent{Name: "shared", Budget: usd(t, "1")})
		}()
		p := startProcess(t, "fill", part{Dir: dir, Token: "token of shared", Limit: limit}, nil)
		settled := ledger.Micros(0)
		for p.line(t) == "settled" {
			settled++
		}
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		l := open(t, dir)
		verify(t, l)
		a, err := l.Agent(t.Context(), "shared")
		if err != nil || a.Account.Spent < 10*settled || a.Account.Spent > 10*settled+10 || a.Account.Reserved != 0 {
			t.Fatalf("%d calls were told as settled, the ledger has %+v, %v", settled, a.Account, err)
		}
		t.Logf("limit %d: %d calls, then broken", limit, settled)
	}
}

// look opens the ledger and says what it says.
func look(p part) error {
	l, err := p.open()
	if err != nil {
		fmt.Println(err)
		return nil
	}
	fmt.Println("opened")
	return l.Close()
}
