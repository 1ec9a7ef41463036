//go:build linux

// Command bench measures the gateway beside the direct call and a bare
// httputil.ReverseProxy, interleaved in one run: the provider and the load on
// one core, the way between them on the other. Figures are ratios: absolute
// times say more about the machine than about aex.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "provider":
			return serveProvider(ctx)
		case "proxy":
			return serveProxy(ctx, args[1])
		case "gateway":
			return serveGateway(ctx, args[1], args[2])
		}
	}
	rounds := flag.Int("rounds", 7, "rounds of each way")
	span := flag.Duration("span", 1500*time.Millisecond, "length of a round")
	var others []string
	flag.Func("beside", "this program as another commit builds it, whose gateway takes part; may be repeated", func(path string) error {
		others = append(others, path)
		return nil
	})
	flag.Parse()
	if err := pin(0); err != nil {
		return err
	}
	return measure(ctx, *rounds, *span, others)
}

// pin keeps this process, and what it starts, on one core. Affinity is a
// thread's own, so the process begins anew once it is set.
func pin(cpu int) error {
	const mark = "AEX_BENCH_PINNED"
	if os.Getenv(mark) == strconv.Itoa(cpu) || runtime.NumCPU() < 2 && os.Getenv(mark) == "" {
		return nil
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pinning to core %d: %w", cpu, err)
	}
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return len(e) > len(mark) && e[:len(mark)+1] == mark+"=" })
	return syscall.Exec("/proc/self/exe", os.Args, append(env, mark+"="+strconv.Itoa(cpu)))
}

// way is one way to the provider.
type way struct {
	name  string
	url   string
	token string
	pid   int

	watched bool // the live stream is read meanwhile

	rates  []float64       // requests a second of each round, many connections
	costs  []float64       // processor time a request, in microseconds, of what stands between
	medias []time.Duration // median of each round, one connection
}

func measure(ctx context.Context, rounds int, span time.Duration, others []string) error {
	home, err := os.MkdirTemp(".", ".bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	procs := &processes{}
	defer procs.end()
	ways, err := procs.ways(home, others)
	if err != nil {
		return err
	}
	gateway := ways[2]
	idle := resident(gateway.pid)
	for round := range rounds + 1 { // the first warms up
		for _, w := range ways {
			many, cost, one, err := w.measure(ctx, span)
			if err != nil {
				return err
			}
			if round > 0 {
				w.rates = append(w.rates, float64(len(many))/span.Seconds())
				w.costs = append(w.costs, float64(cost.Microseconds())/float64(len(many)))
				w.medias = append(w.medias, median(one))
			}
		}
	}
	commit, err := commitTime(ctx, home)
	if err != nil {
		return err
	}
	print(ways, commit, idle, resident(gateway.pid))
	return errors.Join(streams(ctx, ways[:3]))
}

// ways starts the servers: the direct way first, then the bare proxy, the gateway,
// the same gateway while somebody looks at its dashboard, and those of others.
func (p *processes) ways(home string, others []string) ([]*way, error) {
	provider, _, err := p.start(0, "/proc/self/exe", "provider")
	if err != nil {
		return nil, err
	}
	proxy := &way{name: "ReverseProxy", token: "sk-bench"}
	if proxy.url, proxy.pid, err = p.start(1, "/proc/self/exe", "proxy", provider); err != nil {
		return nil, err
	}
	ways := []*way{{name: "direct", url: provider, token: "sk-bench"}, proxy}
	for i, program := range append([]string{"/proc/self/exe"}, others...) {
		w := &way{name: "aex", token: benchToken}
		if i > 0 {
			w.name = filepath.Base(program)
		}
		if w.url, w.pid, err = p.start(1, program, "gateway", provider, filepath.Join(home, strconv.Itoa(i))); err != nil {
			return nil, err
		}
		if ways = append(ways, w); i == 0 {
			watched := *w
			watched.name, watched.watched = "aex, watched", true
			ways = append(ways, &watched)
		}
	}
	return ways, nil
}

// measure loads a way with 32 connections, then with one.
func (w *way) measure(ctx context.Context, span time.Duration) (many []time.Duration, cost time.Duration, one []time.Duration, err error) {
	if w.watched {
		watch, stop := context.WithCancel(ctx)
		seen := make(chan error, 1)
		go func() { seen <- watchStream(watch, w.url) }()
		defer func() { stop(); err = errors.Join(err, <-seen) }()
	}
	before := processorTime(w.pid)
	if many, err = load(ctx, w, 32, span); err != nil {
		return nil, 0, nil, err
	}
	cost = processorTime(w.pid) - before
	one, err = load(ctx, w, 1, span/3)
	return many, cost, one, err
}

func print(ways []*way, commit time.Duration, idle, loaded int) {
	proxy := ways[1]
	fmt.Printf("%-14s %16s %10s %12s %18s %12s\n", "way", "requests/s (32)", "of proxy", "CPU a call", "p50, 1 connection", "above proxy")
	for _, w := range ways {
		fmt.Printf("%-14s %16.0f %10.2f %9.1f µs %18s %12s\n", w.name, median(w.rates), median(ratios(w.rates, proxy.rates)), median(w.costs),
			median(w.medias).Round(time.Microsecond), (median(w.medias) - median(proxy.medias)).Round(time.Microsecond))
	}
	fmt.Printf("one commit (one row by SQLite, synchronous=FULL, same disk): %s\n", commit.Round(time.Microsecond))
	fmt.Printf("gateway's resident set: %.1f MiB idle, %.1f MiB after the load\n", float64(idle)/1024, float64(loaded)/1024)
	if info, err := os.Stat("bin/aex"); err == nil {
		fmt.Printf("binary: %.1f MB\n", float64(info.Size())/1e6)
	}
}

// ratios are those of each round with its neighbour.
func ratios(a, b []float64) []float64 {
	var r []float64
	for i := range a {
		r = append(r, a[i]/b[i])
	}
	return r
}

func median[T int64 | float64 | time.Duration](list []T) T {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
