package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// identityCache remembers who tokens speak for. It forgets everything when
// this process changes what a token may do, and looks every few milliseconds
// whether another one has. Admit decides again, in its transaction.
type identityCache struct {
	mu      sync.Mutex
	known   map[TokenHash]Identity
	tokens  map[TokenHash]bool // whether a hash is that of a token
	version int64              // ledger.identity
	looked  time.Time          // at the version, by the process's own clock
	epoch   int64              // counts forget
}

const (
	identityFresh = 5 * time.Millisecond
	identityMax   = 40_000
	tokensMax     = 1000
	tokensFresh   = time.Second // since Authenticate looked at the version, which it does for every call
)

func (c *identityCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
	clear(c.tokens)
	c.epoch++
}

// Authenticate finds who a token speaks for. Unknown and revoked tokens are
// ErrNotFound, expired ones ErrExpired with the identity. The token of a run that has
// ended is still found (RunState tells): its calls are refused for money, not for
// authentication. It only reads.
func (l *Ledger) Authenticate(ctx context.Context, h TokenHash) (Identity, error) {
	id, err := l.identity(ctx, h)
	if err != nil {
		return Identity{}, fmt.Errorf("authenticating: %w", err)
	}
	if !id.Expires.IsZero() && !id.Expires.After(l.now()) {
		return id, fmt.Errorf("authenticating: %w", ErrExpired)
	}
	return id, nil
}

func (l *Ledger) identity(ctx context.Context, h TokenHash) (Identity, error) {
	c := &l.identities
	c.mu.Lock()
	fresh := time.Since(c.looked) < identityFresh
	id, known := c.known[h]
	epoch := c.epoch
	c.mu.Unlock()
	if fresh && known {
		return id, nil
	}
	now := time.Now()
	var version int64
	if err := l.read.QueryRowContext(ctx, `SELECT identity FROM ledger`).Scan(&version); err != nil {
		return Identity{}, l.explain(err)
	}
	if known && c.confirm(version, epoch, now) {
		return id, nil
	}
	id, err := l.readIdentity(ctx, h)
	if err == nil {
		c.keep(h, id, version, epoch, now)
	}
	return id, err
}

// confirm tells whether what is known is still true at a version just read.
func (c *identityCache) confirm(version, epoch int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version || c.epoch != epoch {
		return false
	}
	c.looked = now
	return true
}

func (c *identityCache) keep(h TokenHash, id Identity, version, epoch int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return // changed while it was read
	}
	if c.known == nil || c.version != version || len(c.known) >= identityMax {
		c.known = make(map[TokenHash]Identity)
		clear(c.tokens)
	}
	c.version, c.looked = version, now
	c.known[h] = id
}

// HasToken tells whether a token is one of this ledger, whoever accepts it. Just
// after Authenticate it reads nothing: what was found before is true until somebody
// changes what a token may do.
func (l *Ledger) HasToken(ctx context.Context, h TokenHash) (has bool, err error) {
	c := &l.identities
	c.mu.Lock()
	has, known := c.tokens[h]
	known = known && time.Since(c.looked) < tokensFresh
	epoch := c.epoch
	c.mu.Unlock()
	if known {
		return has, nil
	}
	var version int64
	err = l.read.QueryRowContext(ctx, `SELECT identity, EXISTS (SELECT 1 FROM token WHERE hash = ? AND revoked_at IS NULL) FROM ledger`, h[:]).Scan(&version, &has)
	if err != nil {
		return false, l.explain(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == version && c.epoch == epoch {
		if c.tokens == nil || len(c.tokens) >= tokensMax {
			c.tokens = make(map[TokenHash]bool)
		}
		c.tokens[h] = has
	}
	return has, nil
}

func (l *Ledger) readIdentity(ctx context.Context, h TokenHash) (Identity, error) {
	var id Identity
	var agentID, expires int64
	var owner sql.NullInt64
	var deleted bool
	var capabilities, policy []byte
	var end int64
	err := l.read.QueryRowContext(ctx, `SELECT a.id, a.name, a.deleted_at IS NOT NULL, coalesce(r.id, ''), coalesce(r.state, ''), r.owner,
			t.scope, t.max_run_micro, coalesce(t.expires_at, 0), a.rpm_limit, a.tpm_limit, a.concurrency_limit, a.capabilities, r.policy,
			(SELECT coalesce(max(seq), 0) FROM event_log)
		FROM token t JOIN agent a ON a.id = t.agent_id LEFT JOIN run r ON r.no = t.run_no
		WHERE t.hash = ? AND t.revoked_at IS NULL`, h[:]).
		Scan(&agentID, &id.Agent, &deleted, &id.Run, &id.RunState, &owner, &id.Scope, &id.MaxRun, &expires,
			&id.Limits.RequestsPerMinute, &id.Limits.TokensPerMinute, &id.Limits.Concurrency, &capabilities, &policy, &end)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Identity{}, ErrNotFound
	case err != nil:
		return Identity{}, l.explain(err)
	case owner.Valid && (l.owner == nil || ownerID(owner.Int64) != l.owner.id()):
		return Identity{}, ErrNotFound // only the process that opened the run accepts it
	case !owner.Valid && deleted:
		return Identity{}, ErrNotFound
	}
	id.AgentID, id.Expires, id.Capabilities, id.RunPolicy = publicID(agentID), fromMillis(expires), capabilities, policy
	l.sawTexts(ctx, id, end)
	return id, nil
}
