package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// attacker is what all attacks share.
type attacker struct {
	ctx    context.Context
	binary string
	dir    string
	sizes  sizes
	seed   int64
	within time.Duration
	until  time.Time // when the kind of attack under way stops trying; zero: never
	places atomic.Int64
	table  []*row
}

const (
	realKey = "sk-real-assault-canary-7c21"
	said    = "prompt-canary-4f8e" // in prompts: nothing may write it
	mark    = "ASSAULT_MARK"       // in the environment of every program, to find survivors
	patient = time.Minute          // what takes longer hangs
	audits  = 5 * time.Minute      // for a look through a whole ledger
)

// prices are those of the bill and of aex.
var prices = []string{"gpt-4o-mini=0.60/2.40", "claude-3-5-haiku-latest=0.80/4.00", "gemini-2.0-flash=0.10/0.40"}

// over tells whether the time for a kind of attack is over.
func (a *attacker) over() bool {
	return a.ctx.Err() != nil || !a.until.IsZero() && time.Now().After(a.until)
}

func (a *attacker) random(n int) *rand.Rand { return rand.New(rand.NewPCG(uint64(a.seed), uint64(n))) }

// place is a home of aex with a provider behind it.
type place struct {
	a        *attacker
	row      *row
	home     string
	provider *fakeprovider.Provider
	server   *httptest.Server
	url      string // that aex calls
	mark     string
}

func (a *attacker) place(r *row, o fakeprovider.Options) (*place, error) {
	n := a.places.Add(1)
	p := &place{a: a, row: r, home: filepath.Join(a.dir, fmt.Sprintf("home%d", n)), mark: fmt.Sprintf("%d-%d", os.Getpid(), n)}
	o.Key, o.Lean = realKey, true
	p.provider = fakeprovider.New(o)
	p.server = httptest.NewServer(p.provider)
	p.url = p.server.URL
	return p, os.MkdirAll(p.home, 0o700)
}

// leave ends the provider and takes the home away, of which all has been asked.
func (p *place) leave() {
	p.provider.Release()
	p.server.CloseClientConnections()
	p.server.Close()
	_ = os.RemoveAll(p.home) // the whole directory goes at the end
}

// aex is a command in a session of its own.
func (p *place) aex(args ...string) *exec.Cmd {
	cmd := exec.Command(p.a.binary, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "AEX_HOME=" + p.home, mark + "=" + p.mark,
		"OPENAI_API_KEY=" + realKey, "OPENAI_BASE_URL=" + p.url + "/v1", "ANTHROPIC_API_KEY=" + realKey, "ANTHROPIC_BASE_URL=" + p.url,
		"GEMINI_API_KEY=" + realKey, "GOOGLE_GEMINI_BASE_URL=" + p.url,
	}
	cmd.Dir = p.a.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// withPrices are the words of a command, with what its models cost.
func withPrices(args ...string) []string {
	words := args[:1:1]
	for _, price := range prices {
		words = append(words, "--price", price)
	}
	return append(words, args[1:]...)
}

// bot is this program in a role, as aex's program.
func bot(role string, args ...string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append([]string{"env", "AEX_ASSAULT_ROLE=" + role, self}, args...)
}

// do runs a command to its end, which must come.
func (p *place) do(args ...string) (out string, code int) {
	return p.finish(p.aex(args...), patient)
}

func (p *place) finish(cmd *exec.Cmd, patience time.Duration) (text string, code int) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 5*time.Second
	if err := cmd.Start(); err != nil {
		p.row.fault("%v", err)
		return "", -1
	}
	var hung atomic.Bool
	late := time.AfterFunc(patience, func() {
		hung.Store(true)
		_ = cmd.Process.Signal(syscall.SIGABRT) // it says where it hangs
	})
	_ = cmd.Wait() // its exit code tells
	late.Stop()
	if hung.Load() {
		p.row.add(&p.row.hangs, 1)
		p.row.fault("%v hung: %.6000s", cmd.Args[1:2], out.String())
	} else {
		p.heard(out.Bytes())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// heard looks through what aex printed.
func (p *place) heard(b []byte) {
	if bytes.Contains(b, []byte(realKey)) || bytes.Contains(b, []byte(said)) {
		p.row.add(&p.row.secrets, 1)
	}
	if bytes.Contains(b, []byte("\ngoroutine ")) || bytes.Contains(b, []byte("panic:")) {
		p.row.add(&p.row.panics, 1)
		p.row.fault("panic: %.500s", b)
	}
}

// serving is an aex serve at work.
type serving struct {
	*exec.Cmd
	url, token string
	ended      chan struct{}
}

var servingOn = regexp.MustCompile(`serving on (http://\S+?),`)

func (p *place) serve(agent, budget string, more ...string) (*serving, error) {
	if out, code := p.do("agent", "create", agent, budget, "none"); code != 0 {
		return nil, errors.New(out)
	}
	out, _ := p.do(append([]string{"agent", "token", agent}, more...)...)
	s := &serving{token: regexp.MustCompile(`[0-9a-f]{32,}`).FindString(out), ended: make(chan struct{})}
	s.Cmd = p.aex(withPrices("serve", "--port", "0")...)
	read, err := s.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(read)
	for s.url == "" && lines.Scan() {
		if m := servingOn.FindStringSubmatch(lines.Text()); m != nil {
			s.url = m[1]
		}
	}
	go func() {
		defer close(s.ended)
		rest, _ := io.ReadAll(io.MultiReader(read)) // until it ends
		p.heard(rest)
		_ = s.Wait() // how it ended is asked elsewhere
	}()
	if s.url == "" {
		return nil, errors.New("aex serve did not come up")
	}
	return s, nil
}

// stop ends the server, which has to be soon.
func (s *serving) stop(r *row) {
	for range 2 {
		_ = s.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-s.ended:
			return
		case <-time.After(15 * time.Second):
		}
	}
	r.add(&r.hangs, 1)
	_ = s.Process.Kill()
	<-s.ended
}

// survivors waits a while for every process of the place to end, and counts
// and kills those that do not.
func (p *place) survivors(patience time.Duration) {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		left := p.marked()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			p.row.add(&p.row.survivors, int64(len(left)))
			for _, pid := range left {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
			}
			return
		}
	}
}

// marked are the processes of the place.
func (p *place) marked() (pids []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range entries {
		b, _ := os.ReadFile(path)
		if bytes.Contains(b, []byte(mark+"="+p.mark+"\x00")) {
			if pid, err := strconv.Atoi(strings.Split(path, "/")[2]); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
