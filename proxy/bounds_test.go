package proxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// packed is a body in an encoding.
func packed(t *testing.T, encoding string, body io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
		must(t, err)
	default:
		t.Fatal(encoding)
	}
	_, err = io.Copy(w, body)
	must(t, errors.Join(err, w.Close()))
	return b.Bytes()
}

// A body that the client compressed is priced by what is inside, and goes up
// as it is priced.
func TestCompressedRequests(t *testing.T) {
	w := newWorld(t, setup{})
	for _, encoding := range []string{"gzip", "zstd"} {
		status, _, answer, err := w.post("/v1/chat/completions", string(packed(t, encoding, strings.NewReader(hello))), "Content-Encoding", encoding)
		must(t, err)
		bill := w.provider.Bill()
		if status != 200 || len(bill) == 0 {
			t.Fatalf("%s: %d %s", encoding, status, answer)
		}
		if e := bill[len(bill)-1]; string(e.Body) != hello || e.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: the provider got %q, encoded %q", encoding, e.Body, e.Header.Get("Content-Encoding"))
		}
	}
	if run, bill := w.booked(2), w.billed(parsePrices(t, wirePrices)); run.Account.Spent != bill || bill == 0 {
		t.Errorf("ledger %s, bill %s", run.Account.Spent, bill)
	}
}

