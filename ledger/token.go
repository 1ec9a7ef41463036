package ledger

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// TokenHash is the SHA-256 of a token. The ledger never sees a token.
type TokenHash [32]byte

// HashToken is the hash of a token, the only thing of it that may be kept.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// Bytes of randomness in what NewSecret makes.
const (
	SecretOfAgent    = 16 // an agent's token, as in v1.2
	SecretOfRun      = 32 // a run's token, and what joins two holds
	SecretOfOperator = 32
)

// NewSecret makes a token, in hex. Randomness does not fail: the runtime ends a
// process that cannot have it.
func NewSecret(bytes int) string {
	secret := make([]byte, bytes)
	_, _ = rand.Read(secret)
	return hex.EncodeToString(secret)
}

// Scope is what a token may do.
type Scope string

const (
	Execution Scope = "execution"
	ReadOnly  Scope = "read-only"
	Runs      Scope = "runs" // opens runs at a shared gateway, and nothing else
)

// NoTTL as the TTL of a rotated token says that it never expires, whatever the
// one before did.
const NoTTL time.Duration = -1

// NewToken is a token to be stored. Exactly one of Agent and Run is set.
type NewToken struct {
	Hash    TokenHash
	Agent   string // agent name: a long-lived token for aex serve
	Run     RunID  // a run's token: only its owner accepts it
	Scope   Scope
	Expires time.Time     // zero: never
	TTL     time.Duration // the policy that rotation keeps; 0: never expires
	For     string        // of scope Runs: whom it was minted for, as the trail tells it
	MaxRun  *Micros       // of scope Runs: the most that a run which it opens may have; nil: no such limit
}

// Identity is whom a token speaks for, and what they may do.
type Identity struct {
	AgentID      string
	Agent        string
	Run          RunID
	RunState     RunState
	Scope        Scope
	MaxRun       *Micros // see NewToken.MaxRun
	Expires      time.Time
	Limits       Limits
	Capabilities json.RawMessage // of the agent
	RunPolicy    json.RawMessage // of the run, see NewRun.Policy
}

// expiredKept is how long a job's token is still known to have expired.
const expiredKept = 24 * time.Hour

// forgetJobs removes the tokens of jobs that have been over for longer than that:
// thousands may be minted a day.
const forgetJobs = `DELETE FROM token WHERE run_no IS NULL AND scope = 'runs' AND expires_at < ?`

// AddToken stores one more token of an agent. ErrExists when it is known.
func (l *Ledger) AddToken(ctx context.Context, t NewToken) error {
	err := l.commitOne(ctx, func(g *commitGroup) error {
		ag, r, err := g.tokenOwner(t)
		if err != nil {
			return err
		}
		g.event("token.add", ag, r.name(), t.describe)
		g.insertToken(t, ag.id, r.number())
		if t.For != "" && (l.server == nil || l.mayPrune) { // else Prune does it: a gateway takes nothing away
			g.exec(forgetJobs+` AND agent_id = ?`, g.at-expiredKept.Milliseconds(), ag.id)
			clear(g.rows.tokens)
		}
		return g.err
	})
	if err != nil {
		return fmt.Errorf("adding a token: %w", err)
	}
	return nil
}

// tokenOwner checks a new token, and finds the agent or the run that it is for.
func (g *commitGroup) tokenOwner(t NewToken) (ag *agent, r *run, err error) {
	switch {
	case (t.Agent == "") == (t.Run == ""):
		return nil, nil, fmt.Errorf("%w: a token is either an agent's or a run's", ErrInvalid)
	case t.Scope != Execution && t.Scope != ReadOnly && t.Scope != Runs:
		return nil, nil, fmt.Errorf("%w: scope %q; it is %q, %q or %q", ErrInvalid, t.Scope, Execution, ReadOnly, Runs)
	case t.MaxRun != nil && (t.Scope != Runs || *t.MaxRun <= 0 || *t.MaxRun > maxAmount):
		return nil, nil, fmt.Errorf("%w: the most that a run may have is for tokens of scope %q, and above 0", ErrInvalid, Runs)
	case t.Run != "":
		if r, err = g.runNamed(t.Run); err == nil {
			ag = g.agentByID(r.agent)
		}
	default:
		ag, err = g.agentNamed(t.Agent)
	}
	if err == nil && g.tokenKnown(t.Hash) {
		err = fmt.Errorf("token: %w", ErrExists)
	}
	return ag, r, errors.Join(err, g.err)
}

func (r *run) number() int64 {
	if r == nil {
		return 0
	}
	return r.no
}

