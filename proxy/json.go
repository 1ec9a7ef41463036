package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds how deep a body may nest.
const maxDepth = 200

// span is a JSON value inside a valid document: where it stands, so that it
// can be read without copying and replaced without touching its neighbours.
type span struct {
	doc        []byte
	start, end int
}

// member is one name and value of an object. start is where the name begins.
type member struct {
	name  string
	value span
	start int
}

// bom is the byte order mark that some put before text.
var bom = []byte("\xef\xbb\xbf")

// lenient takes what providers and clients take: duplicate names are looked at
// where a decision depends on them.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// parse checks that b is one JSON value, a byte order mark before it left
// aside, and returns it. Every other function of span relies on that check. An
// error tells the place, not the content.
func parse(b []byte) (span, error) {
	start, end := len(b)-len(bytes.TrimPrefix(b, bom)), len(b)
	if !jsontext.Value(b[start:]).IsValid(lenient...) {
		return span{}, fmt.Errorf("the body is not one JSON value: look near byte %d", int64(start)+brokenAt(b[start:]))
	}
	for isSpace(b[start]) {
		start++
	}
	for isSpace(b[end-1]) {
		end--
	}
	s := span{b, start, end}
	if s.depth() > maxDepth {
		return span{}, fmt.Errorf("the body nests deeper than %d levels", maxDepth)
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
func (s span) depth() int {
	deepest, depth := 0, 0
	for i := s.start; i < s.end; i++ {
		switch s.doc[i] {
		case '"':
			i = skipString(s.doc, i) - 1
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
func (s span) raw() []byte { return s.doc[s.start:s.end] }

// kind is the first byte of the value: { [ " t f n, a digit or a minus; 0 for
// the zero span, a value that is not there.
func (s span) kind() byte {
	if s.doc == nil {
		return 0
	}
	return s.doc[s.start]
}

// clone is the value with bytes of its own.
func (s span) clone() span {
	raw := bytes.Clone(s.raw())
	return span{raw, 0, len(raw)}
}

func (s span) isNull() bool { return s.kind() == 0 || s.kind() == 'n' }

// text is the value of a string, "" for anything else.
func (s span) text() string {
	if s.kind() != '"' {
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
func (s span) textLen() int {
	if s.kind() != '"' {
		return 0
	}
	return s.end - s.start - 2
}

// truth is true for the literal true.
func (s span) truth() bool { return s.kind() == 't' }

// integer reads a whole number, also when it is written 1e3 or 10.0.
func (s span) integer() (int64, error) {
	if s.kind() != '-' && (s.kind() < '0' || s.kind() > '9') {
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
func (s span) elements(f func(span)) {
	if s.kind() != '[' {
		return
	}
	for i := skipSpace(s.doc, s.start+1); s.doc[i] != ']'; {
		end := skip(s.doc, i)
		f(span{s.doc, i, end})
		if i = skipSpace(s.doc, end); s.doc[i] == ',' {
			i = skipSpace(s.doc, i+1)
		}
	}
}

// object is an object whose members a decision is made from. A name that
// stands twice, or that another JSON reader could take for one that the
// decision reads ("Model" beside "model"), makes the decision unsafe: the
// first such name is kept in err.
type object struct {
	span
	members []member
	err     *error
}

// object reads the members of s. err collects the first fault of this object
// and of those reached through it.
func (s span) object(err *error) object {
	o := object{span: s, err: err}
	if s.kind() != '{' {
		return o
	}
	for i := skipSpace(s.doc, s.start+1); s.doc[i] != '}'; {
		nameEnd := skipString(s.doc, i)
		v := skipSpace(s.doc, skipSpace(s.doc, nameEnd)+1)
		end := skip(s.doc, v)
		if o.members == nil {
			o.members = make([]member, 0, 4)
		}
		o.members = append(o.members, member{span{s.doc, i, nameEnd}.text(), span{s.doc, v, end}, i})
		if i = skipSpace(s.doc, end); s.doc[i] == ',' {
			i = skipSpace(s.doc, i+1)
		}
	}
	return o
}

// get is the member of that name, the zero span when there is none.
func (o object) get(name string) span {
	var found span
	seen := 0
	for _, m := range o.members {
		if m.name != name && !strings.EqualFold(m.name, name) {
			continue
		}
		seen++
		if m.name == name {
			found = m.value
		}
		if (m.name != name || seen > 1) && *o.err == nil {
			*o.err = fmt.Errorf("the name %q stands twice, or in another case: which one counts is ambiguous", clip(m.name, 40))
		}
	}
	return found
}

// child is the member of that name as an object of the same decision.
func (o object) child(name string) object { return o.get(name).object(o.err) }

// each calls f with every element of the array under name that is an object.
func (o object) each(name string, f func(object)) {
	o.get(name).elements(func(s span) { f(s.object(o.err)) })
}

// fault keeps the first fault found while reading.
func (o object) fault(format string, args ...any) {
	if *o.err == nil {
		*o.err = fmt.Errorf(format, args...)
	}
}

// count is the integer under name; nil when absent or null. Anything else, or
// a number below least, is a fault.
func (o object) count(name string, least int64) *int64 {
	return o.number(o.get(name), name, least)
}

// number is count for a value that has been found.
func (o object) number(v span, name string, least int64) *int64 {
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

// quote is s as JSON text.
func quote(s string) string {
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}
