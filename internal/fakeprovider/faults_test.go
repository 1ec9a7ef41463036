package fakeprovider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// outcome is what a client and the bill make of a fault.
type outcome struct {
	status    int  // 0: no answer
	broken    bool // the body broke off
	charged   bool
	generated int64 // of 16; negative: not looked at
	contains  string
}

func TestFaults(t *testing.T) {
	const sent = 3 // chunks before a fault in mid-stream
	type pair struct{ whole, stream outcome }
	same := func(o outcome) pair { return pair{o, o} }
	refused := func(status int) pair { return same(outcome{status: status, contains: `"error"`}) }
	cases := map[Fault]pair{
		FaultRateLimit:   refused(429),
		FaultServerError: refused(500),
		FaultBadRequest:  refused(400),
		FaultLateStart:   refused(200),
		FaultForeign502:  same(outcome{status: 502, charged: true, generated: 16, contains: "<html>"}),
		FaultUpgradeHTML: same(outcome{status: 200, charged: true, generated: 16, contains: "<html>"}),
		FaultNoBody:      same(outcome{status: 200, charged: true, generated: 16}),
		FaultErrorUsage:  same(outcome{status: 500, charged: true, generated: 16, contains: `sage`}),
		FaultDropHeaders: same(outcome{charged: true, generated: 16}),
		FaultCut: {outcome{status: 200, broken: true, charged: true, generated: 16},
			outcome{status: 200, broken: true, charged: true, generated: sent}},
		FaultReset: {outcome{status: 200, broken: true, charged: true, generated: 16},
			outcome{status: 200, broken: true, charged: true, generated: sent}},
		FaultCleanEnd: {outcome{status: 200, charged: true, generated: 16},
			outcome{status: 200, charged: true, generated: sent, contains: "w3 "}},
		FaultMalformed: same(outcome{status: 200, charged: true, generated: 16}),
		FaultErrorEvent: {outcome{status: 500, contains: "error"},
			outcome{status: 200, charged: true, generated: sent, contains: "error"}},
		FaultFailed: {outcome{status: 500, contains: "error"},
			outcome{status: 200, charged: true, generated: sent, contains: "error"}},
	}
	both(t, func(t *testing.T, d dialect, stream bool) {
		p, url := start(t, Options{})
		for fault, c := range cases {
			want := c.whole
			if stream {
				want = c.stream
			}
			p.Set(Behaviour{Fault: fault, After: sent})
			status, body, err := post(t, url+d.path(stream), d.body("hi", stream, 0, false), anthropicVersion...)
			e := settled(t, p)
			if status != want.status || (err != nil) != (want.broken || want.status == 0) {
				t.Errorf("%s: status %d, %v", fault, status, err)
			}
			if e.Charged != want.charged || e.Generated != want.generated {
				t.Errorf("%s: charged %t, generated %d", fault, e.Charged, e.Generated)
			}
			if !strings.Contains(body, want.contains) {
				t.Errorf("%s: body %.200q", fault, body)
			}
			if string(e.Response) != body {
				t.Errorf("%s: the bill has %d bytes, the client %d", fault, len(e.Response), len(body))
			}
		}
	})
}

func TestOverloadedAndRetryAfter(t *testing.T) {
	both(t, func(t *testing.T, d dialect, stream bool) {
		p, url := start(t, Options{})
		want := 503
		if d.name == wireMessages {
			want = 529
		}
		for after, header := range map[string]string{"": "1", "7": "7", "-": ""} {
			p.Set(Behaviour{Fault: FaultOverloaded, RetryAfter: after})
			status, _, err := post(t, url+d.path(stream), d.body("hi", stream, 0, false), anthropicVersion...)
			e := settled(t, p)
			if status != want || err != nil || e.Charged || e.Answered.Get("Retry-After") != header {
				t.Errorf("%d, %v, charged %t, %q", status, err, e.Charged, e.Answered.Get("Retry-After"))
			}
		}
	})
}

func TestGeneratesAheadOfWhatItSent(t *testing.T) {
	p, url := start(t, Options{})
	for ahead, want := range map[int64]int64{0: 2, 5: 7, 100: 16} {
		p.Set(Behaviour{Fault: FaultCut, After: 2, GenerateAhead: ahead})
		_, _, err := post(t, url+chatDialect.path(true), chatDialect.body("hi", true, 0, false))
		e := settled(t, p)
		if err == nil || e.Sent != 2 || e.Generated != want || e.Usage.Output != want {
			t.Errorf("ahead %d: %v, %+v", ahead, err, e)
		}
	}
}

