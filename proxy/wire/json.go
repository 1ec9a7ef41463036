package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// MaxDepth bounds how deep a body may nest.
const MaxDepth = 200

// Span is a JSON value inside a valid document: where it stands, so that it
// can be read without copying and replaced without touching its neighbours.
type Span struct {
	Doc        []byte
	start, end int
}

// member is one name and value of an object. start is where the name begins.
type member struct {
	name  string
	value Span
	start int
}

// bom is the byte order mark that some put before text.
var bom = []byte("\xef\xbb\xbf")

// lenient takes what providers and clients take. Duplicate names matter only where a
// decision depends on them.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// Parse checks that b is one JSON value, apart from a byte order mark before it, and
// returns it. Every other function of Span relies on that check. An error tells the
// place, not the content.
func Parse(b []byte) (Span, error) {
	start, end := len(b)-len(bytes.TrimPrefix(b, bom)), len(b)
	if !jsontext.Value(b[start:]).IsValid(lenient...) {
		return Span{}, fmt.Errorf("the body is not one JSON value: look near byte %d", int64(start)+brokenAt(b[start:]))
	}
	for isSpace(b[start]) {
		start++
	}
	for isSpace(b[end-1]) {
		end--
	}
	s := Span{b, start, end}
	if s.depth() > MaxDepth {
		return Span{}, fmt.Errorf("the body nests deeper than %d levels", MaxDepth)
	}
	return s, nil
}

// brokenAt is where b stops being one JSON value.
func brokenAt(b []byte) int64 {
	d := jsontext.NewDecoder(bytes.NewBuffer(b), lenient...)
	for {
		if _, err := d.ReadToken(); err != nil || d.StackDepth() == 0 {
			return d.InputOffset()
		}
	}
}

// depth is how deep the value nests.
func (s Span) depth() int {
	deepest, depth := 0, 0
	for i := s.start; i < s.end; i++ {
		switch s.Doc[i] {
		case '"':
			i = skipString(s.Doc, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// raw is the value's own text.
func (s Span) raw() []byte { return s.Doc[s.start:s.end] }

// Kind is the first byte of the value: { [ " t f n, a digit or a minus; 0 for
// the zero span, a value that is not there.
func (s Span) Kind() byte {
	if s.Doc == nil {
		return 0
	}
	return s.Doc[s.start]
}

// clone is the value with bytes of its own.
func (s Span) clone() Span {
	raw := bytes.Clone(s.raw())
	return Span{raw, 0, len(raw)}
}

func (s Span) isNull() bool { return s.Kind() == 0 || s.Kind() == 'n' }

// Text is the value of a string, "" for anything else.
func (s Span) Text() string {
	if s.Kind() != '"' {
		return ""
	}
	raw := s.raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	out, _ := jsontext.AppendUnquote(nil, raw)
	return string(out)
}

// textLen bounds the length of a string's value in bytes.
func (s Span) textLen() int {
	if s.Kind() != '"' {
		return 0
	}
	return s.end - s.start - 2
}

// Truth is true for the literal true.
func (s Span) Truth() bool { return s.Kind() == 't' }

// integer reads a whole number, also when it is written 1e3 or 10.0.
func (s Span) integer() (int64, error) {
	if s.Kind() != '-' && (s.Kind() < '0' || s.Kind() > '9') {
		return 0, errors.New("is not a number")
	}
	raw := string(s.raw())
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -(1<<53) {
		return 0, errors.New("is not a whole number")
	}
	return int64(f), nil
}

// skip returns the offset after the value that begins at i.
func skip(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(b) && !isSpace(b[i]) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; ; i++ {
		j := bytes.IndexByte(b[i:], '"')
		i += j
		slashes := 0
		for k := i - 1; b[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

func skipSpace(b []byte, i int) int {
	for isSpace(b[i]) {
		i++
	}
	return i
}

// elements calls f with each element of an array, in order.
func (s Span) elements(f func(Span)) {
	if s.Kind() != '[' {
		return
	}
	for i := skipSpace(s.Doc, s.start+1); s.Doc[i] != ']'; {
		end := skip(s.Doc, i)
		f(Span{s.Doc, i, end})
		if i = skipSpace(s.Doc, end); s.Doc[i] == ',' {
			i = skipSpace(s.Doc, i+1)
		}
	}
}

// Object is an object whose members a decision is made from. A name that
// stands twice, or that another JSON reader could take for one that the
// decision reads ("Model" beside "model"), makes the decision unsafe: the
// first such name is kept in err.
type Object struct {
	Span
	members []member
	err     *error
}

// Object reads the members of s. err collects the first fault of this object
// and of those reached through it.
func (s Span) Object(err *error) Object {
	o := Object{Span: s, err: err}
	if s.Kind() != '{' {
		return o
	}
	for i := skipSpace(s.Doc, s.start+1); s.Doc[i] != '}'; {
		nameEnd := skipString(s.Doc, i)
		v := skipSpace(s.Doc, skipSpace(s.Doc, nameEnd)+1)
		end := skip(s.Doc, v)
		if o.members == nil {
			o.members = make([]member, 0, 4)
		}
		o.members = append(o.members, member{Span{s.Doc, i, nameEnd}.Text(), Span{s.Doc, v, end}, i})
		if i = skipSpace(s.Doc, end); s.Doc[i] == ',' {
			i = skipSpace(s.Doc, i+1)
		}
	}
	return o
}

// Get is the member of that name, the zero span when there is none.
func (o Object) Get(name string) Span {
	var found Span
	seen := 0
	for i := range o.members {
		m := &o.members[i]
		if m.name != name && !strings.EqualFold(m.name, name) {
			continue
		}
		seen++
		if m.name == name {
			found = m.value
		}
		if (m.name != name || seen > 1) && *o.err == nil {
			*o.err = fmt.Errorf("the name %q stands twice, or in another case: which one counts is ambiguous", plain.Clip(m.name, 40))
		}
	}
	return found
}

// child is the member of that name as an object of the same decision.
func (o Object) child(name string) Object { return o.Get(name).Object(o.err) }

// each calls f with every element of the array under name that is an object.
func (o Object) each(name string, f func(Object)) {
	o.Get(name).elements(func(s Span) { f(s.Object(o.err)) })
}

// Err is the first fault found while reading o and what is below it.
func (o Object) Err() error { return *o.err }

// fault keeps the first fault found while reading.
func (o Object) fault(format string, args ...any) {
	if *o.err == nil {
		*o.err = fmt.Errorf(format, args...)
	}
}

// Count is the integer under name; nil when absent or null. Anything else, or
// a number below least, is a fault.
func (o Object) Count(name string, least int64) *int64 {
	return o.number(o.Get(name), name, least)
}

// number is Count for a value that has been found.
func (o Object) number(v Span, name string, least int64) *int64 {
	if v.isNull() {
		return nil
	}
	n, err := v.integer()
	if err != nil {
		o.fault("%s %v", name, err)
		return nil
	}
	if n < least {
		o.fault("%s is below %d", name, least)
		return nil
	}
	return &n
}

// Quote is s as JSON text.
func Quote(s string) string {
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}
