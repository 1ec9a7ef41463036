package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"
)

// Token tells of a token without telling it.
type Token struct {
	Prefix  string // of its hash, as in the events of it
	Scope   Scope
	Created time.Time
	Expires time.Time     // zero: never
	TTL     time.Duration // what rotation gives the next one; 0: no expiry
}

// Tokens lists an agent's tokens that are not revoked, expired ones included,
// the newest first; those of its runs are not among them.
func (l *Ledger) Tokens(ctx context.Context, agent string) ([]Token, error) {
	rs, err := l.read.QueryContext(ctx, `SELECT t.hash, t.scope, t.created_at, t.expires_at, t.ttl_ms
		FROM token t JOIN agent a ON a.id = t.agent_id
		WHERE a.name = ? AND a.deleted_at IS NULL AND t.run_no IS NULL AND t.revoked_at IS NULL
		ORDER BY t.created_at DESC, t.hash`, agent)
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", l.explain(err))
	}
	defer rs.Close()
	var list []Token
	for rs.Next() {
		var t Token
		var hash []byte
		var created, ttl int64
		var expires sql.NullInt64
		if err := rs.Scan(&hash, &t.Scope, &created, &expires, &ttl); err != nil {
			return nil, fmt.Errorf("listing tokens: %w", l.explain(err))
		}
		t.Prefix = hex.EncodeToString(hash[:4])
		t.Created, t.TTL = time.UnixMilli(created), time.Duration(ttl)*time.Millisecond
		if expires.Valid {
			t.Expires = time.UnixMilli(expires.Int64)
		}
		list = append(list, t)
	}
	return list, l.explain(rs.Err())
}
