package wire

import (
	"fmt"
	"strings"
	"sync"
)

// In the JSON of protocol buffers a field has a name in camelCase, and readers also take
// the name in snake_case from its definition. The functions here are given the latter.

// proto is the member of that name in either form. Both forms at once, or
// another case of one, are ambiguous.
func (o Object) proto(snake string) (found Span) {
	for _, m := range o.members {
		if !sameField(m.name, snake) {
			continue
		}
		if (found.Kind() != 0 || m.name != snake && m.name != camelOf(snake)) && *o.err == nil {
			*o.err = fmt.Errorf("%s stands twice, or in another form: which one counts is ambiguous", snake)
		}
		found = m.value
	}
	return found
}

// sameField tells whether a name is that of the field, apart from underscores and case.
func sameField(name, snake string) bool {
	i := 0
	for j := range len(name) {
		c := name[j]
		if c == '_' {
			continue
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		for i < len(snake) && snake[i] == '_' {
			i++
		}
		if i == len(snake) || snake[i] != c {
			return false
		}
		i++
	}
	return i == len(snake)
}

// protoName is the form in which the member stands, camelCase when it does not.
func (o Object) protoName(snake string) string {
	for _, m := range o.members {
		if m.name == snake {
			return snake
		}
	}
	return camelOf(snake)
}

func (o Object) protoChild(snake string) Object { return o.proto(snake).Object(o.err) }

func (o Object) protoEach(snake string, f func(Object)) {
	o.proto(snake).elements(func(s Span) { f(s.Object(o.err)) })
}

// protoCount is Count for either form. A number may be text, as 64 bit ones are.
func (o Object) protoCount(snake string, least int64) *int64 {
	v := o.proto(snake)
	if v.Kind() == '"' {
		if inner, err := Parse([]byte(v.Text())); err == nil {
			v = inner
		}
	}
	return o.number(v, snake, least)
}

// camels are the camelCase forms of names, worked out once.
var camels sync.Map

func camelOf(snake string) string {
	if camel, ok := camels.Load(snake); ok {
		return camel.(string)
	}
	var b strings.Builder
	for i, word := range strings.Split(snake, "_") {
		if i > 0 && word != "" {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	camels.Store(snake, b.String())
	return b.String()
}

// Snake is a name in snake_case, whichever form it has.
func Snake(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// protoMember is member for either form of the name.
func (o Object) protoMember(snake string) Object {
	v := o.proto(snake)
	if !v.isNull() && v.Kind() != '{' {
		o.fault("%s is not an object", snake)
	}
	return v.Object(o.err)
}

// oneOrList is list for an API that takes one object for a list of one.
func (o Object) oneOrList(name string, f func(Object)) {
	if one := o.Get(name); one.Kind() == '{' {
		f(one.Object(o.err))
		return
	}
	o.list(name, f)
}
