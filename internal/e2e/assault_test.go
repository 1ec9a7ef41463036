//go:build linux

package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// assault is v1.2's suite of stress: ten cases against aex serve, by its own
// names. It deletes an agent and makes it anew before each case, as that did.
type assault struct {
	*stage
	base   string
	agents []string
}

const assaultModel = "assault-model"

func (a *assault) agent(name, budget, rpm string, flags ...string) (token string) {
	a.t.Helper()
	name = "assault-" + name
	a.do("agent", "delete", name) // there is none in the first round
	r := a.do(append([]string{"agent", "create", name, budget, rpm}, flags...)...)
	m := tokenLine.FindStringSubmatch(r.stdout)
	if r.code != 0 || m == nil {
		a.t.Fatalf("no token of %s: %d %s%s", name, r.code, r.stdout, r.stderr)
	}
	if !slices.Contains(a.agents, name) {
		a.agents = append(a.agents, name)
	}
	return m[1]
}

func (a *assault) ask(token, body string) (status int, answer string) {
	req, err := http.NewRequest(http.MethodPost, a.base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func said(more string) string {
	return `{"model":"` + assaultModel + `","messages":[{"role":"user","content":"hi"}]` + more + `}`
}

// storm asks n times at once, and counts the answers by status.
func (a *assault) storm(n int, ask func(i int) (int, string)) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	counts := map[int]int{}
	for i := range n {
		all.Go(func() {
			status, _ := ask(i)
			mu.Lock()
			defer mu.Unlock()
			counts[status]++
		})
	}
	all.Wait()
	return counts
}

// only fails the test for any answer of another status, and unless there is one
// of the first.
func (a *assault) only(what string, counts map[int]int, allowed ...int) {
	a.t.Helper()
	for status, n := range counts {
		if !slices.Contains(allowed, status) {
			a.t.Errorf("%s: %d answers of status %d", what, n, status)
		}
	}
	if counts[allowed[0]] == 0 {
		a.t.Errorf("%s: no answer of status %d: %v", what, allowed[0], counts)
	}
}

// TestV12Assault passes twice on one home: what v1.2 promised of its view of
// events holds for an agent that was deleted and made anew.
func TestV12Assault(t *testing.T) {
	s := newStage(t, fakeprovider.Options{Behaviour: fakeprovider.Behaviour{OutputTokens: 8}})
	a := &assault{stage: s, base: s.serve("--price", assaultModel+"=0.60/2.40")}
	for round := range 2 {
		t.Run(fmt.Sprint("round ", round+1), func(t *testing.T) {
			a.t = t
			a.money()
			a.requests()
			a.ledgerAfter(t)
		})
	}
}

func (a *assault) money() {
	micro := a.agent("micro", "0.0005", "none")
	a.only("micro-budget", a.storm(50, func(int) (int, string) { return a.ask(micro, said(`,"max_tokens":1`)) }), 200, 402, 429)
	tokens := make([]string, 10)
	for i := range tokens {
		tokens[i] = a.agent(fmt.Sprint("storm-", i), "1", "none")
	}
	a.only("concurrency", a.storm(50, func(i int) (int, string) { return a.ask(tokens[i%10], said(`,"max_tokens":20`)) }), 200)
	flood := a.agent("flood", "1", "none")
	a.only("streams", a.storm(10, func(int) (int, string) { return a.ask(flood, said(`,"max_tokens":20,"stream":true`)) }), 200)
	soak := a.agent("soak", "1", "none")
	for range 10 {
		a.only("soak", a.storm(5, func(int) (int, string) { return a.ask(soak, said(`,"max_tokens":5`)) }), 200)
	}
}

func (a *assault) requests() {
	short := a.agent("short", "1", "none", "--ttl", "0.0005")
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	for status := 0; status != 401 && ctx.Err() == nil; {
		if status, _ = a.ask(short, said("")); status != 200 && status != 401 {
			a.t.Errorf("a token on its way out: status %d", status)
		}
	}
	if status, _ := a.ask(short, said("")); status != 401 {
		a.t.Errorf("a token that is out: status %d", status)
	}
	a.only("health", a.storm(50, func(int) (int, string) {
		resp, err := http.Get(a.base + "/health")
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		return resp.StatusCode, ""
	}), 200)
	odd := a.agent("odd", "1", "none", "--allowed-models", assaultModel)
	for _, body := range []string{`{"model":`, `{"model":"` + assaultModel + `"}`, `{"model":"` + assaultModel + `","messages":"hi"}`} {
		if status, answer := a.ask(odd, body); status != 400 && status != 422 {
			a.t.Errorf("%s: status %d %.200s", body, status, answer)
		}
	}
	if status, answer := a.ask(odd, strings.Replace(said(""), assaultModel, "nobody-knows-it", 1)); status != 403 && status != 404 {
		a.t.Errorf("an unknown model: status %d %.200s", status, answer)
	}
	burst, neighbour := a.agent("burst", "1", "10"), a.agent("neighbour", "1", "10")
	counts := a.storm(15, func(int) (int, string) { return a.ask(burst, said(`,"max_tokens":5`)) })
	a.only("burst", counts, 200, 429)
	if counts[429] < 5 {
		a.t.Errorf("10 requests a minute let through %v", counts)
	}
	if status, answer := a.ask(neighbour, said(`,"max_tokens":5`)); status != 200 {
		a.t.Errorf("a neighbour: status %d %.200s", status, answer)
	}
}

// ledgerAfter is what v1.2's suite asked of the database, and the bill beside it.
func (a *assault) ledgerAfter(t *testing.T) {
	a.settled(t)
	db, err := sql.Open("sqlite", "file:"+a.home+"/aex.db?mode=ro")
	must(t, err)
	defer db.Close()
	for _, name := range a.agents {
		var budget, spent, reserved, events int64
		must(t, db.QueryRow(`SELECT budget_micro, spent_micro, reserved_micro FROM agents WHERE name = ?`, name).Scan(&budget, &spent, &reserved))
		must(t, db.QueryRow(`SELECT coalesce(sum(cost_micro), 0) FROM events WHERE agent = ? AND action = 'usage.commit'`, name).Scan(&events))
		if spent < 0 || reserved != 0 || spent > budget || events != spent {
			t.Errorf("%s: %d spent of %d, %d reserved, its events say %d", name, spent, budget, reserved, events)
		}
	}
	a.audit()
}

// settled waits until all that was billed is booked.
func (a *assault) settled(t *testing.T) {
	bill, err := a.provider.Total(map[string]fakeprovider.Price{assaultModel: parsedPrice(t, assaultModel+"=0.60/2.40")})
	must(t, err)
	db, err := sql.Open("sqlite", "file:"+a.home+"/aex.db?mode=ro")
	must(t, err)
	defer db.Close()
	var booked, held int64
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		must(t, db.QueryRow(`SELECT coalesce(sum(cost_micro), 0) FROM events WHERE action = 'usage.commit'`).Scan(&booked))
		must(t, db.QueryRow(`SELECT coalesce(sum(reserved_micro), 0) FROM agents`).Scan(&held))
		if booked == bill && held == 0 {
			return
		}
	}
	t.Errorf("booked %d, billed %d, still held %d", booked, bill, held)
}

func parsedPrice(t *testing.T, spec string) fakeprovider.Price {
	t.Helper()
	_, p, err := fakeprovider.ParsePrice(spec)
	must(t, err)
	return p
}
