package proxy

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/proxy/wire"
	"pgregory.net/rapid"
)

// splitAll cuts a stream, given in pieces, into events: name|data, and the raw
// bytes of all of them.
func splitAll(pieces ...[]byte) (events []string, raw string) {
	var s wire.Splitter
	var joined bytes.Buffer
	take := func(e wire.Event) {
		joined.Write(e.Raw)
		if e.Data != nil {
			events = append(events, e.Name+"|"+string(e.Data))
		}
	}
	for _, p := range pieces {
		s.Write(p, take)
	}
	s.End(take)
	return events, joined.String()
}

func TestEvents(t *testing.T) {
	long := strings.Repeat("ü", 1<<17) // beyond bufio.Scanner's 64 KiB
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"empty", "", nil},
		{"LF", "data: a\n\ndata: b\n\n", []string{"|a", "|b"}},
		{"CR", "data: a\r\rdata: b\r\r", []string{"|a", "|b"}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"|a", "|b"}},
		{"mixed", "data: a\r\n\ndata: b\n\rdata: c\r\r\n", []string{"|a", "|b", "|c"}},
		{"BOM", "\ufeffdata: a\n\n", []string{"|a"}},
		{"BOM later is no BOM", "data: a\n\n\ufeffdata: b\n\n", []string{"|a"}},
		{"lines of data", "data: a\ndata:\ndata: b\n\n", []string{"|a\n\nb"}},
		{"no space, two spaces", "data:a\n\ndata:  b\n\n", []string{"|a", "| b"}},
		{"empty data", "data\n\ndata:\n\n", []string{"|", "|"}},
		{"names", "event: x\ndata: a\nid: 7\nretry: 9\nevil: z\n\ndata: b\n\n", []string{"x|a", "|b"}},
		{"a name without data", "event: x\n\ndata: b\n\n", []string{"|b"}},
		{"comments", ": ping\n\n:\n\ndata: a\n: in between\n\n", []string{"|a"}},
		{"no blank line at the end", "data: a\n\ndata: b\n", []string{"|a", "|b"}},
		{"no line end at the end", "data: a\n\ndata: b", []string{"|a", "|b"}},
		{"CR at the end", "data: a\r\n\r\ndata: b\r", []string{"|a", "|b"}},
		{"long", "data: " + long + "\n\ndata: b\n\n", []string{"|" + long, "|b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 1 << 10, 1 << 20} {
				var pieces [][]byte
				for rest := []byte(c.stream); len(rest) > 0; {
					n := min(size, len(rest))
					pieces, rest = append(pieces, rest[:n]), rest[n:]
				}
				got, raw := splitAll(pieces...)
				if fmt.Sprint(got) != fmt.Sprint(c.want) || len(got) != len(c.want) {
					t.Fatalf("in pieces of %d: %.100q, want %.100q", size, got, c.want)
				}
				if raw != c.stream {
					t.Fatalf("in pieces of %d: the raw parts join to %.100q, not %.100q", size, raw, c.stream)
				}
			}
		})
	}
}

// TestEventsInAnyPieces: lines of every kind, in reads of every size.
func TestEventsInAnyPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{
			"\n", "\r", "\r\n", "data: a", "data:", "event: x", ":", "\ufeff", "ü", "data: {\"a\":\"b\"}", " ", "data: ü\n\n",
		})).Draw(t, "lines")
		stream := []byte(strings.Join(lines, ""))
		var pieces [][]byte
		for rest := stream; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		want, _ := splitAll(stream)
		got, raw := splitAll(pieces...)
		if fmt.Sprint(got) != fmt.Sprint(want) || raw != string(stream) {
			t.Fatalf("%q: %q, want %q; raw %q", pieces, got, want, raw)
		}
	})
}

// TestEventWithoutEnd: an event beyond the bound passes, is not kept, and what
// follows it passes too.
func TestEventWithoutEnd(t *testing.T) {
	var s wire.Splitter
	passed, piece := 0, bytes.Repeat([]byte("x"), 32<<10)
	s.Write([]byte("data: "), func(e wire.Event) { passed += len(e.Raw) })
	for range (4 * wire.MaxEvent) / len(piece) {
		s.Write(piece, func(e wire.Event) { passed += len(e.Raw) })
		if cap(s.Buf) > 4*wire.MaxEvent {
			t.Fatalf("%d bytes are kept of an event without an end", cap(s.Buf))
		}
	}
	s.Write([]byte("\n\ndata: a\n\n"), func(e wire.Event) {
		passed += len(e.Raw)
		if e.Data != nil {
			t.Error("an event is read after the stream was lost")
		}
	})
	s.End(func(e wire.Event) { passed += len(e.Raw) })
	if want := 6 + 4*wire.MaxEvent + 11; passed != want {
		t.Errorf("%d bytes passed, want %d", passed, want)
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestStreamIsLinear: twice the stream takes twice the memory at most, and
// what is kept does not grow with it. Counted, not timed.
func TestStreamIsLinear(t *testing.T) {
	for _, f := range fixtures(t) {
		stream := f.stream()
		body := f.body(t)
		c, err := f.wire.Read(nil, body, f.text("rest"))
		if len(stream) == 0 || err != nil {
			continue
		}
		run := func(n int) uint64 {
			return allocated(func() {
				relayed(f.edit(t, c), f.wire, bytes.Repeat(append(stream[:len(stream):len(stream)], "\n\n"...), n), func() int { return 4096 })
			})
		}
		run(10)
		if one, two := run(200), run(400); float64(two) > 2.6*float64(one) {
			t.Errorf("%s: %d bytes for a stream, %d for twice of it", f.path, one, two)
		}
	}
}
