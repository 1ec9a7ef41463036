package wire

import (
	"bytes"
	"hash/maphash"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// Prompt is what a request puts before the model, in pieces that another request may have
// as well. It holds no content, only the hash and the size of each piece.
type Prompt struct {
	Pieces  []policy.Piece
	Options uint64 // hash of what changes how the same pieces are counted
	First   uint64 // hash of the first message: it names the conversation
	Cut     bool   // the provider may leave some of it out (truncation)
}

// promptSeed makes hashes that nobody outside can foresee.
var promptSeed = maphash.MakeSeed()

// promptLists are the fields that hold a list of pieces, with the names by which such a
// piece holds smaller ones.
var promptLists = map[string][]string{
	"system": {}, "tools": {}, "functions": {}, "mcp_servers": {}, "messages": {"content"}, "input": {"content", "output"},
	"contents": {"parts"}, "system_instruction": {"parts"},
}

// promptOptions are the fields that change how the rest is counted.
var promptOptions = fieldSet(`thinking tool_choice function_call response_format output_format output_config text reasoning
	reasoning_effort context_management compaction truncation transforms modalities tool_config generation_config cached_content
	web_search_options search_parameters plugins models`)

// SplitPrompt splits a request of any wire. It leaves out every cache_control, which
// clients move from turn to turn.
func SplitPrompt(body Object) Prompt {
	var p Prompt
	var options maphash.Hash
	options.SetSeed(promptSeed)
	for _, m := range body.members {
		name := Snake(m.name)
		inner, list := promptLists[name]
		switch {
		case promptOptions[name]:
			options.WriteString(name)
			options.Write(m.value.raw())
			p.Cut = p.Cut || (name == "truncation" || name == "transforms") && !empty(m.value) && m.value.Text() != "disabled"
		case list:
			options.WriteString(name)
			p.list(name, m.value, inner)
		default:
			p.whole(name, m.value)
		}
	}
	p.Options = options.Sum64()
	return p
}

func (p *Prompt) list(name string, v Span, inner []string) {
	first := true
	piece := func(s Span) {
		at := len(p.Pieces)
		p.piece(name, s, inner)
		if name == "tools" {
			p.Pieces[at].Bytes += policy.DefinedPrompt * int64(definedBy(s))
		}
		if first && (name == "messages" || name == "input" || name == "contents") {
			var h maphash.Hash
			h.SetSeed(promptSeed)
			for _, b := range p.Pieces[at:] {
				maphash.WriteComparable(&h, b.Hash)
			}
			p.First, first = h.Sum64(), false
		}
	}
	if v.Kind() == '[' {
		v.elements(piece)
		return
	}
	piece(v)
}

// piece adds an element of a list: its content, block by block, and its other members.
func (p *Prompt) piece(name string, s Span, inner []string) {
	if s.Kind() != '{' || len(inner) == 0 {
		p.block(name, s)
		return
	}
	o := s.Object(new(error))
	rest := p.start(name)
	size := int64(2)
	for _, m := range o.members {
		held := false
		for _, field := range inner {
			held = held || m.name == field && (m.value.Kind() == '[' || m.value.Kind() == '"')
		}
		switch {
		case !held:
			size += rest.member(m)
		case m.value.Kind() == '"':
			p.block(name+m.name, m.value)
		default:
			m.value.elements(func(e Span) { p.block(name+m.name, e) })
		}
	}
	loose := o.Get("type").Text() == "reasoning"
	p.Pieces = append(p.Pieces, policy.Piece{Hash: rest.sum(), Bytes: size, Loose: loose})
}

// block adds one piece. A text is the same whether it stands alone or as the
// text of a text block.
func (p *Prompt) block(name string, s Span) {
	h := p.start(name)
	raw := s.raw()
	b := policy.Piece{Bytes: int64(len(raw)), Media: holdsMedia(raw)}
	switch {
	case s.Kind() == '"':
		h.bytes(raw)
	case s.Kind() == '{':
		o := s.Object(new(error))
		kind := o.Get("type").Text()
		b.Loose = kind == "thinking" || kind == "redacted_thinking" || o.Get("thought").Truth()
		if text, plain := loneText(o, kind); plain {
			h.bytes(text.raw())
			break
		}
		h.object(o, 0)
	default:
		h.bytes(raw)
	}
	b.Hash = h.sum()
	p.Pieces = append(p.Pieces, b)
}

func (p *Prompt) whole(name string, v Span) {
	h := p.start(name)
	h.bytes(v.raw())
	p.Pieces = append(p.Pieces, policy.Piece{Hash: h.sum(), Bytes: int64(v.end - v.start + len(name) + 4)})
}

// loneText is the text of a block that has nothing else.
func loneText(o Object, kind string) (text Span, plain bool) {
	for _, m := range o.members {
		switch m.name {
		case "text":
			text = m.value
		case "type", "cache_control":
		default:
			return Span{}, false
		}
	}
	return text, text.Kind() == '"' && (kind == "" || kind == "text" || kind == "input_text" || kind == "output_text")
}

// holdsMedia tells whether a piece may hold a picture, sound or a file.
func holdsMedia(raw []byte) bool {
	for _, mark := range [...]string{`base64`, `inlineData`, `inline_data`, `input_audio`, `file_data`} {
		if bytes.Contains(raw, []byte(mark)) {
			return true
		}
	}
	return false
}

// pieceHash hashes a piece, except for how it is to be cached.
type pieceHash struct{ maphash.Hash }

func (p *Prompt) start(name string) *pieceHash {
	h := new(pieceHash)
	h.SetSeed(promptSeed)
	h.WriteString(name)
	return h
}

func (h *pieceHash) sum() uint64    { return h.Sum64() }
func (h *pieceHash) bytes(b []byte) { _, _ = h.Write(b) } // never fails

// member adds a member of an object, and returns its size.
func (h *pieceHash) member(m member) int64 {
	if m.name == "cache_control" {
		return 0
	}
	h.WriteString(m.name)
	h.bytes(m.value.raw())
	return int64(m.value.end - m.start + 1)
}

// object adds an object without its caching, and that of what it holds.
func (h *pieceHash) object(o Object, depth int) {
	for _, m := range o.members {
		if m.name == "cache_control" {
			continue
		}
		h.WriteString(m.name)
		h.value(m.value, depth)
	}
}

func (h *pieceHash) value(v Span, depth int) {
	raw := v.raw()
	switch {
	case depth > maxBlocks || !strings.Contains("[{", string(v.Kind())) || !bytes.Contains(raw, []byte(`"cache_control"`)):
		h.bytes(raw)
	case v.Kind() == '{':
		h.WriteString("{")
		h.object(v.Object(new(error)), depth+1)
		h.WriteString("}")
	default:
		h.WriteString("[")
		v.elements(func(e Span) { h.value(e, depth+1) })
		h.WriteString("]")
	}
}
