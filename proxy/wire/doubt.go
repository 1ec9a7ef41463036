package wire

import "bytes"

// A client may find something else in an answer than is read here: the answer is not
// JSON, has a name twice, or has a field of another type. That is noted as the reading's
// doubt, which only matters where answers are judged.

// parse is an answer, or the data of one of its events, as an object.
func (r *Reading) parse(b []byte) (o Object, ok bool) {
	v, ok := r.value(b)
	if listed := listedError(v); listed.Kind() == '{' {
		v = listed
	}
	return v.Object(&r.Doubt), ok
}

// listedError is an error that is the only element of a list, as Google's compatible API
// sends it.
func listedError(v Span) (only Span) {
	count := 0
	v.elements(func(e Span) { only, count = e, count+1 })
	if count != 1 || only.Object(new(error)).Get("error").Kind() != '{' {
		return Span{}
	}
	return only
}

// value is parse for data that need not be an object. Empty data, and the word that ends
// a stream, say nothing.
func (r *Reading) value(b []byte) (Span, bool) {
	if said := bytes.TrimSpace(b); len(said) == 0 || string(said) == "[DONE]" {
		return Span{}, false
	}
	v, err := Parse(b)
	if err != nil && r.Doubt == nil {
		r.Doubt = err
	}
	return v, err == nil
}
