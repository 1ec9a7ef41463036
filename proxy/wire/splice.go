package wire

import "bytes"

// Splice is one edit of a document: what stands between start and end becomes text.
type Splice struct {
	start, end int
	text       string
	lone       bool // a member put into an object that has none
}

// Set makes the edit that gives name the value (JSON text), replacing it where
// it stands or adding it as the first member.
func (o Object) Set(name, value string) Splice {
	for _, m := range o.members {
		if m.name == name {
			return Splice{start: m.value.start, end: m.value.end, text: value}
		}
	}
	text := Quote(name) + ":" + value
	if len(o.members) > 0 {
		text += ","
	}
	return Splice{start: o.start + 1, end: o.start + 1, text: text, lone: len(o.members) == 0}
}

// drop makes the edit that removes the first member of that name with its
// comma.
func (o Object) drop(name string) Splice {
	for i, m := range o.members {
		switch {
		case m.name != name:
		case i > 0:
			return Splice{start: o.members[i-1].value.end, end: m.value.end}
		case len(o.members) > 1:
			return Splice{start: m.start, end: o.members[1].start}
		default:
			return Splice{start: m.start, end: m.value.end}
		}
	}
	return Splice{start: o.start, end: o.start}
}

// Apply makes the edits. Several may insert at the same place; they keep their order. Where
// two overlap, only the first in the document is made.
func Apply(doc []byte, edits []Splice) []byte {
	if len(edits) == 0 {
		return doc
	}
	sorted := append([]Splice(nil), edits...)
	for i := 1; i < len(sorted); i++ {
		for j := i; j > 0 && sorted[j].start < sorted[j-1].start; j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	var out bytes.Buffer
	out.Grow(len(doc) + 64)
	at := 0
	for i, e := range sorted {
		if e.start < at {
			continue
		}
		out.Write(doc[at:e.start])
		if e.lone && i > 0 && sorted[i-1].lone && sorted[i-1].start == e.start {
			out.WriteByte(',')
		}
		out.WriteString(e.text)
		at = e.end
	}
	out.Write(doc[at:])
	return out.Bytes()
}
