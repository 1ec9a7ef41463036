package ledger

import (
	"context"
	"time"
)

// HoldID names a hold, for ever.
type HoldID string

// Admission is a call that asks to be let through.
type Admission struct {
	Token TokenHash // who asks; its agent, its run and their accounts follow from it

	// Least is the smallest hold the call is worth, Most the one that covers
	// everything it asks for. Least <= Most.
	Least, Most Micros
	// Share picks the hold for a given amount that is neither spent nor
	// reserved, anywhere on the path; it is called inside the transaction and
	// must be pure. It returns 0 when that much room is not worth a call, else
	// between Least and Most, never above unreserved. Nil, and where nothing on
	// the path has a budget: Most.
	Share func(unreserved Micros) Micros

	Tokens int64 // the most tokens the call can use, for tokens a minute
	// Wait is how long to wait for money that calls in flight hold. 0: not.
	Wait time.Duration

	Call CallInfo // what the hold remembers, so that recovery can tell of it
}

// CallInfo describes a call before it is sent. It never holds content.
type CallInfo struct {
	Wire       string `json:"wire,omitempty"`
	ModelAsked string `json:"model_asked,omitempty"`
	ModelSent  string `json:"model_sent,omitempty"`
	Provider   string `json:"provider,omitempty"`
	Stream     bool   `json:"stream,omitempty"`
	Price      string `json:"price,omitempty"` // the rate used, as text, with its version
}

// Hold is an admitted reservation, durable on disk.
type Hold struct {
	ID     HoldID
	Amount Micros
	Agent  string
	Run    RunID // "" for an agent's token
	At     time.Time
	// The tightest budget on the path as the hold left it: for headers.
	Budget, Spent, Reserved Micros
	Limited                 bool // false: no account on the path has a budget
}

// Cause says why a call was refused.
type Cause string

const (
	CauseToken       Cause = "invalid_token"       // unknown, expired or revoked
	CauseReadOnly    Cause = "read_only_token"     // scope is read-only
	CausePaused      Cause = "agent_paused"        // agent or run is paused
	CauseRunEnded    Cause = "run_ended"           // the run is ending or has ended
	CauseRequests    Cause = "rate_limited"        // requests a minute
	CauseTokens      Cause = "token_rate_limited"  // tokens a minute
	CauseConcurrency Cause = "concurrency_limited" // calls at the same time
	CauseCalls       Cause = "call_limit"          // calls a run
	CauseBusy        Cause = "budget_busy"         // calls in flight hold the money
	CauseTooDear     Cause = "call_exceeds_budget" // this call does not fit; a smaller one may
	CauseExhausted   Cause = "budget_exceeded"     // the budget is used up
)

// Refusal is the answer to a call that may not go. It has used up nothing:
// no money, no request of a minute, no slot.
type Refusal struct {
	Cause      Cause
	Account    AccountKind // whose limit, for money
	Name       string      // agent name or run id that the limit belongs to
	Window     Window
	Budget     Micros
	Spent      Micros
	Reserved   Micros
	Overrun    Micros
	Needed     Micros        // Least
	Limit      int64         // for rates and counts
	RetryAfter time.Duration // 0: trying again does not help
	// RunEnds is set where the ledger has marked the token's run exhausted in
	// the transaction of this refusal.
	RunEnds bool
}

// Admit lets a call through or refuses it, in one transaction: token, run and
// agent state, requests and tokens a minute, concurrency, calls, every account
// on the path, and the hold with its event. When it returns a Hold, the hold
// is on disk. It returns exactly one of Hold, Refusal and error. It waits up
// to a.Wait, first come first served in this process, while Least does not fit
// what is unreserved but would fit what is unspent. A ctx that ends while it
// waits ends the wait; a hold that was committed is never lost: if ctx ended
// meanwhile the hold is still returned.
//
// Money that does not fit what is unspent: CauseTooDear while at least a tenth
// of that budget is unspent, else CauseExhausted. Three CauseTooDear of a run
// with nothing admitted between become CauseExhausted. CauseExhausted of a run
// marks it exhausted.
func (l *Ledger) Admit(ctx context.Context, a Admission) (Hold, *Refusal, error) { panic("contract") }
