package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// BenchmarkBody reads requests: the time for a byte is the same for a body of
// ten times the size.
func BenchmarkBody(b *testing.B) {
	for _, size := range []int{1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			message := `{"role":"user","content":"` + strings.Repeat("word ", 100) + `"}`
			body := []byte(`{"model":"gpt-4o-mini","messages":[` + strings.TrimSuffix(strings.Repeat(message+",", size/(len(message)+1)), ",") + `]}`)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				doc, err := wire.Parse(body)
				if err != nil {
					b.Fatal(err)
				}
				c, err := wire.Chat.Read(nil, doc.Object(new(error)), "")
				if err != nil || c.Messages < size/1000 {
					b.Fatal(c.Messages, err)
				}
			}
		})
	}
}

// BenchmarkStream meters streams: the time for a chunk is the same for a stream
// of ten times the length, and nothing is kept of it.
func BenchmarkStream(b *testing.B) {
	events := map[string]string{
		policy.Chat:      `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}],"usage":null}`,
		policy.Responses: "event: response.output_text.delta\ndata: " + `{"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"word "}`,
		policy.Messages:  "event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"word "}}`,
		policy.Gemini:    `data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"word "}]}}],"modelVersion":"gemini-2.5-flash","usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":7,"totalTokenCount":14}}`,
	}
	for _, name := range []string{policy.Chat, policy.Responses, policy.Messages, policy.Gemini} {
		for _, chunks := range []int{20_000, 200_000} {
			b.Run(fmt.Sprintf("%s/%d", name, chunks), func(b *testing.B) {
				stream := bytes.Repeat([]byte(events[name]+"\n\n"), chunks)
				b.SetBytes(int64(len(stream)))
				b.ReportAllocs()
				for b.Loop() {
					rl, _ := relayed(wire.Edit{Usage: name == policy.Chat, Call: &policy.Call{Outputs: 1}}, wire.Named(name), stream, func() int { return 4096 })
					if rl.reading.Deltas != int64(chunks) {
						b.Fatalf("%d of %d chunks were read", rl.reading.Deltas, chunks)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*chunks), "ns/chunk")
			})
		}
	}
}
