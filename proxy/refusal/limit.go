package refusal

import (
	"fmt"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Reason says why the ledger refused a call for money or because of a pause: whose limit it
// is, and its figures.
func Reason(r *ledger.Refusal) string { return strings.TrimPrefix(Of(r).Message, "aex: ") }

// Of puts the ledger's refusal into words: which limit it is, its size, what is spent and
// reserved, and what set it.
func Of(r *ledger.Refusal) *Refusal {
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
	f := New(code, "%s", message)
	f.RetryAfter, f.Booked, f.Over = r.RetryAfter, true, r.Cause == ledger.CauseRunEnded
	switch r.Cause {
	case ledger.CauseTooLarge, ledger.CauseExhausted, ledger.CauseBusy:
		f.Money = r
	}
	return f
}
