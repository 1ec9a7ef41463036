// Package refusal is the one table of the answers that say no: the code of each, its status,
// and how a limit of the ledger is put into words.
package refusal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// Refusal is an answer of aex's own, with what the watcher and the trail need to know about
// it.
type Refusal struct {
	wire.Refusal
	RetryAfter time.Duration
	Ends       bool            // Owner has no money left
	Owner      ledger.RunID    // the run whose limit it was
	Money      *ledger.Refusal // what the ledger said, where it was for money; nil: it was not
	Booked     bool            // the ledger refused, and has its own event of it
	Over       bool            // the run is ending or has ended
}

// Error is the code and what is said to people.
func (f *Refusal) Error() string { return f.Code + ": " + f.Message }

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

// Codes are the x-aex-codes that there are.
func Codes() []string { return slices.Sorted(maps.Keys(refusals)) }

// Passes tells whether the same request may succeed after this refusal.
func (f *Refusal) Passes() bool { return passing[f.Code] }

var passing = map[string]bool{"rate_limited": true, "budget_busy": true, "upstream_unreachable": true, "ledger_busy": true, "gateway_busy": true,
	"request_too_slow": true}

// New is the refusal of a code, in these words.
func New(code, format string, args ...any) *Refusal {
	row := refusals[code]
	return &Refusal{Refusal: wire.Refusal{Code: code, Kind: row.kind, Status: row.status, Message: "aex: " + fmt.Sprintf(format, args...)}}
}

// Held is the answer while another process keeps this one from the ledger. That passes, and
// the run goes on.
func Held() *Refusal {
	f := New("ledger_busy", "another process holds the ledger, or its server does not answer: no call can be booked now, so none is made; try again")
	f.RetryAfter, f.Booked = heldRetry, true
	return f
}

// Fault is the answer to a request that the ledger failed to carry out.
func Fault(err error, format string, args ...any) *Refusal {
	if errors.Is(err, ledger.ErrHeld) {
		return Held()
	}
	return New("ledger_unavailable", "%s: %v", fmt.Sprintf(format, args...), err)
}

// Unreadable is the answer where the ledger could not be asked.
func Unreadable(err error) *Refusal { return Fault(err, "the ledger cannot be read") }

// heldRetry is when a client may try again: its next call waits by itself.
const heldRetry = time.Second

// As turns any error of a call into the refusal it is answered with.
func As(err error) *Refusal {
	var f *Refusal
	if errors.As(err, &f) {
		return f
	}
	return New("invalid_request", "%v", err)
}
