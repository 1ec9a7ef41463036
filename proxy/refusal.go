package proxy

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// refusal is an answer of aex's own, with what the watcher and the trail need
// to know of it.
type refusal struct {
	wire.Refusal
	retryAfter time.Duration
	ends       bool         // the money of owner is at its end
	owner      ledger.RunID // the run whose limit it was
	money      *ledger.Refusal
	booked     bool // the ledger refused, and has its own event of it
	over       bool // the run is ending or has ended
}

func (f *refusal) Error() string { return f.Code + ": " + f.Message }

// refusals is the one table of them, by x-aex-code.
var refusals = map[string]struct {
	status int
	kind   wire.Kind
}{
	"invalid_token":         {401, wire.Unauthenticated},
	"read_only_token":       {403, wire.Forbidden},
	"runs_only_token":       {403, wire.Forbidden},
	"policy_denied":         {403, wire.Forbidden},
	"model_not_allowed":     {403, wire.NoModel},
	"endpoint_not_governed": {403, wire.Forbidden},
	"model_not_priced":      {403, wire.NoModel},
	"agent_paused":          {403, wire.Forbidden},
	"origin_refused":        {403, wire.Forbidden},
	"host_refused":          {403, wire.Forbidden},
	"call_exceeds_budget":   {402, wire.NoMoney},
	"budget_exceeded":       {402, wire.NoMoney},
	"call_limit":            {402, wire.NoMoney},
	"no_budget":             {402, wire.NoMoney},
	"rate_limited":          {429, wire.TooFast},
	"budget_busy":           {429, wire.TooFast},
	"invalid_request":       {400, wire.Invalid},
	"no_provider_key":       {400, wire.Invalid},
	"run_not_found":         {404, wire.NotFound},
	"response_not_found":    {404, wire.NotFound},
	"method_not_allowed":    {405, wire.Invalid},
	"request_too_slow":      {408, wire.Unavailable},
	"request_too_large":     {413, wire.TooLarge},
	"unsupported_encoding":  {415, wire.Invalid},
	"websocket_refused":     {426, wire.Invalid},
	"answer_too_large":      {502, wire.Unreachable},
	"gateway_busy":          {503, wire.Unavailable},
	"upstream_unreachable":  {502, wire.Unreachable},
	"ledger_busy":           {503, wire.Unavailable},
	"ledger_unavailable":    {503, wire.Unavailable},
	"shutting_down":         {503, wire.Unavailable},
}

// passing are the refusals after which the same request may succeed.
var passing = map[string]bool{"rate_limited": true, "budget_busy": true, "upstream_unreachable": true, "ledger_busy": true, "gateway_busy": true,
	"request_too_slow": true}

func refusef(code, format string, args ...any) *refusal {
	row := refusals[code]
	return &refusal{Refusal: wire.Refusal{Code: code, Kind: row.kind, Status: row.status, Message: "aex: " + fmt.Sprintf(format, args...)}}
}

// heldRefusal is the answer while another process keeps this one from the
// ledger, which passes: the run goes on.
func heldRefusal() *refusal {
	f := refusef("ledger_busy", "another process holds the ledger, or its server does not answer: no call can be booked now, so none is made; try again")
	f.retryAfter, f.booked = heldRetry, true
	return f
}

// ledgerFault is the answer to what the ledger did not do.
func ledgerFault(err error, format string, args ...any) *refusal {
	if errors.Is(err, ledger.ErrHeld) {
		return heldRefusal()
	}
	return refusef("ledger_unavailable", "%s: %v", fmt.Sprintf(format, args...), err)
}

func unreadable(err error) *refusal { return ledgerFault(err, "the ledger cannot be read") }

// heldRetry is when a client may try again: its next call waits by itself.
const heldRetry = time.Second

// refuse answers with f in the dialect of w. Codex takes 402 for a passing
// trouble and repeats it; 400 stops it.
func (c *call) refuse(f *refusal) {
	status := f.Status
	if status == http.StatusPaymentRequired && isCodex(c.r) {
		status = http.StatusBadRequest
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Aex-Code", f.Code)
	if passing[f.Code] {
		if f.retryAfter > 0 {
			h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(f.retryAfter.Seconds())), 10))
		}
	} else {
		h.Set("X-Should-Retry", "false")
	}
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

// Refuse answers a request that no gateway is there for, in the dialect that a
// caller of its path expects.
func Refuse(w http.ResponseWriter, r *http.Request, code, message string) {
	(&call{g: &Gateway{wires: wire.Served()}, w: w, r: r}).refuse(refusef(code, "%s", message))
}

func isCodex(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Originator"), "codex_") || strings.HasPrefix(r.UserAgent(), "codex_")
}

// asRefusal turns any error of a call into the refusal it is answered with.
func asRefusal(err error) *refusal {
	var f *refusal
	if errors.As(err, &f) {
		return f
	}
	return refusef("invalid_request", "%v", err)
}

// Reason is what a call was told that the ledger refused for money or because of
// a pause: whose limit it is, and its figures.
func Reason(r *ledger.Refusal) string { return strings.TrimPrefix(ledgerRefusal(r).Message, "aex: ") }

// ledgerRefusal words the ledger's refusal: which limit, its size, what is spent
// and reserved, and what set it.
func ledgerRefusal(r *ledger.Refusal) *refusal {
	who := r.Of().Whose()
	have := fmt.Sprintf("budget %s of %s: %s spent, %s reserved", r.Budget, who, r.Spent, r.Reserved)
	if r.Overrun > 0 {
		have += fmt.Sprintf(", %s overrun", r.Overrun)
	}
	var code, message string
	switch r.Cause {
	case ledger.CauseToken:
		code, message = "invalid_token", "the token is unknown, expired or revoked"
	case ledger.CauseReadOnly:
		code, message = "read_only_token", "this token may read, not call models"
	case ledger.CausePaused:
		code, message = "agent_paused", fmt.Sprintf("%s is paused; resume it with: %s", who, Resume(r.Of()))
	case ledger.CauseRunEnded:
		code, message = "budget_exceeded", fmt.Sprintf("run %s is over; no further call is made", r.Name)
	case ledger.CauseRequests:
		code, message = "rate_limited", fmt.Sprintf("agent %s may make %d requests a minute", r.Name, r.Limit)
	case ledger.CauseTooLong:
		code, message = "policy_denied", fmt.Sprintf("this call can use %d tokens at least, more than the %d tokens a minute of agent %s", r.Tokens, r.Limit, r.Name)
	case ledger.CauseTokens:
		code, message = "rate_limited", fmt.Sprintf("agent %s may use %d tokens a minute", r.Name, r.Limit)
	case ledger.CauseConcurrency:
		code, message = "rate_limited", fmt.Sprintf("agent %s may make %d calls at a time", r.Name, r.Limit)
	case ledger.CauseCalls:
		code, message = "call_limit", fmt.Sprintf("run %s may make %d calls", r.Name, r.Limit)
	case ledger.CauseBusy:
		code, message = "budget_busy", have+"; calls in flight hold the rest"
	case ledger.CauseTooLarge:
		code, message = "call_exceeds_budget", fmt.Sprintf("this call can cost %s at least, which does not fit the %s", r.Needed, have)
	default:
		code, message = "budget_exceeded", "the budget is used up: "+have
	}
	f := refusef(code, "%s", message)
	f.retryAfter, f.booked, f.over = r.RetryAfter, true, r.Cause == ledger.CauseRunEnded
	switch r.Cause {
	case ledger.CauseTooLarge, ledger.CauseExhausted, ledger.CauseBusy:
		f.money = r
	}
	return f
}
