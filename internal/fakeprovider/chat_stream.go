package fakeprovider

import "strconv"

// chunks builds the chunks of one streamed answer: everything around the
// choices is the same in each.
type chunks struct {
	s    *stream
	head []byte
	buf  []byte
	sent int
}

func newChunks(s *stream, id, object string) *chunks {
	p := s.p
	k := &chunks{s: s}
	k.head = append(k.head, `{"id":"`+id+`","object":"`+object+`","created":`...)
	k.head = strconv.AppendInt(k.head, p.created, 10)
	k.head = append(append(k.head, `,"model":`...), marshal(p.model)...)
	if p.tier != "" {
		k.head = append(append(k.head, `,"service_tier":`...), marshal(p.tier)...)
	}
	k.head = append(k.head, `,"system_fingerprint":`...)
	k.head = append(append(k.head, marshal(firstOf(s.x.b.SystemPrint, "fp_fake000001"))...), `,"choices":`...)
	return k
}

// obfuscation evens out the sizes of chunks, so that a listener on the network
// learns less (include_obfuscation).
const obfuscation = "Xq3bN8sKd0Tf7LmA"

// send sends a chunk with these choices, and with the usage that belongs to it.
func (k *chunks) send(choices []byte, last bool) bool {
	x, b := k.s.x, append(k.buf[:0], k.head...)
	b = append(append(b, '['), choices...)
	b = append(b, ']')
	switch {
	case x.b.UsageEveryChunk && !x.b.NoUsage, x.b.UsageOnFinish && last:
		b = append(append(b, `,"usage":`...), marshal(chatUsage(x, x.made))...)
	case k.s.c.askUsage && !x.b.NoUsage:
		b = append(b, `,"usage":null`...)
	}
	if k.s.c.obfuscate {
		b = append(append(b, `,"obfuscation":"`...), obfuscation[:k.sent%len(obfuscation)]...)
		b = append(b, '"')
	}
	k.sent++
	k.buf = append(b, '}')
	return k.s.send("", k.buf)
}

// usage sends the chunk without choices that include_usage asks for.
func (k *chunks) usage() bool {
	x := k.s.x
	u, keep := finalUsage(x)
	if !k.s.c.askUsage || !keep || x.b.UsageOnFinish {
		return true
	}
	b := append(append(k.buf[:0], k.head...), `[],"usage":`...)
	b = append(append(b, marshal(u)...), '}')
	return k.s.send("", b)
}

func (chat) events(s *stream) {
	k := newChunks(s, ident("chatcmpl-", s.x.e.ID), "chat.completion.chunk")
	if s.x.b.EmptyFirst && !s.send("", []byte(emptyFirst)) {
		return
	}
	for i := range s.p.outputs {
		content := `""`
		if len(s.p.outputs[i].calls) > 0 {
			content = "null"
		}
		if !k.send(chatDelta(i, `"role":"assistant","content":`+content+`,"refusal":null`, "null"), false) {
			return
		}
	}
	s.generated(s.p.reasoning)
	var b []byte
	if !s.text(func(i int, t []byte) bool {
		b = append(append(b[:0], `"content":`...), s.quoted(t)...)
		return k.send(chatDelta(i, string(b), "null"), false)
	}) {
		return
	}
	for i := range s.p.outputs {
		if !k.calls(i, s.p.outputs[i].calls) {
			return
		}
	}
	if !s.ended() {
		return
	}
	for i := range s.p.outputs {
		last := i == len(s.p.outputs)-1
		if !k.send(chatDelta(i, "", `"`+chatFinish(&s.p.outputs[i])+`"`), last) {
			return
		}
	}
	if k.usage() {
		s.last("", []byte("[DONE]"))
	}
}

// emptyFirst is the chunk that Azure begins with.
const emptyFirst = `{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}`

func (k *chunks) calls(output int, calls []plannedCall) bool {
	for n, c := range calls {
		index := int64(n)
		first := marshal([]chatCall{{Index: &index, ID: c.id, Type: "function", Function: callArg{Name: c.name}}})
		if !k.send(chatDelta(output, `"tool_calls":`+string(first), "null"), false) {
			return false
		}
		if !k.s.args(c, func(piece string) bool {
			more := marshal([]chatCall{{Index: &index, Function: callArg{Args: piece}}})
			return k.send(chatDelta(output, `"tool_calls":`+string(more), "null"), false)
		}) {
			return false
		}
	}
	return true
}

func chatDelta(index int, delta, finish string) []byte {
	b := append(make([]byte, 0, 128), `{"index":`...)
	b = strconv.AppendInt(b, int64(index), 10)
	b = append(append(b, `,"delta":{`...), delta...)
	b = append(append(b, `},"logprobs":null,"finish_reason":`...), finish...)
	return append(b, '}')
}

// quoted is a text as a JSON string. The words made here need no escapes.
func (s *stream) quoted(t []byte) []byte {
	if s.x.b.Text == "" {
		return append(append([]byte{'"'}, t...), '"')
	}
	return marshal(string(t))
}
