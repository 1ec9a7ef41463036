package wire

import "bytes"

// What an answer says may be read in another way by the client than here: it is
// no JSON here, a name stands twice in it, or a field has another type. That is
// noted as the reading's doubt. It counts where answers are judged, and there alone.

// parse is an answer, or what an event of one carries, as an object.
func (r *Reading) parse(b []byte) (o Object, ok bool) {
	v, ok := r.value(b)
	if listed := listedError(v); listed.Kind() == '{' {
		v = listed
	}
	return v.Object(&r.Doubt), ok
}

// listedError is the error that stands alone in a list, as Google's compatible
// API has it.
func listedError(v Span) (only Span) {
	count := 0
	v.elements(func(e Span) { only, count = e, count+1 })
	if count != 1 || only.Object(new(error)).Get("error").Kind() != '{' {
		return Span{}
	}
	return only
}

// value is parse for what need not be an object. What is empty, and the word by
// which streams end, say nothing.
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