// hangUp sends a request and goes away when the provider hangs: after a first
// byte if there is one to come, else while it waits for the headers.
func hangUp(t *testing.T, p *Provider, url, body string, begins bool) error {
	t.Helper()
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Anthropic-Version", "2023-06-01")
	hung, read := make(chan error, 1), make(chan struct{})
	go func() {
		err := p.Hung(ctx, 1)
		if begins {
			<-read
		}
		cancel()
		hung <- err
	}()
	resp, err := (&http.Transport{}).RoundTrip(r)
	if begins {
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		close(read)
		_, err = io.ReadAll(resp.Body)
	}
	if err := <-hung; err != nil {
		t.Fatal(err)
	}
	return err
}

func TestClientHangsUp(t *testing.T) {
	both(t, func(t *testing.T, d dialect, stream bool) {
		p, url := start(t, Options{})
		for fault, want := range map[Fault]int64{FaultHang: 4, FaultHangHeaders: 16} {
			if !stream {
				want = 16
			}
			p.Reset()
			p.Set(Behaviour{Fault: fault, After: 4})
			err := hangUp(t, p, url+d.path(stream), d.body("hi", stream, 0, false), fault == FaultHang)
			if err == nil || fault == FaultHangHeaders && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", fault, err)
			}
			if e := settled(t, p); !e.Gone || !e.Charged || e.Generated != want {
				t.Errorf("%s: gone %t, charged %t, generated %d", fault, e.Gone, e.Charged, e.Generated)
			}
		}
	})
}

func TestReleaseLetsAHangGoOn(t *testing.T) {
	both(t, func(t *testing.T, d dialect, stream bool) {
		for _, fault := range []Fault{FaultHang, FaultHangHeaders} {
			p, url := start(t, Options{Behaviour: Behaviour{Fault: fault, After: 4}})
			go func() {
				if p.Hung(soon(t), 1) == nil {
					p.Release()
				}
			}()
			g, e := ask(t, p, url, d, stream, d.body("hi", stream, 0, false))
			if e.Generated != 16 || e.Gone || !strings.HasSuffix(g.text[0], "w16 ") {
				t.Errorf("%s: %+v, %q", fault, e.Usage, g.text)
			}
		}
	})
}

// TestDropReusedShowsSilentRetries: Go's transport repeats a POST by itself
// when it has an Idempotency-Key, and the bill counts what it did.
func TestDropReusedShowsSilentRetries(t *testing.T) {
	for _, key := range []string{"", "once"} {
		p, url := start(t, Options{})
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		send := func() error {
			body := strings.NewReader(chatDialect.body("hi", false, 0, false))
			r, err := http.NewRequestWithContext(soon(t), "POST", url+"/v1/chat/completions", body)
			if err != nil {
				t.Fatal(err)
			}
			if key != "" {
				r.Header.Set("Idempotency-Key", key)
			}
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
			return err
		}
		p.Next(Behaviour{Fault: FaultDropReused})
		if err := send(); err != nil {
			t.Fatalf("a fresh connection was dropped: %v", err)
		}
		if err := p.Wait(soon(t), 1); err != nil {
			t.Fatal(err)
		}
		err := send()
		want, fails := 2, true
		if key != "" {
			want, fails = 3, false
		}
		if werr := p.Wait(soon(t), want); werr != nil {
			t.Fatal(werr)
		}
		if bill := p.Bill(); len(bill) != want || (err != nil) != fails {
			t.Errorf("key %q: %d requests, %v", key, len(bill), err)
		}
	}
}

func TestResetIsOne(t *testing.T) {
	p, url := start(t, Options{Behaviour: Behaviour{Fault: FaultReset, After: 2}})
	_, _, err := post(t, url+chatDialect.path(true), chatDialect.body("hi", true, 0, false))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the body broke off with %v", err)
	}
	if e := settled(t, p); e.Generated != 2 {
		t.Errorf("generated %d", e.Generated)
	}
}

func TestStatusFault(t *testing.T) {
	p, url := start(t, Options{})
	for status, charged := range map[int]bool{402: false, 418: false, 504: true, 200: true} {
		p.Set(Behaviour{Fault: FaultStatus, Status: status, Body: "so be it", Header: http.Header{"x-extra": {"y"}}})
		got, body, err := post(t, url+chatDialect.path(false), chatDialect.body("hi", false, 0, false))
		e := settled(t, p)
		if got != status || body != "so be it" || err != nil || e.Charged != charged || e.Answered.Get("X-Extra") != "y" {
			t.Errorf("%d: %d, %q, %v, charged %t", status, got, body, err, e.Charged)
		}
	}
}
