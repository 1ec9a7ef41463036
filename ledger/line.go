package ledger

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// line builds the exact text of one event. Members appear in the order they
// are added; zero values are left out.
type line struct{ b []byte }

// timeFormat is how times stand in events: UTC, milliseconds, sortable.
const timeFormat = "2006-01-02T15:04:05.000Z"

func (e *line) key(name string) {
	if len(e.b) > 1 {
		e.b = append(e.b, ',')
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
}

func (e *line) text(name, v string) {
	if v != "" {
		e.key(name)
		e.b = appendQuoted(e.b, v)
	}
}

func (e *line) number(name string, v int64) {
	if v != 0 {
		e.key(name)
		e.b = strconv.AppendInt(e.b, v, 10)
	}
}

// given adds a budget, even if it is 0.
func (e *line) given(name string, budget Micros) {
	e.key(name)
	e.b = strconv.AppendInt(e.b, int64(budget), 10)
}

func (e *line) flag(name string, v bool) {
	if v {
		e.key(name)
		e.b = append(e.b, "true"...)
	}
}

// raw adds JSON that is known to be valid, if there is any, on one line.
func (e *line) raw(name string, v []byte) {
	if text := rawText(v); len(text) > 0 {
		e.key(name)
		e.b = append(e.b, text...)
	}
}

// rawText is JSON as an event has it; empty for no text, and for what is not JSON.
func rawText(v []byte) []byte {
	var one bytes.Buffer
	if len(v) == 0 || json.Compact(&one, v) != nil {
		return nil
	}
	return PlainJSON(bytes.ToValidUTF8(one.Bytes(), []byte("\ufffd")))
}

func (e *line) numbers(name string, vs []int64) {
	if len(vs) == 0 {
		return
	}
	e.key(name)
	e.b = append(e.b, '[')
	for i, v := range vs {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = strconv.AppendInt(e.b, v, 10)
	}
	e.b = append(e.b, ']')
}

func (e *line) duration(name string, d time.Duration) {
	e.number(name, int64(d/time.Millisecond))
}

// budget tells the budget that an account was given; null is no limit.
// Verify rebuilds every account's budget from these.
func (e *line) budget(a *account) {
	e.key("budgets")
	e.b = append(e.b, `[{"account":`...)
	e.b = strconv.AppendInt(e.b, a.id, 10)
	e.text("kind", string(a.kind))
	e.text("window", string(a.window))
	e.number("start", a.start)
	e.number("parent", a.parent)
	e.key("target_micro")
	if a.limited {
		e.b = strconv.AppendInt(e.b, int64(a.target), 10)
	} else {
		e.b = append(e.b, "null"...)
	}
	e.b = append(e.b, "}]"...)
}

func (e *line) call(c CallInfo) {
	e.text("wire", c.Wire)
	e.text("model_asked", c.ModelAsked)
	e.text("model_sent", c.ModelSent)
	e.text("provider", c.Provider)
	e.flag("stream", c.Stream)
	e.text("price_held", c.Price)
}

func (e *line) usage(u Usage) {
	if u == (Usage{}) {
		return
	}
	e.key("usage")
	var in line
	in.b = append(in.b, '{')
	in.number("input", u.Input)
	in.number("cache_read", u.CacheRead)
	in.number("cache_write_5m", u.CacheWrite5m)
	in.number("cache_write_1h", u.CacheWrite1h)
	in.number("output", u.Output)
	in.number("audio_in", u.AudioIn)
	in.number("audio_out", u.AudioOut)
	in.number("searches", u.Searches)
	e.b = append(append(e.b, in.b...), '}')
}

// appendQuoted appends v as a JSON string.
func appendQuoted(b []byte, v string) []byte {
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			q, err := json.Marshal(v)
			if err != nil { // a string always marshals
				return append(b, '"', '"')
			}
			return append(b, PlainJSON(q)...)
		}
	}
	b = append(b, '"')
	b = append(b, v...)
	return append(b, '"')
}

// PlainJSON is the JSON b with an escape for every character that a terminal would act on,
// or that would reorder a line: names of agents and models are foreign text.
func PlainJSON(b []byte) []byte {
	acts := func(r rune) bool {
		return r != '\n' && (!unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r))
	}
	if !bytes.ContainsFunc(b, acts) {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for _, r := range string(b) {
		switch high, low := utf16.EncodeRune(r); {
		case !acts(r):
			out = utf8.AppendRune(out, r)
		case high != utf8.RuneError:
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// prefix of a token's hash is what the trail may tell of it.
func (h TokenHash) prefix() string { return hex.EncodeToString(h[:4]) }
