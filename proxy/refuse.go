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
)

// fault is an answer that aex gives itself instead of a provider's.
type fault struct {
	code       string // x-aex-code, a row of faults
	message    string // for people; begins "aex: "
	retryAfter time.Duration
	ends       bool         // the money of owner is at its end
	owner      ledger.RunID // the run whose limit it was
	booked     bool         // the ledger refused, and has its own event of it
}

func (f *fault) Error() string { return f.code + ": " + f.message }

// row is how a fault looks on each wire. Types are the providers' own words,
// so that SDKs and agents act on them (docs/clients.md tells what they do).
type row struct {
	status    int
	openAI    string // error.type and error.code
	anthropic string
	gemini    string
}

// faults is the one table of refusals.
var faults = map[string]row{
	"invalid_token":         {401, "invalid_api_key", "authentication_error", "UNAUTHENTICATED"},
	"read_only_token":       {403, "permission_denied", "permission_error", "PERMISSION_DENIED"},
	"policy_denied":         {403, "permission_denied", "permission_error", "PERMISSION_DENIED"},
	"model_not_allowed":     {403, "model_not_found", "permission_error", "PERMISSION_DENIED"},
	"endpoint_not_governed": {403, "permission_denied", "permission_error", "PERMISSION_DENIED"},
	"model_not_priced":      {403, "model_not_found", "permission_error", "PERMISSION_DENIED"},
	"agent_paused":          {403, "permission_denied", "permission_error", "PERMISSION_DENIED"},
	"origin_refused":        {403, "permission_denied", "permission_error", "PERMISSION_DENIED"},
	"host_refused":          {403, "permission_denied", "permission_error", "PERMISSION_DENIED"},
	"call_exceeds_budget":   {402, "insufficient_quota", "billing_error", "FAILED_PRECONDITION"},
	"budget_exceeded":       {402, "insufficient_quota", "billing_error", "FAILED_PRECONDITION"},
	"call_limit":            {402, "insufficient_quota", "billing_error", "FAILED_PRECONDITION"},
	"rate_limited":          {429, "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"},
	"budget_busy":           {429, "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"},
	"invalid_request":       {400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
	"no_provider_key":       {400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
	"run_not_found":         {404, "invalid_request_error", "not_found_error", "NOT_FOUND"},
	"method_not_allowed":    {405, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
	"request_too_large":     {413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"},
	"unsupported_encoding":  {415, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
	"websocket_refused":     {426, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
	"upstream_unreachable":  {502, "api_connection_error", "api_error", "UNAVAILABLE"},
	"ledger_unavailable":    {503, "server_error", "api_error", "UNAVAILABLE"},
	"shutting_down":         {503, "server_error", "api_error", "UNAVAILABLE"},
}

// passing are the refusals after which the same request may succeed.
var passing = map[string]bool{"rate_limited": true, "budget_busy": true, "upstream_unreachable": true}

func refusef(code, format string, args ...any) *fault {
	return &fault{code: code, message: "aex: " + fmt.Sprintf(format, args...)}
}

// refuse answers with f in the dialect of w. Codex takes 402 for a passing
// trouble and repeats it; 400 stops it.
func (c *call) refuse(f *fault) {
	r := faults[f.code]
	status := r.status
	if status == http.StatusPaymentRequired && isCodex(c.r) {
		status = http.StatusBadRequest
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Aex-Code", f.code)
	if passing[f.code] {
		if f.retryAfter > 0 {
			h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(f.retryAfter.Seconds())), 10))
		}
	} else {
		h.Set("X-Should-Retry", "false")
	}
	body := c.dialect().refusal(*f)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // a client that is gone needs no answer
	}
	_ = http.NewResponseController(c.w).Flush()
	c.answered = f
}

func isCodex(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Originator"), "codex_") || strings.HasPrefix(r.UserAgent(), "codex_")
}

func openAIError(f fault) []byte {
	r := faults[f.code]
	return []byte(`{"error":{"message":` + quote(f.message) + `,"type":` + quote(r.openAI) +
		`,"param":null,"code":` + quote(r.openAI) + `}}`)
}

// asFault turns any error of a call into the fault it is answered with.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return refusef("invalid_request", "%v", err)
}

// ledgerFault words the ledger's refusal: which limit, its size, what is spent
// and reserved, and what set it.
func ledgerFault(r *ledger.Refusal) *fault {
	who := string(r.Account) + " " + r.Name
	if r.Account == ledger.WindowAccount {
		who = "agent " + r.Name + "'s " + string(r.Window) + " window"
	}
	have := fmt.Sprintf("budget %s of %s: %s spent, %s reserved", r.Budget, who, r.Spent, r.Reserved)
	if r.Overrun > 0 {
		have += fmt.Sprintf(", %s overrun", r.Overrun)
	}
	f := &fault{retryAfter: r.RetryAfter, booked: true}
	switch r.Cause {
	case ledger.CauseToken:
		f.code, f.message = "invalid_token", "the token is unknown, expired or revoked"
	case ledger.CauseReadOnly:
		f.code, f.message = "read_only_token", "this token may read, not call models"
	case ledger.CausePaused:
		f.code, f.message = "agent_paused", fmt.Sprintf("%s is paused; resume it with: aex agent resume %s", who, r.Name)
	case ledger.CauseRunEnded:
		f.code, f.message = "budget_exceeded", fmt.Sprintf("run %s is over; no further call is made", r.Name)
	case ledger.CauseRequests:
		f.code, f.message = "rate_limited", fmt.Sprintf("agent %s may make %d requests a minute", r.Name, r.Limit)
	case ledger.CauseTokens:
		f.code, f.message = "rate_limited", fmt.Sprintf("agent %s may use %d tokens a minute", r.Name, r.Limit)
	case ledger.CauseConcurrency:
		f.code, f.message = "rate_limited", fmt.Sprintf("agent %s may make %d calls at a time", r.Name, r.Limit)
	case ledger.CauseCalls:
		f.code, f.message = "call_limit", fmt.Sprintf("run %s may make %d calls", r.Name, r.Limit)
	case ledger.CauseBusy:
		f.code, f.message = "budget_busy", have+"; calls in flight hold the rest"
	case ledger.CauseTooDear:
		f.code, f.message = "call_exceeds_budget", fmt.Sprintf("this call can cost %s at least, which does not fit the %s", r.Needed, have)
	default:
		f.code, f.message = "budget_exceeded", "the budget is used up: "+have
	}
	f.message = "aex: " + f.message
	return f
}
