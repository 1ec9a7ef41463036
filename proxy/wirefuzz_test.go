package proxy

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// FuzzRequest: no body panics, an edit keeps it JSON and changes only what it
// says.
func FuzzRequest(f *testing.F) {
	for _, x := range fixtures(f) {
		b, _ := x.file("request")
		f.Add(bytes.TrimSpace(b), int64(100))
	}
	f.Fuzz(func(t *testing.T, b []byte, limit int64) {
		doc, err := wire.Parse(b)
		if err != nil || doc.Kind() != '{' || bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
			return
		}
		for _, w := range wire.All() {
			body := doc.Object(new(error))
			c, err := w.Read(nil, body, "models/m:generateContent")
			if err != nil {
				continue
			}
			if c.Outputs < 1 || c.OutputCap != nil && *c.OutputCap < 0 {
				t.Fatalf("%s reads %+v", w.Name, c)
			}
			e := wire.Edit{Model: "the-model", Cap: max(16, limit%100_000), Usage: c.Stream, Call: &c}
			out := wire.Apply(doc.Doc, w.Edit(body, e))
			var was, is map[string]any
			if json.Unmarshal(b, &was) != nil || json.Unmarshal(out, &is) != nil {
				t.Fatalf("%s makes %q of %q", w.Name, out, b)
			}
			again, err := wire.Parse(out)
			if err != nil {
				t.Fatal(err)
			}
			back, err := w.Read(nil, again.Object(new(error)), "models/m:generateContent")
			if err != nil {
				t.Fatalf("%s makes %q of %q: %v", w.Name, out, b, err)
			}
			if w.Name != policy.Embeddings && (back.OutputCap == nil || *back.OutputCap > e.Cap) {
				t.Fatalf("%s: the cap is %v, not %d, in %q", w.Name, back.OutputCap, e.Cap, out)
			}
			maps.DeleteFunc(was, edited)
			maps.DeleteFunc(is, edited)
			if !reflect.DeepEqual(was, is) {
				t.Fatalf("%s changes more than it says: %q becomes %q", w.Name, b, out)
			}
		}
	})
}

// edited tells the members that an edit may change, however Google would read their names.
func edited(name string, _ any) bool {
	switch strings.ToLower(strings.ReplaceAll(name, "_", "")) {
	case "model", "maxtokens", "maxcompletiontokens", "maxoutputtokens", "streamoptions", "generationconfig", "generatecontentrequest":
		return true
	}
	return false
}

// FuzzChunking: however a stream is cut into reads, usage, tools, the end and
// what is relayed are the same, and nothing panics.
func FuzzChunking(f *testing.F) {
	for _, x := range fixtures(f) {
		if s := x.stream(); len(s) > 0 {
			f.Add(s, []byte{1, 3, 200}, true)
		}
		if b, ok := x.file("answer"); ok {
			f.Add(b, []byte{2}, false)
		}
	}
	f.Fuzz(func(t *testing.T, stream, sizes []byte, edits bool) {
		for _, w := range wire.All() {
			e := wire.Edit{Call: &policy.Call{Stream: true, Outputs: 1}}
			if edits {
				e.Masked, e.Usage = "alias", true
			}
			want, sent := relayed(e, w, stream, allAtOnce)
			i := 0
			got, gotSent := relayed(e, w, stream, func() int {
				if len(sizes) == 0 {
					return 1
				}
				i++
				return int(sizes[i%len(sizes)])
			})
			if facts(got.reading) != facts(want.reading) || !bytes.Equal(gotSent, sent) {
				t.Fatalf("%s reads\n%s, not\n%s", w.Name, facts(got.reading), facts(want.reading))
			}
			if !edits && !bytes.Equal(sent, stream) {
				t.Fatalf("%s changes what it has no edits for", w.Name)
			}
			if u := got.reading.Usage; min(u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.AudioIn, u.AudioOut, u.Searches) < 0 && got.reading.Unclear == "" {
				t.Fatalf("%s takes %+v for a usage", w.Name, u)
			}
			cut := relayedCut(w, got)
			for _, ev := range cut {
				if _, err := wire.Parse([]byte(ev)); err != nil && ev != "[DONE]" {
					t.Fatalf("%s ends a stream with %q: %v", w.Name, ev, err)
				}
			}
			var r wire.Reading
			m := w.Meter(e)
			if doc, err := wire.Parse(stream); err == nil {
				if _, err := wire.Parse(wire.Apply(doc.Doc, m.Whole(200, stream, &r))); err != nil {
					t.Fatalf("%s: an edited answer is no JSON: %v", w.Name, err)
				}
			}
			m.Whole(500, stream, &r)
		}
	})
}

// relayedCut are the data of the events that end a stream now.
func relayedCut(w *wire.Wire, rl *relay) (data []string) {
	var s wire.Splitter
	take := func(e wire.Event) {
		if e.Data != nil {
			data = append(data, string(e.Data))
		}
	}
	s.Write(rl.meter.Cut(&rl.reading), take)
	s.End(take)
	return data
}

// TestRequestIsLinear: twice the body takes twice the memory at most.
func TestRequestIsLinear(t *testing.T) {
	for _, w := range wire.All() {
		run := func(n int) uint64 {
			part := `{"role":"user","content":[{"type":"text","text":"x"},{"type":"input_text","text":"y"}],"parts":[{"text":"z"}]},`
			list := "[" + strings.TrimSuffix(strings.Repeat(part, n), ",") + "]"
			body := []byte(`{"model":"m","messages":` + list + `,"input":` + list + `,"contents":` + list + `}`)
			return allocated(func() {
				doc, err := wire.Parse(body)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = w.Read(nil, doc.Object(new(error)), "models/m:generateContent")
			})
		}
		run(10)
		if one, two := run(4000), run(8000); float64(two) > 2.6*float64(one)+1<<16 {
			t.Errorf("%s: %d bytes for a body, %d for twice of it", w.Name, one, two)
		}
	}
}
