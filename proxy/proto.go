package proxy

import "strings"

// The JSON of protocol buffers names a field in camelCase, and a reader takes
// the snake_case of its definition as well. The functions here take the latter.

// proto is the member of that name in either form.
func (o object) proto(snake string) span {
	camel := camelOf(snake)
	v := o.get(camel)
	if camel == snake {
		return v
	}
	other := o.get(snake)
	if v.kind() != 0 && other.kind() != 0 {
		o.fault("%s stands in both of its forms: which one counts is ambiguous", camel)
	}
	if v.kind() == 0 {
		return other
	}
	return v
}

// protoName is the form in which the member stands, camelCase when it does not.
func (o object) protoName(snake string) string {
	if camel := camelOf(snake); o.get(camel).kind() != 0 || o.get(snake).kind() == 0 {
		return camel
	}
	return snake
}

func (o object) protoChild(snake string) object { return o.proto(snake).object(o.err) }

func (o object) protoEach(snake string, f func(object)) {
	o.proto(snake).elements(func(s span) { f(s.object(o.err)) })
}

// protoCount is count for either form. Numbers may be text, as 64 bit ones are.
func (o object) protoCount(snake string, least int64) *int64 {
	v := o.proto(snake)
	if v.kind() == '"' {
		if inner, err := parse([]byte(v.text())); err == nil {
			v = inner
		}
	}
	return o.number(v, camelOf(snake), least)
}

func camelOf(snake string) string {
	if strings.IndexByte(snake, '_') < 0 {
		return snake
	}
	var b strings.Builder
	for i, word := range strings.Split(snake, "_") {
		if i > 0 && word != "" {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
}

// snake is a name in snake_case, whichever form it has.
func snake(name string) string {
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
