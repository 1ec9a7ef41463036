package proxy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

var update = flag.Bool("update", false, "rewrite what the fixtures want")

// fixture is one exchange, written from the provider's published schema, with
// one oddity. Its comment says which. Of its files
//
//	request          is the client's body
//	rest             is the end of the path (gemini)
//	edit             is what aex is to change, as JSON
//	answer, stream   is the provider's answer; status that of an answer, when not 200
//
// and the test checks, or writes with -update,
//
//	call             what the wire reads in the request, zero values left out
//	sent             the request as edited, where it changed
//	read             what the meter reads in the answer
//	relayed          the answer as the client gets it, where it changed
//	cut              how the stream would be ended now
type fixture struct {
	*txtar.Archive
	path string
	wire *wire.Wire
}

func fixtures(t testing.TB) (all []fixture) {
	for _, w := range wire.All() {
		name := w.Name
		paths, err := filepath.Glob(filepath.Join("testdata", name, "*.txtar"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no fixtures for %s: %v", name, err)
		}
		for _, path := range paths {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fixture{a, path, w})
		}
	}
	return all
}

// file is the text of one of the fixture's files; ok tells whether it is there.
func (f fixture) file(name string) (text []byte, ok bool) {
	for _, file := range f.Files {
		if file.Name == name {
			return file.Data, true
		}
	}
	return nil, false
}

func (f fixture) text(name string) string {
	b, _ := f.file(name)
	return strings.TrimSpace(string(b))
}

// body is the request, parsed.
func (f fixture) body(t testing.TB) wire.Object {
	b, ok := f.file("request")
	if !ok {
		b = []byte(`{"messages":[]}`)
	}
	doc, err := wire.Parse(bytes.TrimSpace(b))
	if err != nil {
		t.Fatalf("%s: %v", f.path, err)
	}
	return doc.Object(new(error))
}

// edit is the change that the fixture asks for, with the call as read.
func (f fixture) edit(t testing.TB, c policy.Call) wire.Edit {
	var e struct {
		Model, Masked, Provider string
		Cap                     int64
		Usage                   bool
	}
	if text := f.text("edit"); text != "" {
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%s: edit: %v", f.path, err)
		}
	}
	at := policy.Provider{Name: e.Provider}
	if h := policy.HostNamed(e.Provider); h != nil {
		at.BaseURL, at.Type = h.Base, h.Type
	}
	return wire.Edit{Model: e.Model, Cap: e.Cap, Usage: e.Usage, Masked: e.Masked, Call: &c, Host: at.Host()}
}

// stream is the answer as a stream. \r\n at a line's end is written ␍ in the
// fixture, and a fixture whose last line is ␄ has no line end there.
func (f fixture) stream() []byte {
	b, _ := f.file("stream")
	s := strings.ReplaceAll(string(b), "␍\n", "\r\n")
	s = strings.ReplaceAll(s, "␍", "\r")
	if i := strings.Index(s, "␄"); i >= 0 {
		s = s[:i]
	}
	return []byte(strings.ReplaceAll(s, "␀", "\ufeff"))
}

// relayed runs the stream through the relay's own code, in pieces of the sizes
// that next gives, and returns what the client would get.
func relayed(e wire.Edit, w *wire.Wire, stream []byte, next func() int) (*relay, []byte) {
	rl := &relay{call: &call{edit: e, asked: *e.Call}, meter: w.Meter(e), byEvent: e.Usage || e.Masked != ""}
	var got bytes.Buffer
	for rest := stream; len(rest) > 0; {
		n := max(1, min(next(), len(rest)))
		rl.out.Reset()
		rl.split.Write(rest[:n], rl.event)
		if rl.byEvent {
			got.Write(rl.out.Bytes())
		} else {
			got.Write(rest[:n])
		}
		rest = rest[n:]
	}
	rl.out.Reset()
	rl.split.End(rl.event)
	if rl.byEvent {
		got.Write(rl.out.Bytes())
	}
	return rl, got.Bytes()
}

func allAtOnce() int { return 1 << 30 }

