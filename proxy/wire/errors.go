package wire

import (
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// ownError tells whether an object is an error in one of the shapes of the host's own
// errors. Behind an error that a proxy made, the host may still work on the call, and
// charge for it.
func ownError(o Object, host *policy.Host) bool {
	has := func(shape string) bool { return slices.Contains(host.Errors, shape) }
	switch e := o.Get("error"); e.Kind() {
	case '{':
		inner := e.Object(new(error))
		return has(policy.ErrorObject) && (inner.Get("message").Kind() == '"' || inner.Get("type").Kind() == '"' || !inner.Get("code").isNull())
	case '"':
		return has(policy.ErrorText) || has(policy.ErrorObject) && host.Name == "" // some compatible servers
	}
	if named := o.Get("object").Text(); named == "error" || named == "Error" {
		return has(policy.ErrorNamed)
	}
	// The Responses API's own event has its code and message beside its type.
	if o.Get("type").Text() == "error" && o.Get("message").Kind() == '"' {
		return has(policy.ErrorObject)
	}
	if o.Get("message").Kind() == '"' && strings.HasSuffix(o.Get("type").Text(), "_error") && !o.Get("code").isNull() && has(policy.ErrorFlat) {
		return true
	}
	return !o.Get("detail").isNull() && has(policy.ErrorDetail)
}

// fails tells whether an event of a stream is an error, in any shape.
func fails(o Object, name string) bool {
	kind := o.Get("object").Text()
	return name == "error" || o.Get("type").Text() == "error" || !empty(o.Get("error")) || kind == "error" || kind == "Error"
}

// usageIn is the usage that an answer or an event tells. Some providers put that of a call
// that failed into its error.
func usageIn(o Object) Span {
	if usage := usageOf(o); !usage.isNull() {
		return usage
	}
	return usageOf(o.child("error"))
}

// usageOf is the member named usage. If it stands twice, that is no doubt about which
// tools the answer calls.
func usageOf(o Object) Span {
	o.err = new(error)
	return o.Get("usage")
}

// repeated are the members of that name except for the last, which Get finds: where an
// answer tells something twice, the greater figure counts.
func (o Object) repeated(name string) (before []Span) {
	for _, m := range o.members {
		if m.name == name {
			before = append(before, m.value)
		}
	}
	return before[:max(len(before)-1, 0)]
}

// own tells whether an object is an error of the call's provider itself.
func (e Edit) own(o Object) bool { return ownError(o, e.host()) }

// answered reads a whole answer. It is not ok where the answer is not JSON, or is a
// refusal without usage, in which there is nothing else to read.
func answered(status int, body []byte, r *Reading, own func(Object) bool) (o Object, ok bool) {
	if o, ok = r.parse(body); !ok {
		return o, false
	}
	if status >= 400 && usageIn(o).isNull() {
		r.Refused, r.Code = own(o), plain.Clip(o.child("error").Get("code").Text(), 60)
		return o, false
	}
	return o, true
}
