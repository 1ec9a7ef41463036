package wire

// A field that a decision reads must have the type that the provider's schema gives it, or
// the request is refused: a server that takes "true", 1 or a list of one for true would
// otherwise do what the policy has denied. null always means the same as a missing field.

// flag is the boolean under name; false when absent or null.
func (o Object) flag(name string) bool {
	v := o.Get(name)
	if k := v.Kind(); !v.isNull() && k != 't' && k != 'f' {
		o.fault("%s is neither true nor false", name)
	}
	return v.Truth()
}

// word is the string under name; "" when absent or null.
func (o Object) word(name string) string { return o.asWord(o.Get(name), name) }

// asWord is word for a value that has been found.
func (o Object) asWord(v Span, name string) string {
	o.onlyWord(v, name)
	return v.Text()
}

// onlyWord is asWord for a text of which nothing is read: it may be long.
func (o Object) onlyWord(v Span, name string) {
	if !v.isNull() && v.Kind() != '"' {
		o.fault("%s is not text", name)
	}
}

// member is the object under name; one without members when absent or null.
func (o Object) member(name string) Object {
	v := o.Get(name)
	if !v.isNull() && v.Kind() != '{' {
		o.fault("%s is not an object", name)
	}
	return v.Object(o.err)
}

// list calls f with each object of the list under name. Anything else there is a fault.
func (o Object) list(name string, f func(Object)) { o.asList(o.Get(name), name, f) }

// asList is list for a value that has been found.
func (o Object) asList(v Span, name string, f func(Object)) {
	if !v.isNull() && v.Kind() != '[' {
		o.fault("%s is not a list", name)
	}
	v.elements(func(e Span) {
		if e.Kind() != '{' {
			o.fault("%s holds something that is not an object", name)
			return
		}
		f(e.Object(o.err))
	})
}

// content is list for what may also be plain text.
func (o Object) content(name string, f func(Object)) {
	if o.Get(name).Kind() != '"' {
		o.list(name, f)
	}
}

// words calls f with each string of a list. Anything else there is a fault.
func (o Object) words(v Span, name string, f func(string)) {
	if !v.isNull() && v.Kind() != '[' {
		o.fault("%s is not a list", name)
	}
	v.elements(func(e Span) {
		if e.Kind() != '"' {
			o.fault("%s holds something that is not text", name)
		}
		f(e.Text())
	})
}

// kind is the type of a part of content. A part that does not say what it is
// could be anything.
func (o Object) kind() string {
	t := o.word("type")
	if t == "" {
		o.fault("a part of the content has no type")
	}
	return t
}