func TestFixtures(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(f.path, "testdata/"), ".txtar"), func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			body := f.body(t)
			c, err := f.wire.Read(r, body, f.text("rest"))
			if err != nil {
				f.check(t, "call", "error: "+err.Error()+"\n", "")
				f.write(t)
				return
			}
			if _, ok := f.file("request"); ok {
				f.check(t, "call", facts(c), "")
			}
			e := f.edit(t, c)
			edits := f.wire.Edit(body, e)
			f.check(t, "sent", string(wire.Apply(body.Doc, edits))+"\n", string(body.Doc)+"\n")
			if answer, ok := f.file("answer"); ok {
				status := 200
				if s := f.text("status"); s != "" {
					fmt.Sscan(s, &status)
				}
				var got wire.Reading
				changes := f.wire.Meter(e).Whole(status, answer, &got)
				f.check(t, "read", facts(got), "")
				f.check(t, "relayed", string(wire.Apply(answer, changes)), string(answer))
			}
			if _, ok := f.file("stream"); ok {
				stream := f.stream()
				rl, got := relayed(e, f.wire, stream, allAtOnce)
				f.check(t, "read", facts(rl.reading), "")
				f.check(t, "relayed", string(got), string(stream))
				if _, ok := f.file("cut"); ok {
					f.check(t, "cut", string(rl.meter.Cut(&rl.reading)), "")
				}
			}
			f.write(t)
		})
	}
}

// check compares got with the fixture's file, which is left out when got is
// no more than usual.
func (f fixture) check(t *testing.T, name, got, usual string) {
	t.Helper()
	got, usual = strings.ReplaceAll(got, "\r", "␍"), strings.ReplaceAll(usual, "\r", "␍")
	want, ok := f.file(name)
	if *update {
		for i := range f.Files {
			if f.Files[i].Name == name {
				f.Files = append(f.Files[:i:i], f.Files[i+1:]...)
				break
			}
		}
		if got != usual {
			f.Files = append(f.Files, txtar.File{Name: name, Data: []byte(got)})
		}
		return
	}
	if !ok {
		want = []byte(usual)
	}
	if strings.TrimRight(string(want), "\n") != strings.TrimRight(got, "\n") {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func (f fixture) write(t *testing.T) {
	if *update {
		if err := os.WriteFile(f.path, txtar.Format(f.Archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// facts are the fields of a struct that are not zero, one a line.
func facts(v any) string {
	var b strings.Builder
	s := reflect.ValueOf(v)
	_, read := v.(wire.Reading)
	for i := range s.NumField() {
		field, name := s.Field(i), s.Type().Field(i).Name
		if read {
			name = lowerFirst(name)
		}
		switch {
		case field.IsZero() || name == "Wire" || read && name == "iD": // an id passes
		case field.Kind() == reflect.Pointer:
			fmt.Fprintf(&b, "%s: %v\n", name, field.Elem())
		default:
			fmt.Fprintf(&b, "%s: %+v\n", name, field)
		}
	}
	return b.String()
}

func lowerFirst(s string) string {
	if s == "ID" {
		return "id"
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// TestAnyChunking: how a stream is cut into reads changes neither what is read
// in it nor what the client gets.
func TestAnyChunking(t *testing.T) {
	for _, f := range fixtures(t) {
		stream := f.stream()
		if len(stream) == 0 {
			continue
		}
		body := f.body(t)
		c, err := f.wire.Read(httptest.NewRequest("POST", "/", nil), body, f.text("rest"))
		if err != nil {
			t.Fatalf("%s: %v", f.path, err)
		}
		e := f.edit(t, c)
		want, sent := relayed(e, f.wire, stream, allAtOnce)
		for size := 1; size < min(len(stream), 70); size++ {
			rl, got := relayed(e, f.wire, stream, func() int { return size })
			if facts(rl.reading) != facts(want.reading) || !bytes.Equal(got, sent) {
				t.Fatalf("%s in pieces of %d: read\n%s, not\n%s; relayed %q, not %q", f.path, size, facts(rl.reading), facts(want.reading), got, sent)
			}
		}
	}
}
