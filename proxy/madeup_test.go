package proxy

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// haiku is a wire that nobody speaks. It shows that a wire is one value: this file alone
// makes the gateway serve it. Two things it leaves out that a real wire in proxy/wire has:
// it knows no streams, and its Read does not call body.beside, which notes fields that are
// not known.
var haiku = &wire.Wire{
	Dialect:   policy.Dialect{Name: "haiku", Type: policy.TypeOpenAI, Provider: "house", PerRequest: 16, PerMessage: 4},
	Operation: "chat",
	Find: func(method, path string) (wire.Route, bool) {
		return wire.Route{}, method == http.MethodPost && wire.Unversioned(path) == "/haiku"
	},
	Owns:      func(path string) bool { return strings.HasPrefix(wire.Unversioned(path), "/haiku") },
	Fields:    map[string]bool{"model": true, "theme": true, "syllables": true},
	Path:      func(policy.Model, string) string { return "/haiku" },
	Authorize: func(h http.Header, key string) { h.Set("X-Poet", key) },
	Read: func(_ *http.Request, body wire.Object, _ string) (policy.Call, error) {
		c := policy.Call{Wire: "haiku", Model: body.Get("model").Text(), Messages: 1, Outputs: 1, OutputCap: body.Count("syllables", 1)}
		return c, body.Err()
	},
	Edit: func(body wire.Object, e wire.Edit) (edits []wire.Splice) {
		if e.Model != "" {
			edits = append(edits, body.Set("model", wire.Quote(e.Model)))
		}
		if e.Cap > 0 {
			edits = append(edits, body.Set("syllables", strconv.FormatInt(e.Cap, 10)))
		}
		return edits
	},
	Meter:  func(wire.Edit) wire.Meter { return haikuMeter{} },
	Refuse: func(r wire.Refusal) []byte { return []byte(`{"no":` + wire.Quote(r.Code) + `}`) },
}

type haikuMeter struct{}

func (haikuMeter) Whole(status int, body []byte, r *wire.Reading) []wire.Splice {
	doc, err := wire.Parse(body)
	if err != nil {
		return nil
	}
	o := doc.Object(new(error))
	if status >= 400 {
		r.Refused = o.Get("no").Kind() == '"' // the shape of the poet's own refusals
		return nil
	}
	read, written := o.Count("read", 0), o.Count("written", 0)
	r.Finished = true
	if r.Known = read != nil && written != nil; r.Known {
		r.Usage.Input, r.Usage.Output = *read, *written
		r.Seen = int64(len(o.Get("poem").Text()))
	}
	return nil
}

func (haikuMeter) Event(wire.Event, *wire.Reading) (bool, []wire.Splice) { return false, nil }
func (haikuMeter) Cut(*wire.Reading) []byte                              { return nil }

// poet is the provider: it writes as many syllables as it may.
type poet struct {
	mu    sync.Mutex
	asked []int64
	keys  []string
}

func (p *poet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Syllables int64 }
	_ = json.NewDecoder(r.Body).Decode(&ask)
	p.mu.Lock()
	p.asked, p.keys = append(p.asked, ask.Syllables), append(p.keys, r.Header.Get("X-Poet"))
	p.mu.Unlock()
	_, _ = w.Write([]byte(`{"poem":"an old silent pond","read":20,"written":` + strconv.FormatInt(ask.Syllables, 10) + `}`))
}

// A wire made up here is metered, held to a budget and refused in its dialect.
func TestAMadeUpWireIsServed(t *testing.T) {
	p := &poet{}
	house := httptest.NewServer(p)
	defer house.Close()
	models := "version: 1\nproviders:\n  house: {base_url: \"" + house.URL + "/v1\", key_env: HOUSE_KEY}\n" +
		"models:\n  basho: {provider: house, pricing: {input_usd_per_mtok: \"10\", output_usd_per_mtok: \"100\"}}\n"
	w := newWorld(t, setup{budget: "0.30", models: models, change: func(o *Options) { o.Wires = append(wire.All(), haiku) }})

	status, _, answer, err := w.post("/v1/haiku", `{"model":"basho","theme":"pond","syllables":17}`)
	must(t, err)
	if status != 200 || !strings.Contains(answer, "pond") {
		t.Fatalf("%d %s", status, answer)
	}
	if run := w.booked(1); run.Account.Spent != 1900 { // 20 at $10 and 17 at $100 a million
		t.Errorf("metered at %s", run.Account.Spent)
	}

	clamped := 0
	for range 20 {
		var h http.Header
		status, h, answer, err = w.post("/v1/haiku", `{"model":"basho","theme":"sea","syllables":4000}`)
		must(t, err)
		run := w.booked(1)
		if run.Account.Spent > *run.Account.Budget || run.Account.Overrun != 0 {
			t.Fatalf("beyond the budget: %+v", run.Account)
		}
		if status == 402 {
			if answer != `{"no":"`+h.Get("X-Aex-Code")+`"}` {
				t.Errorf("refused with %s", answer)
			}
			break
		}
		if h.Get("X-Aex-Clamped-Max-Tokens") != "" {
			clamped++
		}
	}
	if status != 402 || clamped == 0 {
		t.Errorf("the last call: %d; %d were clamped", status, clamped)
	}
	if status, _, answer, _ := w.post("/v1/haiku/again", `{}`); status != 403 || answer != `{"no":"endpoint_not_governed"}` {
		t.Errorf("another route: %d %s", status, answer)
	}
	if p.keys[0] != realKey {
		t.Error("the key was not sent as the wire says")
	}
}
