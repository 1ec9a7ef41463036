//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
)

// line is the way to a server, which can be cut.
type line struct {
	addr string
	to   string
	mu   sync.Mutex
	cut  bool
	open []net.Conn
}

func newLine(t *testing.T, to string) *line {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	way := &line{addr: l.Addr().String(), to: to}
	var carrying sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		way.set(true)
		carrying.Wait()
	})
	carrying.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if s := way.join(c); s != nil {
				carrying.Go(func() { io.Copy(s, c); s.Close() })
				carrying.Go(func() { io.Copy(c, s); c.Close() })
			}
		}
	})
	return way
}

// join is the other end of a connection; nil where the line is cut.
func (w *line) join(c net.Conn) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := net.Dial("tcp", w.to)
	if w.cut || err != nil {
		c.Close()
		if err == nil {
			s.Close()
		}
		return nil
	}
	w.open = append(w.open, c, s)
	return s
}

func (w *line) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut = cut; cut {
		for _, c := range w.open {
			c.Close()
		}
		w.open = nil
	}
}

const outageModels = `version: 1
providers:
  openai: {base_url: "%[1]s/v1"}
  anthropic: {base_url: "%[1]s", type: anthropic}
  google: {base_url: "%[1]s", type: gemini}
`

// dialectCalls are the smallest call in each dialect, and where its error says what it is.
var dialectCalls = []struct{ path, body, says string }{
	{"/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`, `"error":{"message":`},
	{"/v1/responses", `{"model":"gpt-5.1","max_output_tokens":20,"input":"hi"}`, `"error":{"message":`},
	{"/v1/completions", `{"model":"gpt-3.5-turbo-instruct","max_tokens":20,"prompt":"hi"}`, `"error":{"message":`},
	{"/v1/embeddings", `{"model":"text-embedding-3-small","input":["hi"]}`, `"error":{"message":`},
	{"/v1/messages", `{"model":"claude-opus-4-5","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`, `{"type":"error","error":{"type":`},
	{"/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":20}}`, `"status":"UNAVAILABLE"`},
}

// post is a call with a token, and all of its answer.
func (g *gate) post(token, path, body string) (int, string, error) {
	req, err := http.NewRequest("POST", g.url()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// TestTheDatabaseIsAway: the database of two gateways is away for AEX_TEST_OUTAGE
// (8 s; 5m is the true length). Meanwhile every call is refused with 503 in its
// dialect, and none goes out. What is in flight is answered, and booked when the
// database is back, once. Nobody is taken for dead, and runs go on.
func TestTheDatabaseIsAway(t *testing.T) {
	server := os.Getenv("AEX_TEST_POSTGRES")
	if server == "" {
		t.Skip("NOT TESTED here: make postgres runs it, on a PostgreSQL server")
	}
	length, err := time.ParseDuration(os.Getenv("AEX_TEST_OUTAGE"))
	if err != nil {
		length = 8 * time.Second
	}
	o := newOutage(t, server)
	run := &fakeRunner{t: t, client: http.DefaultClient, url: o.gates[0].url(), agent: o.s.token("team", "--scope", "runs")}
	must(t, run.open(t.Context()))
	attending, leave := context.WithCancel(t.Context())
	var attended sync.WaitGroup
	attended.Go(func() { run.attendThrough(attending) })
	defer attended.Wait()
	defer leave()
	for i, call := range dialectCalls { // each goes through by itself
		if code, text, err := o.gates[1].post([]string{o.token, o.others}[min(i, 1)], call.path, call.body); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %v %.300s", call.path, code, err, text)
		}
	}
	owners := o.owners()
	inFlight := o.startCalls(length)
	asked := len(o.s.provider.Bill())
	o.way.set(true)
	began := time.Now()
	refused := o.callWhile(began, length)
	if n := len(o.s.provider.Bill()); n != asked {
		t.Errorf("%d calls went out without a database", n-asked)
	}
	o.way.set(false)
	t.Logf("away for %v; %d calls were refused with 503", time.Since(began).Round(time.Second), refused)
	for range inFlight {
		if err := <-o.answered; err != nil {
			t.Error(err)
		}
	}
	o.settled()
	must(t, run.call(t.Context()))
	must(t, run.end(t.Context()))
	if now := o.owners(); now != owners {
		t.Errorf("owners were %s and are %s", owners, now)
	}
	o.check(length)
}

// outage is a stage whose gateways' database can be away.
type outage struct {
	t        *testing.T
	s        *stage
	way      *line
	gates    []*gate
	token    string // of the agent whose bill is compared
	others   string // of another one, for other models
	answered chan error
	look     *ledger.Ledger
}

func newOutage(t *testing.T, server string) *outage {
	s := newStage(t, fakeprovider.Options{Behaviour: fakeprovider.Behaviour{OutputTokens: 4}})
	s.env = append(s.env, "ANTHROPIC_API_KEY="+realKey, "GEMINI_API_KEY="+realKey)
	s.onServer()
	s.do("agent", "create", "team", "500", "none")
	s.do("agent", "create", "others", "500", "none")
	o := &outage{t: t, s: s, token: s.token("team"), others: s.token("others"), answered: make(chan error, 100)}
	u, err := url.Parse(s.place)
	must(t, err)
	o.way = newLine(t, u.Host)
	u.Host = o.way.addr
	for range 2 {
		g := s.gate()
		g.place = u.String()
		must(t, os.MkdirAll(filepath.Join(g.home, "config"), 0o700))
		must(t, os.WriteFile(filepath.Join(g.home, "config", "models.yaml"), fmt.Appendf(nil, outageModels, s.url), 0o600))
		g.start()
		o.gates = append(o.gates, g)
	}
	o.look, err = ledger.OpenReadOnly(t.Context(), ledger.Options{Path: s.place, Home: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, o.look.Close()) })
	return o
}

// startCalls leaves calls in flight at both gateways: some are answered while the
// database is away, soon after it went and shortly before it is back.
func (o *outage) startCalls(length time.Duration) (n int) {
	slow := []time.Duration{length / 20, length * 23 / 100}
	body := `{"model":"gpt-4o-mini","stream":true,"max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`
	before := len(o.s.provider.Bill())
	for _, g := range o.gates {
		for range 3 {
			for _, delay := range slow {
				n++
				o.s.provider.Next(fakeprovider.Behaviour{OutputTokens: 4, DelayChunk: delay})
				go func() {
					code, text, err := g.post(o.token, "/v1/chat/completions", body)
					if err == nil && (code != http.StatusOK || !strings.Contains(text, "[DONE]")) {
						err = fmt.Errorf("in flight: %d %.300s", code, text)
					}
					o.answered <- err
				}()
			}
		}
	}
	ctx, stop := context.WithTimeout(o.t.Context(), time.Minute)
	defer stop()
	must(o.t, o.s.provider.Await(ctx, func(bill []fakeprovider.Entry) bool { return len(bill) == before+n }))
	return n
}

// callWhile makes calls in all dialects at all gateways, all of which must be refused.
func (o *outage) callWhile(began time.Time, length time.Duration) (refused int) {
	for n := 0; time.Since(began) < length; n++ {
		call := dialectCalls[n%len(dialectCalls)]
		for _, g := range o.gates {
			code, text, err := g.post(o.others, call.path, call.body)
			if err != nil || code != http.StatusServiceUnavailable || !strings.Contains(text, call.says) {
				o.t.Fatalf("%s: %d %v %.300s", call.path, code, err, text)
			}
			refused++
		}
	}
	return refused
}

// settled waits until no call is open.
func (o *outage) settled() {
	o.t.Helper()
	for end := time.Now().Add(4 * time.Minute); ; {
		holds, err := o.look.OpenHolds(o.t.Context(), 1000)
		if err == nil && len(holds) == 0 {
			return
		}
		if time.Now().After(end) {
			o.t.Fatalf("%d holds are still open, %v", len(holds), err)
		}
		time.Sleep(200 * time.Millisecond) // nothing tells of another process's commits
	}
}

// owners are the lives of the gateways, as the database has them.
func (o *outage) owners() (ids string) {
	o.t.Helper()
	conn, err := pgx.Connect(o.t.Context(), o.s.place)
	must(o.t, err)
	defer conn.Close(o.t.Context())
	must(o.t, conn.QueryRow(o.t.Context(), `SELECT string_agg(id::text, ' ' ORDER BY id) FROM owner`).Scan(&ids))
	return ids
}

// attendThrough attends a run as aex does, which asks again when it gets no answer.
func (r *fakeRunner) attendThrough(ctx context.Context) {
	for ctx.Err() == nil {
		var s inner.Status
		if err := r.ask(ctx, r.token, "GET", "/v1/aex/runs/"+string(r.id)+"?after=open", "", &s); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// check looks at what was booked, once for each call.
func (o *outage) check(length time.Duration) {
	t := o.t
	t.Helper()
	o.s.audit()
	page, err := o.look.Events(t.Context(), ledger.EventFilter{Action: "usage.", Limit: 10_000})
	must(t, err)
	booked, inFull := map[string]int{}, 0
	for _, e := range page.Events {
		var b struct {
			Hold   string `json:"hold"`
			Reason string `json:"reason"`
		}
		must(t, json.Unmarshal(e.Body, &b))
		if booked[b.Hold]++; booked[b.Hold] > 1 {
			t.Errorf("hold %s is booked %d times", b.Hold, booked[b.Hold])
		}
		if e.Action == "usage.recovered" {
			if inFull++; b.Reason != "no call owns it" {
				t.Errorf("hold %s was booked in full: %s", b.Hold, b.Reason)
			}
		}
	}
	a, err := o.look.Agent(t.Context(), "team")
	must(t, err)
	bill := o.bill()
	t.Logf("away for %v: %d calls booked, %d of them in full, %s for a bill of %s", length, len(booked), inFull, a.Account.Spent, bill)
	if a.Account.Reserved != 0 || a.Account.Spent < bill || inFull == 0 && a.Account.Spent != bill {
		t.Errorf("booked %+v, billed %d", a.Account, bill)
	}
}

// bill is what the provider charges for the calls of the agent that is compared.
func (o *outage) bill() (sum ledger.Micros) {
	_, rate, err := fakeprovider.ParsePrice(price)
	must(o.t, err)
	for _, e := range o.s.provider.Bill() {
		if e.Charged && e.Asked == "gpt-4o-mini" {
			sum += ledger.Micros(rate.Micros(e.Usage))
		}
	}
	return sum
}
