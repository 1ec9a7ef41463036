//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/proxy/dashboard"
)

const benchOperator = "bench-operator-bench-operator-32"

const benchToken = "benchbenchbenchbenchbenchbenchbenchbenchbenchbenchbenchbenchbench"

// processes are the servers, each in a process of its own.
type processes struct{ list []*exec.Cmd }

// start runs program, which is this one or another commit's, as one of the servers
// on a core, and returns where it listens.
func (p *processes) start(cpu int, program string, args ...string) (string, int, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "AEX_BENCH_CPU="+strconv.Itoa(cpu))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, err
	}
	if err := cmd.Start(); err != nil {
		return "", 0, err
	}
	p.list = append(p.list, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", 0, fmt.Errorf("starting the %s: %w", args[0], err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid, nil
}

func (p *processes) end() {
	for _, cmd := range p.list {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}

// listen serves on a free port of the core named in the environment, and says
// where.
func listen(ctx context.Context, h http.Handler) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	s := &http.Server{Handler: h}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func pinned() error {
	cpu, err := strconv.Atoi(os.Getenv("AEX_BENCH_CPU"))
	if err != nil {
		return err
	}
	return pin(cpu)
}

func serveProvider(ctx context.Context) error {
	if err := pinned(); err != nil {
		return err
	}
	p := fakeprovider.New(fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 50}})
	return listen(ctx, paced{p})
}

func serveProxy(ctx context.Context, upstream string) error {
	if err := pinned(); err != nil {
		return err
	}
	u, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	rp := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2048, DisableCompression: true},
		FlushInterval: -1,
	}
	return listen(ctx, rp)
}

// serveGateway is the gateway with full accounting on a ledger of its own.
func serveGateway(ctx context.Context, upstream, home string) error {
	if err := pinned(); err != nil {
		return err
	}
	l, err := ledger.Open(ctx, ledger.Options{Path: filepath.Join(home, "aex.db"), Home: home})
	if err != nil {
		return err
	}
	defer l.Close()
	registry, err := policy.NewRegistry(policy.Sources{
		BaseURLs: map[string]string{"openai": upstream + "/v1"}, HasKey: map[string]bool{"openai": true},
	})
	if err != nil {
		return err
	}
	caps, err := json.Marshal(policy.Open())
	if err != nil {
		return err
	}
	budget := ledger.Micros(1_000_000_000_000)
	if _, err := l.CreateAgent(ctx, ledger.NewAgent{Name: "bench", Budget: &budget, Capabilities: caps}); err != nil {
		return err
	}
	_, err = l.OpenRun(ctx, ledger.NewRun{
		Agent: "bench", Budget: &budget, Program: "bench", Token: ledger.HashToken(benchToken), Expires: time.Now().Add(time.Hour), Metered: true,
	})
	if err != nil {
		return err
	}
	if f := os.Getenv("AEX_BENCH_PROFILE"); f != "" {
		out, err := os.Create(f)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	g := proxy.New(proxy.Options{
		Ledger: l, Registry: registry, Key: func(policy.Provider) string { return "sk-bench" },
		Broken: func(err error) { fmt.Fprintln(os.Stderr, "bench: the ledger broke:", err) },
	})
	defer g.Shutdown(context.WithoutCancel(ctx))
	pages, err := dashboard.New(dashboard.Options{Ledger: l, Token: benchOperator, Live: g.Live})
	if err != nil {
		return err
	}
	defer pages.Close()
	return listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/dashboard") {
			pages.ServeHTTP(w, r)
			return
		}
		g.ServeHTTP(w, r)
	}))
}

// watchStream reads the dashboard's live stream, as a page that is open does,
// until ctx ends.
func watchStream(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/dashboard/stream", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+benchOperator)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the live stream answered %d", resp.StatusCode)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// resident is a process's resident set in KiB.
func resident(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}
