//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
)

// fakeRunner plays an aex run elsewhere: it opens, attends, calls and ends.
type fakeRunner struct {
	t      *testing.T
	client *http.Client
	url    string
	agent  string // its token
	token  string // the run's
	id     ledger.RunID
}

func (r *fakeRunner) ask(ctx context.Context, token, method, path, body string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: %d %.300s", method, path, resp.StatusCode, text)
	case answer != nil:
		return json.Unmarshal(text, answer)
	}
	return nil
}

func (r *fakeRunner) open(ctx context.Context) error {
	r.token = ledger.NewSecret(ledger.SecretOfRun)
	var opened inner.Opened
	err := r.ask(ctx, r.agent, "POST", "/v1/aex/runs", `{"program":"bot","budget_micro":100000,"token":"`+r.token+`"}`, &opened)
	r.id = opened.RunID
	return err
}

// attend is what tells the gateway that the runner is there, until ctx ends.
func (r *fakeRunner) attend(ctx context.Context) {
	for ctx.Err() == nil {
		var s inner.Status
		err := r.ask(ctx, r.token, "GET", "/v1/aex/runs/"+string(r.id)+"?after=open", "", &s)
		if err != nil && ctx.Err() == nil {
			r.t.Error(err)
		}
		if err != nil || s.State == string(ledger.RunEnded) {
			return
		}
	}
}

func (r *fakeRunner) call(ctx context.Context) error {
	return r.ask(ctx, r.token, "POST", "/v1/chat/completions", chatBody(20, 5), nil)
}

func (r *fakeRunner) end(ctx context.Context) error {
	return r.ask(ctx, r.token, "POST", "/v1/aex/runs/"+string(r.id)+"/end", `{"outcome":"exited"}`, nil)
}

// usage is what the gateway's process has: resident memory in MiB, descriptors.
func (g *gate) usage() (mib, files int) {
	g.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	must(g.t, err)
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, err := strconv.Atoi(strings.Fields(string(rest))[0])
			must(g.t, err)
			mib = kib >> 10
		}
	}
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	must(g.t, err)
	return mib, len(list)
}

// forAll does something for all runners, some at a time.
func forAll(t *testing.T, runners []*fakeRunner, at int, do func(*fakeRunner) error) {
	t.Helper()
	var all sync.WaitGroup
	slots := make(chan struct{}, at)
	for _, r := range runners {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := do(r); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Many runners open, call and end at a shared gateway, in rounds: memory and
// files are after the last what they were after the second, no hold is left,
// and 10,000 runs that are open at a time fit into a GiB (AEX_TEST_RUNNERS).
func TestManyRunnersAtASharedGateway(t *testing.T) {
	many, turns := rounds(t, "AEX_TEST_RUNNERS", 100), rounds(t, "AEX_TEST_TURNS", 4)
	s := newStage(t, fakeprovider.Options{Lean: true, Behaviour: fakeprovider.Behaviour{OutputTokens: 5}})
	s.do("agent", "create", "team", "100000", "none")
	g := s.gate()
	g.start()
	runners := make([]*fakeRunner, many)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for i := range runners {
		runners[i] = &fakeRunner{t: t, client: client, url: g.url()}
	}
	var second, files int
	for turn := range turns {
		ctx, over := context.WithCancel(t.Context())
		for i, token := 0, ""; i < many; i++ {
			if i%500 == 0 { // a token opens 600 runs a minute
				token = s.token("team", "--scope", "runs")
			}
			runners[i].agent = token
		}
		began := time.Now()
		forAll(t, runners, 64, func(r *fakeRunner) error { return r.open(ctx) })
		opened := time.Since(began)
		var attending sync.WaitGroup
		for _, r := range runners {
			attending.Go(func() { r.attend(ctx) })
		}
		forAll(t, runners, 64, func(r *fakeRunner) error { return r.call(ctx) })
		called := time.Since(began) - opened
		mib, open := g.usage()
		forAll(t, runners, 64, func(r *fakeRunner) error { return r.end(context.WithoutCancel(ctx)) })
		over()
		attending.Wait()
		client.CloseIdleConnections()
		after, left := g.usage()
		t.Logf("turn %d: %d runs open in %s, a call of each in %s: %d MiB, %d files; ended: %d MiB, %d files", turn, many,
			opened.Round(time.Millisecond), called.Round(time.Millisecond), mib, open, after, left)
		if turn == 1 {
			second, files = after, left
		}
		if mib > 1024 {
			t.Errorf("%d open runs take %d MiB", many, mib)
		}
		if turn == turns-1 && turn > 1 && (after > second+second/4+16 || left > files+many+64) {
			t.Errorf("after the second turn there were %d MiB and %d files, after the last %d and %d", second, files, after, left)
		}
	}
	s.nothingIsLeft()
}

// nothingIsLeft: no hold, no run that is open, no lock file of a process that is
// gone, and what was billed is booked.
func (s *stage) nothingIsLeft() {
	t := s.t
	t.Helper()
	var a struct {
		Reserved int64 `json:"reserved_micro"`
		Spent    int64 `json:"spent_micro"`
	}
	must(t, json.Unmarshal([]byte(s.do("agent", "inspect", "team", "--json").stdout), &a))
	if bill := billed(t, s.provider); a.Reserved != 0 || a.Spent != bill || bill == 0 {
		t.Errorf("held %d, booked %d, billed %d", a.Reserved, a.Spent, bill)
	}
	for _, r := range s.runs() {
		if r.State != "ended" {
			t.Errorf("a run is %s", r.State)
		}
	}
	if names, err := filepath.Glob(filepath.Join(s.home, "aex.db.owners", "*")); err != nil || len(names) > 2 {
		t.Errorf("lock files are left: %v %v", names, err)
	}
}
