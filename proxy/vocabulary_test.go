package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// TestVocabulary: a chat has no route that counts it: where its bytes do not fit,
// the vocabulary of its model bounds it, and nothing is sent but the call. A
// provider that counts more than that does so once.
func TestVocabulary(t *testing.T) {
	s := chatShape()
	body := s.body(0, []string{prose(100, 3000)})
	pay := map[string]fakeprovider.Price{"gpt-4o": s.price}
	for _, honest := range []bool{true, false} {
		perToken := int64(4)
		if !honest {
			perToken = 1
		}
		w := newWorld(t, setup{budget: "0.22", prices: []string{}, provider: fakeprovider.Options{BytesPerToken: perToken}})
		status, _, answer, err := w.post(s.path, body)
		must(t, err)
		run := w.booked(1)
		if bill := w.billed(pay); status != 200 || len(w.provider.Bill()) != 1 || run.Account.Spent+run.Account.Overrun != bill {
			t.Fatalf("%d %.300s: %d requests, %s and %s of %s", status, answer, len(w.provider.Bill()), run.Account.Spent, run.Account.Overrun, bill)
		}
		calls, err := bookedCalls(t.Context(), w.ledger, w.run, 1)
		must(t, err)
		if within := calls[0].Cost <= calls[0].Amount; within != honest {
			t.Errorf("honest %t: %s of %s", honest, calls[0].Cost, calls[0].Amount)
		}
		w.fund(strings.Repeat("0123", 16), "0.22")
		status, _, _, err = w.post(s.path, body)
		must(t, err)
		w.booked(1)
		if again := status == 200; again != honest {
			t.Errorf("honest %t: the next run's call is answered %d", honest, status)
		}
	}
}

// TestVocabularyOfOthers: a model of another vocabulary, files, and a text that
// takes too long to count are bounded by their bytes.
func TestVocabularyOfOthers(t *testing.T) {
	long := chatShape().body(0, []string{"hello"})
	for name, body := range map[string]string{
		"another model": strings.Replace(long, "gpt-4o", "gpt-4-turbo", 1),
		"a file":        strings.Replace(long, `"content":"hello"`, `"content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]`, 1),
		"slow":          long,
	} {
		w := newWorld(t, setup{budget: "0.22", prices: []string{"gpt-4-turbo=2.50/10", "gpt-4o=2.50/10"}, change: func(o *Options) {
			if name == "slow" {
				o.countPatience = time.Nanosecond
			}
		}})
		status, _, answer, err := w.post("/v1/chat/completions", body)
		must(t, err)
		w.booked(1)
		if status != 402 || len(w.provider.Bill()) > 0 {
			t.Errorf("%s: %d %.300s", name, status, answer)
		}
	}
}
