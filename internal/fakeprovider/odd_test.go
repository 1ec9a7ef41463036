package fakeprovider

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

func TestBestOfIsBilledInFull(t *testing.T) {
	p, url := start(t, Options{})
	_, body, _ := post(t, url+"/v1/completions", `{"model":"m","prompt":["a","b"],"n":2,"best_of":3,"max_tokens":4}`)
	e := settled(t, p)
	if n := parse(t, body); len(n.at("choices").list()) != 4 || n.at("usage.completion_tokens").int() != 24 || e.Usage.Output != 24 {
		t.Errorf("%+v: %s", e.Usage, body)
	}
}

func TestClassesOfAPromptAreDisjoint(t *testing.T) {
	p, url := start(t, Options{})
	body := messagesDialect.body("a prompt of some tokens", false, 0, false)
	_, plain := ask(t, p, url, messagesDialect, false, body)
	for _, b := range []Behaviour{{CachedTokens: 3, CacheWrite5m: 2, CacheWrite1h: 4}, {CachedTokens: 1 << 40}, {CacheWrite1h: 1 << 40, CacheWrite5m: 1}} {
		p.Set(b)
		_, e := ask(t, p, url, messagesDialect, false, body)
		u := e.Usage
		if u.Input+u.CacheRead+u.CacheWrite5m+u.CacheWrite1h != plain.Usage.Input || u.Input < 0 ||
			b.CacheWrite1h > 0 && u.CacheWrite1h == 0 {
			t.Errorf("%+v of %d", u, plain.Usage.Input)
		}
	}
}

func TestEncodedRequestsAreDecoded(t *testing.T) {
	p, url := start(t, Options{})
	plain := chatDialect.body("hello", false, 0, false)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(plain))
	_ = z.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	for coding, body := range map[string]string{"gzip": zipped.String(), "zstd": string(enc.EncodeAll([]byte(plain), nil))} {
		status, answer, _ := post(t, url+"/v1/chat/completions", body, "Content-Encoding", coding)
		if e := settled(t, p); status != 200 || !e.Charged || string(e.Body) != body {
			t.Errorf("%s: %d %s", coding, status, answer)
		}
	}
	for _, coding := range []string{"br", "gzip"} {
		if status, answer, _ := post(t, url+"/v1/chat/completions", plain, "Content-Encoding", coding); status != 400 {
			t.Errorf("%s: %d %s", coding, status, answer)
		}
	}
}

// flushed records what has been written at each flush.
type flushed struct {
	*httptest.ResponseRecorder
	pieces []string
}

func (f *flushed) Flush() {
	f.pieces = append(f.pieces, f.Body.String())
	f.Body.Reset()
}

func TestHowItIsFlushed(t *testing.T) {
	pieces := func(b Behaviour) []string {
		f := &flushed{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(chatDialect.body("a", true, 0, false)))
		New(Options{Behaviour: b}).ServeHTTP(f, r)
		return f.pieces
	}
	for _, piece := range pieces(Behaviour{})[1:] { // the first has the headers
		if !strings.HasPrefix(piece, "data: ") || strings.Count(piece, "\n\n") != 1 || !strings.HasSuffix(piece, "\n\n") {
			t.Errorf("%q is not one event", piece)
		}
	}
	broken := 0
	for _, piece := range pieces(Behaviour{UTF8: true, SplitUTF8: true, OutputTokens: 4}) {
		if !utf8.ValidString(piece) {
			broken++
		}
	}
	if broken < 4*3 {
		t.Errorf("%d pieces break off within a character", broken)
	}
	for _, piece := range pieces(Behaviour{SlowDrip: true})[1:] {
		if len(piece) != 1 {
			t.Errorf("%q is more than a byte", piece)
		}
	}
	if huge := len(strings.Join(pieces(Behaviour{HugeEvent: 100_000, OutputTokens: 1}), "")); huge < 100_000 || huge > 110_000 {
		t.Errorf("%d bytes with one huge event", huge)
	}
}
