package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
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
		{strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), true},
		{strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), false},
		{strings.Repeat("[", 1<<20), false},
	} {
		if _, err := Parse([]byte(c.text)); (err == nil) != c.ok {
			t.Errorf("parse(%.40q): %v, want ok %t", c.text, err, c.ok)
		}
	}
}

// TestParseTellsNoContent: an error may be logged, a prompt may not.
func TestParseTellsNoContent(t *testing.T) {
	_, err := Parse([]byte(`{"messages":[{"canary-name":"canary-value" oops}]}`))
	if err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "byte 4") {
		t.Errorf("error %v", err)
	}
}

func TestIntegers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "7": "7", "1e3": "1000", "10.0": "10", "9223372036854775807": "9223372036854775807",
		"1.5": "error", "9223372036854775808": "error", "1e400": "error", "-1e300": "error", `"7"`: "error", "true": "error", "1e-3": "error",
	} {
		s, err := Parse([]byte(text))
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
		s, err := Parse(b)
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
func sameAs(t *testing.T, s Span, raw json.RawMessage) {
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
	switch s.Kind() {
	case '{':
		_, _ = d.Token()
		for _, m := range s.Object(new(error)).members {
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
		s.elements(func(e Span) { sameAs(t, e, next()) })
		if d.More() {
			t.Fatalf("elements of %q are missing", raw)
		}
	case '"':
		var want string
		if err := json.Unmarshal(raw, &want); err != nil || want != s.Text() && !strings.Contains(want, "\ufffd") {
			t.Fatalf("%q is read as %q, want %q", raw, s.Text(), want)
		}
	}
}

// edited sets and removes members, and looks that nothing else changes.
func edited(t *testing.T, s Span) {
	if s.Kind() != '{' {
		return
	}
	o := s.Object(new(error))
	members := func(doc []byte) []member {
		again, err := Parse(doc)
		if err != nil {
			t.Fatalf("an edit of %q makes %q: %v", s.Doc, doc, err)
		}
		return again.Object(new(error)).members
	}
	got := members(Apply(s.Doc, []Splice{o.Set("new", "7")}))
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
		left := members(Apply(s.Doc, []Splice{o.drop(m.name)}))
		if len(left) != len(o.members)-1 {
			t.Fatalf("drop of %q leaves %d of %d members", m.name, len(left), len(o.members))
		}
	}
}

// TestSplices: edits in any order, several at one place, and some that overlap.
func TestSplices(t *testing.T) {
	doc := []byte(`{"a":1,"b":2}`)
	for _, c := range []struct {
		edits []Splice
		want  string
	}{
		{nil, `{"a":1,"b":2}`},
		{[]Splice{{start: 11, end: 12, text: "9"}, {start: 5, end: 6, text: "8"}}, `{"a":8,"b":9}`},
		{[]Splice{{start: 1, end: 1, text: `"x":0,`}, {start: 1, end: 1, text: `"y":0,`}}, `{"x":0,"y":0,"a":1,"b":2}`},
		{[]Splice{{start: 1, end: 7}, {start: 6, end: 12}}, `{"b":2}`},
	} {
		if got := string(Apply(doc, c.edits)); got != c.want {
			t.Errorf("%v makes %s, want %s", c.edits, got, c.want)
		}
	}
}

// TestMembersOfNothing: several members put into an object that has none.
func TestMembersOfNothing(t *testing.T) {
	doc, err := Parse([]byte(" { } "))
	if err != nil {
		t.Fatal(err)
	}
	o := doc.Object(new(error))
	if got := string(Apply(doc.Doc, []Splice{o.Set("a", "1"), o.Set("b", "2"), o.Set("c", "3")})); got != ` {"a":1,"b":2,"c":3 } ` {
		t.Errorf("made %q", got)
	}
}