// What is too large, packed too tightly, damaged or not understood is refused
// before anything is held or sent, on every wire in its own shape.
func TestBodiesOutOfBounds(t *testing.T) {
	w := newWorld(t, setup{})
	large := func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"model":"gpt-4o-mini","messages":[],"x":"`), io.LimitReader(zeros{}, MaxBody), strings.NewReader(`"}`))
	}
	for _, tt := range []struct {
		name     string
		encoding string
		body     io.Reader
		length   bool
		status   int
		code     string
	}{
		{"a byte too many, announced", "", strings.NewReader(strings.Repeat(" ", MaxBody+1)), true, 413, "request_too_large"},
		{"a byte too many, not announced", "", large(), false, 413, "request_too_large"},
		{"a gzip bomb", "gzip", bytes.NewReader(packed(t, "gzip", large())), true, 413, "request_too_large"},
		{"a zstd bomb", "zstd", bytes.NewReader(packed(t, "zstd", large())), true, 413, "request_too_large"},
		{"damaged gzip", "gzip", strings.NewReader("\x1f\x8b\x08 this is no gzip"), true, 400, "invalid_request"},
		{"half a gzip", "gzip", bytes.NewReader(packed(t, "gzip", strings.NewReader(hello))[:40]), true, 400, "invalid_request"},
		{"damaged zstd", "zstd", strings.NewReader("\x28\xb5\x2f\xfd this is no zstd"), true, 400, "invalid_request"},
		{"brotli", "br", strings.NewReader(hello), true, 415, "unsupported_encoding"},
		{"packed twice", "gzip, gzip", strings.NewReader(hello), true, 415, "unsupported_encoding"},
		{"deflate", "deflate", strings.NewReader(hello), true, 415, "unsupported_encoding"},
		{"too deep", "", strings.NewReader(`{"model":"gpt-4o-mini","messages":` + strings.Repeat("[", wire.MaxDepth) + strings.Repeat("]", wire.MaxDepth) + `}`), true, 400, "invalid_request"},
		{"very deep", "", strings.NewReader(`{"messages":` + strings.Repeat("[", 1<<20)), true, 400, "invalid_request"},
		{"nothing", "", strings.NewReader(""), true, 400, "invalid_request"},
		{"two values", "", strings.NewReader(hello + hello), true, 400, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.length {
				tt.body = struct{ io.Reader }{tt.body}
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v1/messages", tt.body)
			must(t, err)
			req.Header.Set("X-Api-Key", w.token)
			req.Header.Set("Content-Encoding", tt.encoding)
			resp, err := client.Do(req)
			must(t, err)
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			must(t, err)
			if resp.StatusCode != tt.status || resp.Header.Get("X-Aex-Code") != tt.code || !bytes.HasPrefix(answer, []byte(`{"type":"error","error":{`)) {
				t.Errorf("%d %s %.300s", resp.StatusCode, resp.Header.Get("X-Aex-Code"), answer)
			}
		})
	}
	if n := len(w.provider.Bill()); n != 0 {
		t.Errorf("%d of them reached the provider", n)
	}
	if n, amount, err := w.ledger.HoldCount(t.Context()); err != nil || n != 0 {
		t.Errorf("%d holds of %s (%v)", n, amount, err)
	}
}

// zeros is an endless run of the figure 0.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// A body of exactly the bound, and as deep as may be, is a call like any other.
func TestBodiesWithinBounds(t *testing.T) {
	w := newWorld(t, setup{prices: []string{"gpt-4o-mini=0/0.60"}})
	start := `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"`
	deep := `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"metadata":` + strings.Repeat("[", wire.MaxDepth-1) + strings.Repeat("]", wire.MaxDepth-1) + `}`
	for _, body := range []string{start + strings.Repeat("x", MaxBody-len(start)-len(`"}]}`)) + `"}]}`, deep} {
		status, _, answer, err := w.post("/v1/chat/completions", body)
		must(t, err)
		if status != 200 {
			t.Errorf("%d bytes: %d %.300s", len(body), status, answer)
		}
	}
	if run, bill := w.booked(2), w.billed(parsePrices(t, []string{"gpt-4o-mini=0/0.60"})); run.Account.Spent != bill {
		t.Errorf("ledger %s, bill %s", run.Account.Spent, bill)
	}
}

// An event within the bound is read; of one beyond it every byte passes, and
// what the call cost is estimated, since its usage may have been in there.
func TestLargeEvents(t *testing.T) {
	w := newWorld(t, exchangeWorld(0))
	for _, tt := range []struct {
		bytes int
		how   ledger.How
	}{{wire.MaxEvent - 4096, ledger.Settled}, {wire.MaxEvent + 100_000, ledger.Estimated}, {3 * wire.MaxEvent, ledger.Estimated}} {
		for _, d := range dialects {
			if d.wire == policy.Embeddings {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", d.wire, tt.bytes), func(t *testing.T) {
				x := &exchange{T: t, w: w.in(t), dialect: d, stream: true, model: "seen",
					scene: scene{how: fakeprovider.Behaviour{HugeEvent: tt.bytes}, want: always(tt.how), garbled: tt.how == ledger.Estimated}}
				x.run()
			})
		}
	}
}

// A model without a price is refused on every wire, and the refusal says which
// line to add; it is never free.
func TestUnpricedIsRefused(t *testing.T) {
	w := newWorld(t, setup{})
	for _, d := range dialects {
		for _, stream := range []bool{false, true} {
			if stream && d.wire == policy.Embeddings {
				continue
			}
			status, h, answer, err := w.post(d.path("nobodys", stream), d.request("nobodys", stream, ""))
			must(t, err)
			if status != 403 || h.Get("X-Aex-Code") != "model_not_priced" || !strings.Contains(answer, "--price nobodys"+d.models+"=") {
				t.Errorf("%s: %d %s %s", d.wire, status, h.Get("X-Aex-Code"), answer)
			}
		}
	}
	if n := len(w.provider.Bill()); n != 0 {
		t.Errorf("%d of them reached the provider", n)
	}
}

// A class of tokens without a price, where it turns up in the answer alone,
// costs the hold.
func TestUnpricedUsageCostsTheHold(t *testing.T) {
	w := newWorld(t, setup{})
	w.provider.Set(fakeprovider.Behaviour{AudioInTokens: 5})
	status, _, answer, err := w.post("/v1/chat/completions", hello)
	must(t, err)
	if status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	w.booked(1)
	calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
	must(t, err)
	if c := calls[0]; c.How != string(ledger.Estimated) || c.Cost != c.Amount || c.Cost == 0 {
		t.Errorf("%s at %s of %s", c.How, c.Cost, c.Amount)
	}
}
