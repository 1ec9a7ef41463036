package fakeprovider

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeysAreTakenWhereTheProviderLooks(t *testing.T) {
	const key = "sk-fake-0123456789abcdef"
	_, url := start(t, Options{Key: key})
	cases := []struct {
		path   string
		header []string
		status int
		says   string
	}{
		{"/v1/chat/completions", []string{"Authorization", "Bearer " + key}, 200, ""},
		{"/chat/completions", []string{"Authorization", "Bearer " + key}, 200, ""},
		{"/openai/v1/chat/completions", []string{"Authorization", "Bearer " + key}, 200, ""},
		{"/v1/chat/completions", []string{"X-Api-Key", key}, 401, "didn't provide an API key"},
		{"/v1/chat/completions", []string{"Authorization", "Bearer sk-other-0123456789"}, 401, `"code":"invalid_api_key"`},
		{"/v1/messages", []string{"X-Api-Key", key, "Anthropic-Version", "2023-06-01"}, 200, ""},
		{"/v1/messages", []string{"Authorization", "Bearer " + key, "Anthropic-Version", "2023-06-01"}, 200, ""},
		{"/v1/messages", []string{"X-Api-Key", "no", "Anthropic-Version", "2023-06-01"}, 401, "authentication_error"},
		{"/v1/messages", []string{"X-Api-Key", key}, 400, "anthropic-version"},
		{"/v1beta/models/m:generateContent", []string{"X-Goog-Api-Key", key}, 200, ""},
		{"/v1beta/models/m:generateContent?key=" + key, nil, 200, ""},
		{"/v1beta/models/m:generateContent", []string{"X-Goog-Api-Key", "no"}, 400, "API_KEY_INVALID"},
		{"/v1beta/models/m:generateContent", nil, 403, "PERMISSION_DENIED"},
		{"/v1/nowhere", []string{"Authorization", "Bearer " + key}, 404, "unknown_url"},
	}
	for _, c := range cases {
		body := chatDialect.body("hi", false, 0, false)
		switch {
		case strings.Contains(c.path, "messages"):
			body = messagesDialect.body("hi", false, 0, false)
		case strings.Contains(c.path, "models"):
			body = geminiDialect.body("hi", false, 0, false)
		}
		status, got, err := post(t, url+c.path, body, c.header...)
		if status != c.status || err != nil || !strings.Contains(got, c.says) || strings.Contains(got, key) {
			t.Errorf("%s %v: %d %v %.200s", c.path, c.header, status, err, got)
		}
	}
}

func TestTheBillKeepsNoKey(t *testing.T) {
	p, url := start(t, Options{})
	const key = "sk-secret-0123456789"
	_, _, _ = post(t, url+"/v1beta/models/m:generateContent?key="+key, geminiDialect.body("hi", false, 0, false),
		"Authorization", "Bearer "+key, "X-Api-Key", key)
	e := settled(t, p)
	if b := string(marshal(e)); strings.Contains(b, key) || e.Header.Get("Authorization") != Fingerprint("Bearer "+key) {
		t.Errorf("the entry is %s", b)
	}
	if string(e.Body) != geminiDialect.body("hi", false, 0, false) {
		t.Errorf("the body is %q", e.Body)
	}
}

func TestBadRequestsAreRefusedForFree(t *testing.T) {
	p, url := start(t, Options{Strict: true, Models: []string{"m"}})
	for path, bodies := range map[string][]string{
		"/v1/chat/completions": {`{`, `{}`, `{"model":"m","messages":[]}`, `{"model":"x","messages":[{"role":"user","content":"a"}]}`,
			`{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":0}`,
			`{"model":"m","messages":[{"role":"user","content":"a"}],"stream_options":{"include_usage":true}}`},
		"/v1/responses":   {`{}`, `{"model":"m","input":"a","max_output_tokens":15}`, `{"model":"m","input":"a","previous_response_id":"resp_no"}`},
		"/v1/completions": {`[]`, `{"model":"m","prompt":"a","n":3,"best_of":2}`},
		"/v1/embeddings":  {`{"model":"m"}`, `{"model":"m","input":"a","encoding_format":"hex"}`},
		"/v1/messages": {`{}`, `{"model":"m","messages":[{"role":"user","content":"a"}]}`,
			`{"model":"m","max_tokens":2000,"messages":[{"role":"user","content":"a"}],"thinking":{"type":"enabled","budget_tokens":2000}}`},
		"/v1beta/models/m:generateContent": {`{}`, `{"contents":[{"parts":[]}],"generationConfig":{"candidateCount":99}}`},
	} {
		for _, body := range bodies {
			status, got, _ := post(t, url+path, body, anthropicVersion...)
			if e := settled(t, p); status != 400 && status != 404 || e.Charged || !strings.Contains(got, `"error"`) {
				t.Errorf("%s %s: %d %s", path, body, status, got)
			}
		}
	}
}

