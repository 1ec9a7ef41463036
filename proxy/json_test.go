package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{`{}`, true}, {" \n{ } \t", true}, {`[1,{"a":[]}]`, true}, {`"x"`, true}, {`null`, true}, {`-1.5e3`, true},
		{`{"a":1,"a":2}`, true}, {"{\"a\":\"\xff\"}", true}, {`{"a":"\ud800"}`, true},
		{``, false}, {`  `, false}, {`{`, false}, {`{}x`, false}, {`{} {}`, false}, {`{"a":1,}`, false}, {`{'a':1}`, false},
		{`{"a":01}`, false}, {`{"a":NaN}`, false}, {`// x`, false}, {"{\"a\":\"\n\"}", false}, {"\ufeff {}", true}, {"\ufeff\ufeff{}", false}, {"\ufeff", false},
		{strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), true},
		{strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), false},
		{strings.Repeat("[", 1<<20), false},
	} {
		if _, err := parse([]byte(c.text)); (err == nil) != c.ok {
			t.Errorf("parse(%.40q): %v, want ok %t", c.text, err, c.ok)
		}
	}
}

// TestParseTellsNoContent: an error may be logged, a prompt may not.
func TestParseTellsNoContent(t *testing.T) {
	_, err := parse([]byte(`{"messages":[{"canary-name":"canary-value" oops}]}`))
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "byte 4") {
		t.Errorf("error %v", err)
	}
}

func TestIntegers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "7": "7", "1e3": "1000", "10.0": "10", "9223372036854775807": "9223372036854775807",
		"1.5": "error", "9223372036854775808": "error", "1e400": "error", "-1e300": "error", `"7"`: "error", "true": "error", "1e-3": "error",
	} {
		s, err := parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got := "error"
		if n, err := s.integer(); err == nil {
			got = fmt.Sprint(n)
		}
		if got != want {
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
	}
}

// FuzzJSON: parse takes what encoding/json takes, and reads the same in it.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x\"\\",{"b":null}],"\u0061":2}`, `[]`, `"\ud83d\ude00"`, ` [ 1 , { } ] `, `{"a":"\\\\"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parse(b)
		if err != nil {
			if json.Valid(bytes.TrimPrefix(b, bom)) && !strings.Contains(err.Error(), "nests deeper") {
				t.Fatalf("%q is refused: %v", b, err)
			}
			return
		}
		if b = bytes.TrimPrefix(b, bom); !json.Valid(b) {
			t.Fatalf("%q is taken", b)
		}
		sameAs(t, s, json.RawMessage(b))
		edited(t, s)
	})
}

