package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	fake "github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// wires are where a call can go, and the request whole and streamed.
var wires = []struct{ path, streams, body, stream string }{
	wire("/v1/chat/completions", `{"model":"gpt-4o-mini","max_tokens":40,"stream":STREAM,"messages":[{"role":"user","content":"`+said+`"}]}`),
	wire("/v1/responses", `{"model":"gpt-4o-mini","max_output_tokens":40,"stream":STREAM,"input":"`+said+`"}`),
	wire("/v1/completions", `{"model":"gpt-4o-mini","max_tokens":40,"stream":STREAM,"prompt":"`+said+`"}`),
	wire("/v1/messages", `{"model":"claude-3-5-haiku-latest","max_tokens":40,"stream":STREAM,"messages":[{"role":"user","content":"`+said+`"}]}`),
	wire("/v1beta/models/gemini-2.0-flash:generateContent", `{"contents":[{"role":"user","parts":[{"text":"`+said+`"}]}],"generationConfig":{"maxOutputTokens":40}}`),
}

func wire(path, body string) struct{ path, streams, body, stream string } {
	return struct{ path, streams, body, stream string }{
		path, strings.Replace(path, ":generateContent", ":streamGenerateContent?alt=sse", 1),
		strings.Replace(body, "STREAM", "false", 1), strings.Replace(body, "STREAM", "true", 1),
	}
}

// trick is what a provider does, and how seldom, where it costs much time.
type trick struct {
	fake.Behaviour
	seldom int // one draw of so many is kept; 0: each
}

func often(all ...fake.Behaviour) (tricks []trick) {
	for _, b := range all {
		tricks = append(tricks, trick{b, 0})
	}
	return tricks
}

// hostile is what a provider does that keeps its cap.
var hostile = append(often(
	fake.Behaviour{}, fake.Behaviour{OutputTokens: 200}, fake.Behaviour{Fault: fake.FaultRateLimit}, fake.Behaviour{Fault: fake.FaultServerError},
	fake.Behaviour{Fault: fake.FaultOverloaded}, fake.Behaviour{Fault: fake.FaultErrorUsage}, fake.Behaviour{Fault: fake.FaultDropHeaders}, fake.Behaviour{Fault: fake.FaultDropReused},
	fake.Behaviour{Fault: fake.FaultCut, After: 3}, fake.Behaviour{Fault: fake.FaultReset, After: 3}, fake.Behaviour{Fault: fake.FaultCleanEnd, After: 3},
	fake.Behaviour{Fault: fake.FaultMalformed}, fake.Behaviour{Fault: fake.FaultErrorEvent, After: 2}, fake.Behaviour{Fault: fake.FaultFailed}, fake.Behaviour{Fault: fake.FaultLateStart},
	fake.Behaviour{Fault: fake.FaultNoBody}, fake.Behaviour{Fault: fake.FaultUpgradeHTML}, fake.Behaviour{Fault: fake.FaultForeign502}, fake.Behaviour{NoUsage: true}, fake.Behaviour{NullUsage: true},
	fake.Behaviour{NullDetails: true}, fake.Behaviour{UsageEveryChunk: true}, fake.Behaviour{Gzip: true}, fake.Behaviour{CRLF: true}, fake.Behaviour{CR: true}, fake.Behaviour{BOM: true},
	fake.Behaviour{Comments: true}, fake.Behaviour{MultiData: true}, fake.Behaviour{SplitUTF8: true, UTF8: true}, fake.Behaviour{DuplicateDone: true}, fake.Behaviour{NoDone: true},
	fake.Behaviour{NoLastBlank: true}, fake.Behaviour{EmptyFirst: true}, fake.Behaviour{ExtraFields: true}, fake.Behaviour{Fault: fake.FaultCut, After: 2, Torn: true},
	fake.Behaviour{CachedTokens: 3}, fake.Behaviour{CacheWrite5m: 3}, fake.Behaviour{Fault: fake.FaultStatus, Status: 302, Body: "x"}, fake.Behaviour{Fault: fake.FaultStatus, Status: 599, Body: "{"},
), []trick{
	{fake.Behaviour{Fault: fake.FaultHang, After: 2}, 2}, {fake.Behaviour{Fault: fake.FaultHangHeaders}, 2}, {fake.Behaviour{DelayHeaders: 50 * time.Millisecond, DelayChunk: time.Millisecond}, 2},
	{fake.Behaviour{HugeEvent: 200_000}, 10}, {fake.Behaviour{SlowDrip: true, OutputTokens: 2}, 20},
}...)

// lies are what a provider tells and bills beyond what it was allowed.
var lies = append(often(
	fake.Behaviour{IgnoreCap: true, OutputTokens: 5000, ChunkTokens: 100}, fake.Behaviour{IgnoreCap: true, OutputTokens: 100_000, ChunkTokens: 1000}, fake.Behaviour{ReasoningTokens: 30_000, IgnoreCap: true},
	fake.Behaviour{CachedTokens: 1 << 40}, fake.Behaviour{ToolUseTokens: 1 << 22}, fake.Behaviour{ImageTokens: 1 << 30}, fake.Behaviour{Searches: 1000},
	fake.Behaviour{AudioInTokens: 1 << 22}, fake.Behaviour{AudioOutTokens: 1 << 22},
), trick{fake.Behaviour{ToolUseTokens: 1 << 39}, 50})

