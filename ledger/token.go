package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"time"
)

// TokenHash is the SHA-256 of a token. The ledger never sees a token.
type TokenHash [32]byte

// HashToken is the only thing that may be kept of a token.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// Scope is what a token may do.
type Scope string

const (
	Execution Scope = "execution"
	ReadOnly  Scope = "read-only"
)

// NewToken is a token to be stored. Exactly one of Agent and Run is set.
type NewToken struct {
	Hash    TokenHash
	Agent   string // agent name: a long-lived token for aex serve
	Run     RunID  // a run's token: only its owner accepts it
	Scope   Scope
	Expires time.Time     // zero: never
	TTL     time.Duration // the policy that rotation keeps; 0: never expires
}

// Identity is who a token speaks for, and what that one may do.
type Identity struct {
	AgentID      string
	Agent        string
	Run          RunID
	RunState     RunState
	Scope        Scope
	Expires      time.Time
	Limits       Limits
	Capabilities json.RawMessage // of the agent
	RunPolicy    json.RawMessage // of the run, see NewRun.Policy
}

func (l *Ledger) AddToken(ctx context.Context, t NewToken) error { panic("contract") }

// Authenticate finds who a token speaks for. Unknown and revoked tokens are
// ErrNotFound, expired ones ErrExpired. A token of a run that has ended is
// still found (RunState tells): its calls are refused for money, not for
// authentication. A read: it does not change anything.
func (l *Ledger) Authenticate(ctx context.Context, h TokenHash) (Identity, error) { panic("contract") }

// ExtendToken moves a run token's expiry.
func (l *Ledger) ExtendToken(ctx context.Context, h TokenHash, until time.Time) error {
	panic("contract")
}

// RotateToken revokes every token of the agent and stores t in their place.
func (l *Ledger) RotateToken(ctx context.Context, t NewToken) error { panic("contract") }