func TestEmbeddings(t *testing.T) {
	p, url := start(t, Options{BytesPerToken: 1})
	_, body, _ := post(t, url+"/v1/embeddings", `{"model":"m","input":["abc","de"],"dimensions":3}`)
	n := parse(t, body)
	if len(n.at("data").list()) != 2 || len(n.at("data.1.embedding").list()) != 3 || n.at("usage.prompt_tokens").int() != 5 ||
		n.has("usage.completion_tokens") {
		t.Error(body)
	}
	if e := settled(t, p); e.Usage != (Usage{Input: 5}) || !e.Charged {
		t.Errorf("%+v", e.Usage)
	}
	_, body, _ = post(t, url+"/v1/embeddings", `{"model":"m","input":[[1,2],[3]],"dimensions":3,"encoding_format":"base64"}`)
	if n := parse(t, body); len(n.at("data.0.embedding").str()) != 16 || n.at("usage.total_tokens").int() != 3 {
		t.Error(body)
	}
}

func TestContinuedResponsesBringHiddenInput(t *testing.T) {
	p, url := start(t, Options{})
	_, body, _ := post(t, url+"/v1/responses", responsesDialect.body("hello", false, 0, false))
	first := settled(t, p)
	id := parse(t, body).at("id").str()
	_, _, _ = post(t, url+"/v1/responses", `{"model":"m","input":"hello","previous_response_id":"`+id+`"}`)
	second := settled(t, p)
	if want := first.Usage.Input + first.Usage.Input + first.Usage.Output; second.Usage.Input != want {
		t.Errorf("the first is billed %+v, the second %+v", first.Usage, second.Usage)
	}
	_, body, _ = post(t, url+"/v1/responses", `{"model":"m","input":"hello","background":true}`)
	if n := parse(t, body); n.at("status").str() != "queued" || n.at("usage").v != nil || !settled(t, p).Charged {
		t.Error(body)
	}
}

func TestHiddenTokensAreBilled(t *testing.T) {
	for _, d := range dialects {
		bill := func(o Options, tools bool) int64 {
			p, url := start(t, o)
			_, e := ask(t, p, url, d, false, d.body("12345678", false, 0, tools))
			return e.Usage.Input
		}
		h := HiddenTokens(strings.TrimSuffix(d.name, " array"))
		bare := bill(Options{Hidden: &Hidden{}}, false)
		if bare != 2 {
			t.Errorf("%s: 8 bytes are %d tokens", d.name, bare)
		}
		if got := bill(Options{}, false); got != bare+h.Request+h.Message {
			t.Errorf("%s: %d tokens, hidden %+v", d.name, got, h)
		}
		if d.name == wireCompletions {
			continue
		}
		if got, free := bill(Options{}, true), bill(Options{Hidden: &Hidden{}}, true); got != free+h.Request+h.Message+h.Tool+h.Tools {
			t.Errorf("%s: %d tokens with a tool, %d of them shown, hidden %+v", d.name, got, free, h)
		}
	}
}

func TestGzipNobodyAskedFor(t *testing.T) {
	both(t, func(t *testing.T, d dialect, stream bool) {
		p, url := start(t, Options{Behaviour: Behaviour{Gzip: true}})
		_, body, err := post(t, url+d.path(stream), d.body("hi", stream, 0, false), anthropicVersion...)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if g := d.read(t, stream, string(plain)); g.usage != settled(t, p).Usage {
			t.Errorf("%+v", g)
		}
	})
}

func TestPriceIsExactAndRoundedUpOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<40)
		price := func() int64 { return rapid.Int64Range(0, 1e10).Draw(t, "price") }
		p := Price{price(), price(), price(), price(), price(), price(), price(), price(), price()}
		u := Usage{n.Draw(t, "in"), 3, 5, 7, n.Draw(t, "out"), 11, 13, 17}
		sum := new(big.Rat)
		for _, c := range [][2]int64{{p.Input, u.Input}, {p.CacheRead, 3}, {p.CacheWrite5m, 5}, {p.CacheWrite1h, 7},
			{p.Output, u.Output}, {p.AudioIn, 11}, {p.AudioOut, 13}, {p.PerSearch, 17}, {p.PerCall, 1}} {
			sum.Add(sum, new(big.Rat).Mul(big.NewRat(c[0], 1e6), big.NewRat(c[1], 1)))
		}
		got := new(big.Rat).SetInt64(p.Micros(u))
		over := new(big.Rat).Sub(got, sum)
		if sum.Cmp(big.NewRat(1<<62, 1)) < 0 && (over.Sign() < 0 || over.Cmp(big.NewRat(1, 1)) >= 0) {
			t.Fatalf("%v for %v", got, sum)
		}
	})
	model, p, err := ParsePrice("m=0.15/0.60/0.075")
	if err != nil || model != "m" || p.Input != 150_000 || p.Output != 600_000 || p.CacheRead != 75_000 || p.CacheWrite5m != 150_000 {
		t.Errorf("%s %+v %v", model, p, err)
	}
	for _, bad := range []string{"m", "m=1", "=1/2", "m=-1/2", "m=x/2", "m=0.0000001/1"} {
		if _, _, err := ParsePrice(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestLeanBillIsTheSameSum(t *testing.T) {
	var totals []int64
	for _, lean := range []bool{false, true} {
		p, url := start(t, Options{Lean: lean})
		for i := range 9 {
			d := dialects[i%len(dialects)]
			_, _, _ = post(t, url+d.path(i%2 == 0), d.body("hello", i%2 == 0, 0, false), anthropicVersion...)
		}
		if err := p.Wait(soon(t), 9); err != nil {
			t.Fatal(err)
		}
		total, err := p.Total(map[string]Price{"*": {Input: 333_333, Output: 777_777}})
		if err != nil || total == 0 {
			t.Fatal(total, err)
		}
		if _, err := p.Total(nil); !errors.Is(err, ErrNoPrice) {
			t.Error(err)
		}
		totals = append(totals, total)
	}
	if totals[0] != totals[1] {
		t.Error(totals)
	}
}

func TestBehavioursByRequestAndModel(t *testing.T) {
	for _, lean := range []bool{false, true} {
		behaviours(t, lean)
	}
}

func behaviours(t *testing.T, lean bool) {
	p, url := start(t, Options{Lean: lean, Behaviour: Behaviour{OutputTokens: 1}})
	say := func(body string) int64 {
		_, answer, _ := post(t, url+"/v1/chat/completions", body)
		return parse(t, answer).at("usage.completion_tokens").int()
	}
	body := chatDialect.body("hi", false, 0, false)
	p.SetModel("other", Behaviour{OutputTokens: 2})
	p.Next(Behaviour{OutputTokens: 3}, Behaviour{OutputTokens: 4, ServedModel: "dear", ServedTier: "priority"})
	for _, want := range []int64{3, 4, 1, 1} {
		if got := say(body); got != want {
			t.Errorf("lean %t: generated %d, want %d", lean, got, want)
		}
	}
	p.Set(Behaviour{OutputTokens: 6})
	if got := say(body); got != 6 {
		t.Errorf("lean %t: generated %d after Set", lean, got)
	}
	if got := say(strings.Replace(body, `"m"`, `"other"`, 1)); got != 2 {
		t.Errorf("lean %t: generated %d", lean, got)
	}
	if err := p.Wait(soon(t), 6); err != nil {
		t.Fatal(err)
	}
	if lean {
		return
	}
	if e := p.Bill()[1]; e.Model != "dear" || e.Asked != "m" || e.Tier != "priority" {
		t.Errorf("%+v", e)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown fault was taken")
		}
	}()
	p.Set(Behaviour{Fault: "nonsense"})
}

func TestCommandRunsOnItsOwn(t *testing.T) {
	ctx, stop := context.WithCancel(soon(t))
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Command(ctx, []string{"--output-tokens", "5", "--price", "m=1/2", "--no-hidden"}, in)
		_ = in.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("it said nothing")
	}
	url, ok := strings.CutPrefix(lines.Text(), "listening on ")
	if !ok {
		t.Fatal(lines.Text())
	}
	control := func(path, body string, want int) {
		if status, got, err := post(t, url+"/_fake/"+path, body); status != want || err != nil {
			t.Errorf("%s: %d %s %v", path, status, got, err)
		}
	}
	control("behaviour", `{"next":[{"output_tokens":7}],"set":{"output_tokens":5},"models":{"z":{"fault":"rate_limit"}}}`, 200)
	control("behaviour", `{"set":{"fault":"nonsense"}}`, 400)
	control("behaviour", `{"sett":{}}`, 400)
	control("release", ``, 200)
	control("nowhere", ``, 404)
	for range 2 {
		_, _, _ = post(t, url+"/v1/chat/completions", chatDialect.body("12345678", false, 0, false))
	}
	resp, err := http.Get(url + "/_fake/bill?price=m=1/2")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if n := parse(t, string(b)); n.at("total_micro").int() != 2+14+2+10 || n.at("entries.0.usage.output").int() != 7 || bytes.Contains(b, []byte(`"body"`)) {
		t.Errorf("the bill is %s", b)
	}
	stop()
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "billed 28 micro-dollars") {
		t.Errorf("the end is %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
