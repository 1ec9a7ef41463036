package proxy

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// refuse answers with f in the dialect of the call's route. Codex takes a 402 for a
// passing fault and repeats the call; a 400 stops it.
func (c *call) refuse(f *refusal.Refusal) {
	status := f.Status
	if status == http.StatusPaymentRequired && isCodex(c.r) {
		status = http.StatusBadRequest
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Aex-Code", f.Code)
	if f.Passes() {
		if f.RetryAfter > 0 {
			h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(f.RetryAfter.Seconds())), 10))
		}
	} else {
		h.Set("X-Should-Retry", "false")
	}
	f.Message = c.discreet(plain.Clip(f.Message, maxTold)) // clients print it
	body := c.dialect().Refuse(f.Refusal)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.announce()
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // a client that is gone needs no answer
	}
	_ = http.NewResponseController(c.w).Flush()
	c.answered = f
}

// Refuse answers a request for which there is no gateway, in the dialect that callers of
// its path expect.
func Refuse(w http.ResponseWriter, r *http.Request, code, message string) {
	(&call{g: &Gateway{wires: wire.Served()}, w: w, r: r}).refuse(refusal.New(code, "%s", message))
}

func isCodex(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Originator"), "codex_") || strings.HasPrefix(r.UserAgent(), "codex_")
}