// bodies are requests that no decent client sends; they cost nothing.
var bodies = []string{
	"", "{", "null", "[]", `{"model":1}`, `{"model":"gpt-4o-mini","messages":` + strings.Repeat("[", 5000), `{"model":"gpt-4o-mini","max_tokens":-1,"messages":[]}`,
	`{"model":"gpt-4o-mini","max_tokens":1e400,"messages":[]}`, `{"model":"gpt-4o-mini","model":"gpt-4o","messages":[]}`, "\xff\xfe\x00", `{"model":"` + strings.Repeat("m", 70_000) + `"}`,
	`{"model":"gpt-4o-mini","n":1000000,"messages":[{"role":"user","content":"x"}]}`, `{"model":"gpt-4o-mini","stream":"true","messages":[]}`,
}

// drawing is a provider that chooses anew for each request.
func drawing(tricks []trick) func(*rand.Rand) fake.Options {
	return func(random *rand.Rand) fake.Options {
		random = rand.New(rand.NewPCG(random.Uint64(), 0)) // of its own: others draw, too
		return fake.Options{Draw: func() fake.Behaviour {
			t := tricks[random.IntN(len(tricks))]
			if t.seldom > 0 && random.IntN(t.seldom) > 0 {
				t = tricks[0]
			}
			if t.OutputTokens == 0 {
				t.OutputTokens = 12
			}
			return t.Behaviour
		}}
	}
}

const (
	callers  = 64
	letGo    = 300 * time.Millisecond // what hangs goes on after that at the latest
	richly   = "100000.00"
	allOfIt  = int64(100_000_000_000) // in micro-dollars
	patience = 5 * time.Second        // of a client with an answer
)

// hostileCalls are calls on every wire against a provider that does what it can
// within the caps that it was given.
func (a *attacker) hostileCalls(r *row) error {
	return a.apart(r, a.sizes.calls, perPlace{50_000, 1}, drawing(hostile), func(b *batch) error {
		if err := b.manyCalls(richly, false); err != nil {
			return err
		}
		b.books("x", allOfIt)
		return nil
	})
}

// lyingProviders are booked whole: the budget takes what it can, and the rest
// is overrun, which ends the agent's calls. One agent in four has little.
func (a *attacker) lyingProviders(r *row) error {
	return a.apart(r, a.sizes.lies, perPlace{500, 2}, drawing(lies), func(b *batch) error {
		budget, micros := richly, allOfIt
		if b.first/500%4 == 3 {
			budget, micros = "100.00", 100_000_000
		}
		if err := b.manyCalls(budget, true); err != nil {
			return err
		}
		b.told("x", micros)
		return nil
	})
}

// manyCalls makes the calls of a batch, many at once.
func (b *batch) manyCalls(budget string, lying bool) error {
	s, err := b.serve("x", budget)
	if err != nil {
		return err
	}
	goesOn := make(chan struct{})
	var freeing sync.WaitGroup
	freeing.Go(func() { b.letGo(goesOn) })
	next := make(chan struct{})
	var all sync.WaitGroup
	for range min(callers, b.n) {
		random := rand.New(rand.NewPCG(b.random.Uint64(), 0))
		all.Go(func() {
			for range next {
				b.call(s, random, lying)
			}
		})
	}
	for range b.n {
		if b.a.over() {
			break
		}
		next <- struct{}{}
		b.row.add(&b.row.tried, 1)
	}
	close(next)
	all.Wait()
	s.stop(b.row)
	close(goesOn)
	freeing.Wait()
	return nil
}

// letGo lets what hangs at the provider go on, again and again.
func (p *place) letGo(until <-chan struct{}) {
	tick := time.NewTicker(letGo)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.provider.Release()
		case <-until:
			p.provider.Release()
			return
		}
	}
}

var client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: callers, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// call makes a call, and leaves it in the middle now and then, and when nothing
// comes for long. Who lies is heard to the end: what is billed and never told
// nobody can book.
func (p *place) call(s *serving, random *rand.Rand, toTheEnd bool) {
	w := wires[random.IntN(len(wires))]
	path, body := w.path, w.body
	if random.IntN(2) == 0 && !toTheEnd { // a stream beyond its cap is cut
		path, body = w.streams, w.stream
	}
	if random.IntN(12) == 0 && !toTheEnd {
		body = bodies[random.IntN(len(bodies))]
	}
	within := patience
	switch {
	case toTheEnd:
		within = patient
	case random.IntN(10) == 0:
		within = time.Duration(random.IntN(30)) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(p.a.ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		p.row.fault("%v", err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := client.Do(req)
	if err == nil {
		p.row.answered(resp.StatusCode)
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err != nil && toTheEnd && ctx.Err() != nil && p.a.ctx.Err() == nil {
		p.row.add(&p.row.hangs, 1)
	}
}
