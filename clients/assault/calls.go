package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	fake "github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// wires are where a call can go, and the request: STREAM is true or false.
var wires = []struct{ path, body string }{
	{"/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":40,"stream":STREAM,"messages":[{"role":"user","content":"` + said + `"}]}`},
	{"/v1/responses", `{"model":"gpt-4o-mini","max_output_tokens":40,"stream":STREAM,"input":"` + said + `"}`},
	{"/v1/completions", `{"model":"gpt-4o-mini","max_tokens":40,"stream":STREAM,"prompt":"` + said + `"}`},
	{"/v1/messages", `{"model":"claude-3-5-haiku-latest","max_tokens":40,"stream":STREAM,"messages":[{"role":"user","content":"` + said + `"}]}`},
	{"/v1beta/models/gemini-2.0-flash:generateContent", `{"contents":[{"role":"user","parts":[{"text":"` + said + `"}]}],"generationConfig":{"maxOutputTokens":40}}`},
}

// hostile is what a provider does that keeps its cap.
var hostile = []fake.Behaviour{
	{}, {OutputTokens: 200}, {Fault: fake.FaultRateLimit}, {Fault: fake.FaultServerError}, {Fault: fake.FaultOverloaded}, {Fault: fake.FaultErrorUsage},
	{Fault: fake.FaultDropHeaders}, {Fault: fake.FaultCut, After: 3}, {Fault: fake.FaultReset, After: 3}, {Fault: fake.FaultCleanEnd, After: 3},
	{Fault: fake.FaultMalformed}, {Fault: fake.FaultErrorEvent, After: 2}, {Fault: fake.FaultFailed}, {Fault: fake.FaultLateStart}, {Fault: fake.FaultNoBody},
	{Fault: fake.FaultUpgradeHTML}, {NoUsage: true}, {NullUsage: true}, {NullDetails: true}, {UsageEveryChunk: true}, {HugeEvent: 200_000}, {Gzip: true},
	{CRLF: true}, {CR: true}, {BOM: true}, {Comments: true}, {MultiData: true}, {SplitUTF8: true, UTF8: true}, {DuplicateDone: true}, {NoDone: true},
	{NoLastBlank: true}, {EmptyFirst: true}, {ExtraFields: true}, {SlowDrip: true}, {Fault: fake.FaultCut, After: 2, Torn: true}, {CachedTokens: 3},
	{Fault: fake.FaultHang, After: 2}, {Fault: fake.FaultHangHeaders}, {Fault: fake.FaultStatus, Status: 302, Body: "x"}, {Fault: fake.FaultStatus, Status: 599, Body: "{"},
}

// bodies are requests that no decent client sends; they cost nothing.
var bodies = []string{
	"", "{", "null", "[]", `{"model":1}`, `{"model":"gpt-4o-mini","messages":` + strings.Repeat("[", 5000), `{"model":"gpt-4o-mini","max_tokens":-1,"messages":[]}`,
	`{"model":"gpt-4o-mini","max_tokens":1e400,"messages":[]}`, `{"model":"gpt-4o-mini","model":"gpt-4o","messages":[]}`, "\xff\xfe\x00", `{"model":"` + strings.Repeat("m", 70_000) + `"}`,
	`{"model":"gpt-4o-mini","n":1000000,"messages":[{"role":"user","content":"x"}]}`, `{"model":"gpt-4o-mini","stream":"true","messages":[]}`,
}

// hostileCalls are calls on every wire against a provider that does what it can
// within the caps that it was given.
func (a *attacker) hostileCalls(r *row) error { return a.manyCalls(r, a.sizes.calls, hostile, false) }

// lies are what a provider tells and bills beyond what it was allowed.
var lies = []fake.Behaviour{
	{IgnoreCap: true, OutputTokens: 5000}, {IgnoreCap: true, OutputTokens: 100_000, ChunkTokens: 1000}, {ReasoningTokens: 30_000, IgnoreCap: true}, {CachedTokens: 1 << 40},
	{ToolUseTokens: 1 << 30}, {ImageTokens: 1 << 30}, {Searches: 1000}, {AudioInTokens: 1 << 20}, {AudioOutTokens: 1 << 20, IgnoreCap: true},
}

// lyingProviders are booked whole: the budget takes what it can, and the rest
// is overrun, which ends the agent's calls.
func (a *attacker) lyingProviders(r *row) error { return a.manyCalls(r, a.sizes.lies, lies, true) }

func (a *attacker) manyCalls(r *row, n int, how []fake.Behaviour, lying bool) error {
	const atOnce, budget = 16, "100000.00"
	p, err := a.place(r, fake.Options{})
	if err != nil {
		return err
	}
	defer p.close()
	s, err := p.serve("x", budget)
	if err != nil {
		return err
	}
	next := make(chan int)
	var callers sync.WaitGroup
	for i := range atOnce {
		callers.Go(func() {
			random := a.random(i)
			for range next {
				p.call(s, random, lying)
			}
		})
	}
	random := a.random(-1)
	for i := range n {
		if a.over() {
			break
		}
		if i%25 == 0 {
			b := how[random.IntN(len(how))]
			if b.OutputTokens == 0 {
				b.OutputTokens = 12
			}
			p.provider.Set(b)
		}
		next <- i
		r.add(&r.tried, 1)
	}
	close(next)
	p.provider.Release() // what hangs goes on
	callers.Wait()
	s.stop(r)
	overspent := r.overspent
	p.books("x", 100_000_000_000)
	if lying { // booked whole is what there is to ask
		r.told, r.overspent = r.overspent-overspent, overspent
	}
	return nil
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// call makes a call, and leaves it in the middle now and then, and when nothing
// comes for long. Who lies is heard to the end: what is billed and never told
// nobody can book.
func (p *place) call(s *serving, random *rand.Rand, toTheEnd bool) {
	w := wires[random.IntN(len(wires))]
	stream := random.IntN(2) == 0 && !toTheEnd // a stream beyond its cap is cut
	body := strings.ReplaceAll(w.body, "STREAM", fmt.Sprint(stream))
	path := w.path
	if stream {
		path = strings.Replace(path, ":generateContent", ":streamGenerateContent?alt=sse", 1)
	}
	if random.IntN(12) == 0 && !toTheEnd {
		body = bodies[random.IntN(len(bodies))]
	}
	patience := 3 * time.Second
	switch {
	case toTheEnd:
		patience = patient
	case random.IntN(10) == 0:
		patience = time.Duration(random.IntN(30)) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(p.a.ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		p.row.fault("%v", err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err != nil && toTheEnd && ctx.Err() != nil && p.a.ctx.Err() == nil {
		p.row.add(&p.row.hangs, 1)
	}
}

// noHTTP are answers that are none, or absurd ones.
var noHTTP = []string{
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 099 Odd\r\n\r\n", "HTTP/1.1 000 None\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "SSH-2.0-x\r\n",
	"\x16\x03\x01\x00", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"", "",
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 95\r\n\r\n{\"choices\":[],\"usage\":{\"prompt_tokens\":9000000000000000000,\"completion_tokens\":-5,\"total_tokens\":1}}",
}

// rawAnswers are told by a server that speaks no HTTP. Nobody bills them: that
// each call comes to its end, and the ledger to its own, is all there is to ask.
func (a *attacker) rawAnswers(r *row) error {
	p, err := a.place(r, fake.Options{})
	if err != nil {
		return err
	}
	defer p.close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go answerRaw(l, a.random(-2))
	p.url = "http://" + l.Addr().String()
	s, err := p.serve("x", "100000.00")
	if err != nil {
		return err
	}
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			random := a.random(100 + i)
			for range a.sizes.raw / 4 {
				if a.over() {
					return
				}
				r.add(&r.tried, 1)
				p.call(s, random, false)
			}
		})
	}
	callers.Wait()
	s.stop(r)
	p.books("x", 100_000_000_000)
	r.told, r.overspent = r.overspent, 0
	return nil
}

func answerRaw(l net.Listener, random *rand.Rand) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		answer := noHTTP[random.IntN(len(noHTTP))]
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(3 * time.Second)) // then it hangs up
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			}
		}()
	}
}