// describe adds a token to an event, without what would let it be used.
func (t NewToken) describe(e *line) {
	e.text("token", t.Hash.prefix())
	e.text("scope", string(t.Scope))
	if t.MaxRun != nil {
		e.number("max_run_micro", int64(*t.MaxRun))
	}
	e.text("for", t.For)
	if !t.Expires.IsZero() {
		e.text("expires", t.Expires.UTC().Format(timeFormat))
	}
}

// tokenKnown tells whether a hash was ever stored, revoked ones included.
func (g *commitGroup) tokenKnown(h TokenHash) bool {
	var n int
	g.query(`SELECT count(*) FROM token WHERE hash = ?`, []any{h[:]}, &n)
	return n > 0
}

func (g *commitGroup) insertToken(t NewToken, agent, run int64) {
	var expires int64
	if !t.Expires.IsZero() {
		expires = t.Expires.UnixMilli()
	}
	g.exec(`INSERT INTO token (hash, agent_id, run_no, scope, created_at, expires_at, ttl_ms, max_run_micro) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.Hash[:], agent, orNull(run != 0, run), string(t.Scope), g.at, orNull(expires != 0, expires), t.TTL.Milliseconds(), t.MaxRun)
	g.identity = true
}

// revoke ends every token of an agent but those of its runs.
func (g *commitGroup) revoke(agent int64) {
	g.exec(`UPDATE token SET revoked_at = ? WHERE agent_id = ? AND run_no IS NULL AND revoked_at IS NULL`, g.at, agent)
	clear(g.rows.tokens)
	g.identity = true
}

// ExtendToken moves a run token's expiry.
func (l *Ledger) ExtendToken(ctx context.Context, h TokenHash, until time.Time) error {
	return l.commitOne(ctx, func(g *commitGroup) error {
		t := g.token(h)
		if g.err == nil && t == nil {
			return fmt.Errorf("extending a token: %w", ErrNotFound)
		}
		g.exec(`UPDATE token SET expires_at = ? WHERE hash = ?`, until.UnixMilli(), h[:])
		if g.err == nil {
			t.expires = until.UnixMilli()
			g.identity = true
		}
		return g.err
	})
}

// ExtendRun moves the expiry of a run's token, whose hash need not be known: a
// gateway that took the run over has never seen it.
func (l *Ledger) ExtendRun(ctx context.Context, id RunID, until time.Time) error {
	err := l.commitOne(ctx, func(g *commitGroup) error {
		r, err := g.runNamed(id)
		if err != nil {
			return err
		}
		g.exec(`UPDATE token SET expires_at = ? WHERE run_no = ?`, until.UnixMilli(), r.no)
		clear(g.rows.tokens)
		g.identity = true
		return g.err
	})
	if err != nil {
		return fmt.Errorf("extending the token of a run: %w", err)
	}
	return nil
}

// narrowest is the least that any token of the agent may give a run; nil: no
// token has such a limit.
func (g *commitGroup) narrowest(agent int64) (most *Micros) {
	g.query(`SELECT min(max_run_micro) FROM token WHERE agent_id = ? AND run_no IS NULL AND revoked_at IS NULL`, []any{agent}, &most)
	return most
}

// RotateToken revokes every token of the agent and stores t in their place. One
// that opens runs keeps what a run may have at most.
// With neither Expires nor TTL it keeps the policy of the token before.
func (l *Ledger) RotateToken(ctx context.Context, t NewToken) error {
	err := l.commitOne(ctx, func(g *commitGroup) error {
		t := t
		ag, r, err := g.tokenOwner(t)
		if err != nil {
			return err
		}
		if r != nil {
			return fmt.Errorf("%w: a run's token is not rotated", ErrInvalid)
		}
		if t.TTL == 0 && t.Expires.IsZero() {
			var ttl int64
			g.query(`SELECT ttl_ms FROM token WHERE agent_id = ? AND run_no IS NULL AND revoked_at IS NULL ORDER BY created_at DESC, ttl_ms DESC LIMIT 1`, []any{ag.id}, &ttl)
			t.TTL = time.Duration(ttl) * time.Millisecond
		}
		if t.Scope == Runs && t.MaxRun == nil {
			t.MaxRun = g.narrowest(ag.id)
		}
		t.TTL = max(0, t.TTL) // NoTTL
		if t.TTL > 0 && t.Expires.IsZero() {
			t.Expires = g.now.Add(t.TTL)
		}
		g.revoke(ag.id)
		g.event("token.rotate", ag, "", t.describe)
		g.insertToken(t, ag.id, 0)
		return g.err
	})
	if err != nil {
		return fmt.Errorf("rotating a token: %w", err)
	}
	return nil
}
