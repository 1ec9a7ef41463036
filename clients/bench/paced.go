//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pace is how a stream is to come. It travels as the request's "user", which
// every way passes on.
type pace struct {
	Chunks int           `json:"chunks"`
	Every  time.Duration `json:"every"`
}

// body is a request for a stream of that pace.
func (p pace) body() string {
	user, _ := json.Marshal(p)
	return `{"model":"gpt-4o-mini","max_tokens":16000,"stream":true,"messages":[{"role":"user","content":"hello there, tell me something"}],"user":` +
		strconv.Quote(string(user)) + `}`
}

// paced is a provider that streams at the pace asked for, and writes into each
// chunk when it was sent; other requests go to the handler within.
type paced struct{ http.Handler }

func (h paced) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var request struct{ User string }
	var p pace
	if json.Unmarshal(body, &request) != nil || json.Unmarshal([]byte(request.User), &p) != nil || p.Chunks == 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.Handler.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	var tick <-chan time.Time
	if p.Every > 0 {
		ticker := time.NewTicker(p.Every)
		defer ticker.Stop()
		tick = ticker.C
	}
	const chunk = `data: {"id":"chatcmpl-paced","object":"chat.completion.chunk","created":0,"model":"gpt-4o-mini","choices":[%s],"usage":%s}` + "\n\n"
	for range p.Chunks {
		if tick != nil {
			<-tick
		}
		delta := `{"index":0,"delta":{"content":"` + strconv.FormatInt(monotonic(), 10) + `"},"finish_reason":null}`
		if _, err := fmt.Fprintf(w, chunk, delta, "null"); err != nil || out.Flush() != nil {
			return
		}
	}
	fmt.Fprintf(w, chunk, `{"index":0,"delta":{},"finish_reason":"stop"}`, "null")
	fmt.Fprintf(w, chunk, "", fmt.Sprintf(`{"prompt_tokens":20,"completion_tokens":%d,"total_tokens":%d}`, p.Chunks, 20+p.Chunks))
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// monotonic is a clock that all processes of the machine share, in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists
	return ts.Nano()
}