// sameAs compares a value with what encoding/json reads.
func sameAs(t *testing.T, s span, raw json.RawMessage) {
	if got := bytes.TrimSpace(raw); !bytes.Equal(s.raw(), got) {
		t.Fatalf("the text is %q, want %q", s.raw(), got)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	next := func() (v json.RawMessage) {
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	switch s.kind() {
	case '{':
		_, _ = d.Token()
		for _, m := range s.object(new(error)).members {
			name, err := d.Token()
			if err != nil || name != m.name && !strings.Contains(name.(string), "\ufffd") {
				t.Fatalf("a member is named %q, want %q (%v)", m.name, name, err)
			}
			sameAs(t, m.value, next())
		}
		if d.More() {
			t.Fatalf("members of %q are missing", raw)
		}
	case '[':
		_, _ = d.Token()
		s.elements(func(e span) { sameAs(t, e, next()) })
		if d.More() {
			t.Fatalf("elements of %q are missing", raw)
		}
	case '"':
		var want string
		if err := json.Unmarshal(raw, &want); err != nil || want != s.text() && !strings.Contains(want, "\ufffd") {
			t.Fatalf("%q is read as %q, want %q", raw, s.text(), want)
		}
	}
}

// edited sets and removes members, and looks that nothing else changes.
func edited(t *testing.T, s span) {
	if s.kind() != '{' {
		return
	}
	o := s.object(new(error))
	members := func(doc []byte) []member {
		again, err := parse(doc)
		if err != nil {
			t.Fatalf("an edit of %q makes %q: %v", s.doc, doc, err)
		}
		return again.object(new(error)).members
	}
	got := members(apply(s.doc, []splice{o.set("new", "7")}))
	had := -1
	for i, m := range o.members {
		if m.name == "new" && had < 0 {
			had = i
		}
	}
	want := 0
	for i, m := range got {
		switch {
		case had < 0 && i == 0 || had >= 0 && i == had:
			if m.name != "new" || string(m.value.raw()) != "7" {
				t.Fatalf("member %d is %q: %s", i, m.name, m.value.raw())
			}
			if had >= 0 {
				want++
			}
		default:
			if m.name != o.members[want].name || !bytes.Equal(m.value.raw(), o.members[want].value.raw()) {
				t.Fatalf("set changes member %q", m.name)
			}
			want++
		}
	}
	if want != len(o.members) {
		t.Fatal("set loses a member")
	}
	if len(o.members) == 0 {
		return
	}
	for i, m := range o.members {
		if i > 0 && i < len(o.members)-1 {
			continue
		}
		left := members(apply(s.doc, []splice{o.drop(m.name)}))
		if len(left) != len(o.members)-1 {
			t.Fatalf("drop of %q leaves %d of %d members", m.name, len(left), len(o.members))
		}
	}
}

// TestSplices: edits in any order, several at one place, and some that overlap.
func TestSplices(t *testing.T) {
	doc := []byte(`{"a":1,"b":2}`)
	for _, c := range []struct {
		edits []splice
		want  string
	}{
		{nil, `{"a":1,"b":2}`},
		{[]splice{{start: 11, end: 12, text: "9"}, {start: 5, end: 6, text: "8"}}, `{"a":8,"b":9}`},
		{[]splice{{start: 1, end: 1, text: `"x":0,`}, {start: 1, end: 1, text: `"y":0,`}}, `{"x":0,"y":0,"a":1,"b":2}`},
		{[]splice{{start: 1, end: 7}, {start: 6, end: 12}}, `{"b":2}`},
	} {
		if got := string(apply(doc, c.edits)); got != c.want {
			t.Errorf("%v makes %s, want %s", c.edits, got, c.want)
		}
	}
}

// TestMembersOfNothing: several members put into an object that has none.
func TestMembersOfNothing(t *testing.T) {
	doc, err := parse([]byte(" { } "))
	if err != nil {
		t.Fatal(err)
	}
	o := doc.object(new(error))
	if got := string(apply(doc.doc, []splice{o.set("a", "1"), o.set("b", "2"), o.set("c", "3")})); got != ` {"a":1,"b":2,"c":3 } ` {
		t.Errorf("made %q", got)
	}
}

// FuzzRequest: no body panics, an edit keeps it JSON and changes only what it
// says.
func FuzzRequest(f *testing.F) {
	for _, x := range fixtures(f) {
		b, _ := x.file("request")
		f.Add(bytes.TrimSpace(b), int64(100))
	}
	f.Fuzz(func(t *testing.T, b []byte, limit int64) {
		doc, err := parse(b)
		if err != nil || doc.kind() != '{' || bytes.HasPrefix(b, bom) {
			return
		}
		for _, w := range wires {
			body := doc.object(new(error))
			c, err := w.read(nil, body, "models/m:generateContent")
			if err != nil {
				continue
			}
			if c.Outputs < 1 || c.OutputCap != nil && *c.OutputCap < 0 {
				t.Fatalf("%s reads %+v", w.name(), c)
			}
			e := edit{model: "the-model", cap: max(16, limit%100_000), usage: c.Stream, call: c}
			out := apply(doc.doc, w.edit(body, e))
			var was, is map[string]any
			if json.Unmarshal(b, &was) != nil || json.Unmarshal(out, &is) != nil {
				t.Fatalf("%s makes %q of %q", w.name(), out, b)
			}
			again, err := parse(out)
			if err != nil {
				t.Fatal(err)
			}
			back, err := w.read(nil, again.object(new(error)), "models/m:generateContent")
			if err != nil {
				t.Fatalf("%s makes %q of %q: %v", w.name(), out, b, err)
			}
			if w.name() != policy.Embeddings && (back.OutputCap == nil || *back.OutputCap > e.cap) {
				t.Fatalf("%s: the cap is %v, not %d, in %q", w.name(), back.OutputCap, e.cap, out)
			}
			for _, name := range []string{"model", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream_options", "generationConfig", "generation_config",
				"generateContentRequest", "generate_content_request"} {
				delete(was, name)
				delete(is, name)
			}
			if !reflect.DeepEqual(was, is) {
				t.Fatalf("%s changes more than it says: %q becomes %q", w.name(), b, out)
			}
		}
	})
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
		for _, w := range wires {
			e := edit{call: policy.Call{Stream: true, Outputs: 1}}
			if edits {
				e.masked, e.usage = "alias", true
			}
			want, sent := relayed(e, w, stream, whole)
			i := 0
			got, gotSent := relayed(e, w, stream, func() int {
				if len(sizes) == 0 {
					return 1
				}
				i++
				return int(sizes[i%len(sizes)])
			})
			if facts(got.read) != facts(want.read) || !bytes.Equal(gotSent, sent) {
				t.Fatalf("%s reads\n%s, not\n%s", w.name(), facts(got.read), facts(want.read))
			}
			if !edits && !bytes.Equal(sent, stream) {
				t.Fatalf("%s changes what it has no edits for", w.name())
			}
			if u := got.read.usage; min(u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.AudioIn, u.AudioOut, u.Searches) < 0 && got.read.unclear == "" {
				t.Fatalf("%s takes %+v for a usage", w.name(), u)
			}
			cut := relayedCut(w, got)
			for _, ev := range cut {
				if _, err := parse([]byte(ev)); err != nil && ev != "[DONE]" {
					t.Fatalf("%s ends a stream with %q: %v", w.name(), ev, err)
				}
			}
			var r reading
			m := w.meter(e)
			if doc, err := parse(stream); err == nil {
				if _, err := parse(apply(doc.doc, m.whole(200, stream, &r))); err != nil {
					t.Fatalf("%s: an edited answer is no JSON: %v", w.name(), err)
				}
			}
			m.whole(500, stream, &r)
		}
	})
}

// relayedCut are the data of the events that end a stream now.
func relayedCut(w wire, rl *relay) (data []string) {
	var s splitter
	take := func(e event) {
		if e.data != nil {
			data = append(data, string(e.data))
		}
	}
	s.write(rl.meter.cut(&rl.read), take)
	s.end(take)
	return data
}

// TestRequestIsLinear: twice the body takes twice the memory at most.
func TestRequestIsLinear(t *testing.T) {
	for _, w := range wires {
		run := func(n int) uint64 {
			part := `{"role":"user","content":[{"type":"text","text":"x"},{"type":"input_text","text":"y"}],"parts":[{"text":"z"}]},`
			list := "[" + strings.TrimSuffix(strings.Repeat(part, n), ",") + "]"
			body := []byte(`{"model":"m","messages":` + list + `,"input":` + list + `,"contents":` + list + `}`)
			return allocated(func() {
				doc, err := parse(body)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = w.read(nil, doc.object(new(error)), "models/m:generateContent")
			})
		}
		run(10)
		if one, two := run(4000), run(8000); float64(two) > 2.6*float64(one)+1<<16 {
			t.Errorf("%s: %d bytes for a body, %d for twice of it", w.name(), one, two)
		}
	}
}
