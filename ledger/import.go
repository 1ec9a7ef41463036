package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/internal/owned"
)

// importPython takes over the database of aex 1.2, after a backup beside it.
// Its daemon must not be running; whoever opens the ledger sees to that.
func (s *sqlite) importPython(ctx context.Context) error {
	if err := s.backupAs(ctx, ".v1.2"); err != nil {
		return fmt.Errorf("backing up the ledger of aex 1.2: %w", err)
	}
	// What is removed held tokens in clear text: it must not stay in free pages.
	if _, err := s.conn.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
		return err
	}
	err := s.apply(ctx, migrations, step{
		before: func() error {
			_, err := s.conn.ExecContext(ctx, `ALTER TABLE agents RENAME TO old_agents; ALTER TABLE events RENAME TO old_events;
				DROP TABLE IF EXISTS pids; DROP TABLE IF EXISTS rate_windows`)
			return err
		},
		after: func() error {
			if err := s.importRows(); err != nil {
				return err
			}
			_, err := s.conn.ExecContext(ctx, `DROP TABLE old_agents; DROP TABLE old_events`)
			return err
		},
	})
	if err != nil {
		return fmt.Errorf("taking over the ledger of aex 1.2: %w", err)
	}
	return nil
}

// backupAs copies the file to the first free name: its own with suffix.
func (s *sqlite) backupAs(ctx context.Context, suffix string) error {
	for n := 1; ; n++ {
		path := s.l.path + suffix
		if n > 1 {
			path += "." + strconv.Itoa(n)
		}
		err := copyDatabase(ctx, s.conn, path)
		if !errors.Is(err, fs.ErrExist) || n == 1000 {
			return err
		}
	}
}

// oldAgent is a row of 1.2. Columns that a version did not have are null.
type oldAgent struct {
	name, token, tokenHash, scope, expires, created, last sql.NullString
	budget, spent, reserved, rpm, tpm                     sql.NullInt64
}

func (s *sqlite) importRows() error {
	g, err := s.l.write.begin()
	if err != nil {
		return err
	}
	started := g.now
	accounts := make(map[string]*account)
	agents := make(map[string]*agent)
	olds, err := g.oldAgents()
	if err != nil {
		return err
	}
	for _, o := range olds {
		agents[o.name.String], accounts[o.name.String] = g.importAgent(o)
	}
	explained := g.importEvents(agents, accounts)
	g.setTime(started)
	for _, o := range olds {
		g.importOpening(o, agents[o.name.String], accounts[o.name.String], explained[o.name.String])
	}
	if g.err != nil {
		return g.err
	}
	return g.flush()
}

func (g *commitGroup) setTime(t time.Time) { g.now, g.at = t, t.UnixMilli() }

// has tells which columns an old table has.
func (g *commitGroup) has(table string) func(column string) string {
	columns := make(map[string]bool)
	g.each(`SELECT name FROM pragma_table_info(?)`, []any{table}, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		columns[name] = true
		return err
	})
	return func(c string) string {
		if columns[c] {
			return c
		}
		return "NULL"
	}
}

func (g *commitGroup) oldAgents() ([]oldAgent, error) {
	col := g.has("old_agents")
	var olds []oldAgent
	g.each(`SELECT name, api_token, `+col("token_hash")+`, `+col("token_scope")+`, `+col("token_expires_at")+`, `+col("created_at")+`, `+col("last_activity")+`,
		budget_micro, spent_micro, reserved_micro, rpm_limit, `+col("max_tokens_per_minute")+` FROM old_agents ORDER BY rowid`, nil,
		func(scan func(...any) error) error {
			var o oldAgent
			err := scan(&o.name, &o.token, &o.tokenHash, &o.scope, &o.expires, &o.created, &o.last, &o.budget, &o.spent, &o.reserved, &o.rpm, &o.tpm)
			olds = append(olds, o)
			return err
		})
	return olds, g.err
}

// importAgent makes an agent of an old row, with its capabilities and token.
func (g *commitGroup) importAgent(o oldAgent) (*agent, *account) {
	g.setTime(oldTime(o.created.String, g.now))
	budget := Micros(max(0, o.budget.Int64))
	var capabilities []byte
	g.query(`SELECT json_patch('{}', json_object(`+g.oldCapabilities()+`)) FROM old_agents WHERE name = ?`, []any{o.name.String}, &capabilities)
	if g.err != nil {
		return nil, nil
	}
	ag, acc := g.createAgent(NewAgent{
		Name: o.name.String, Budget: &budget, Window: Total, Capabilities: capabilities,
		Limits: Limits{RequestsPerMinute: max(0, o.rpm.Int64), TokensPerMinute: max(0, o.tpm.Int64)},
	}, 0)
	t := NewToken{Hash: HashToken(o.token.String), Scope: Execution}
	if raw, err := hex.DecodeString(o.tokenHash.String); err == nil && len(raw) == len(t.Hash) {
		t.Hash = TokenHash(raw)
	}
	if o.scope.String == string(ReadOnly) {
		t.Scope = ReadOnly
	}
	if o.expires.String != "" {
		// An expiry that cannot be read has passed: unknown is not for ever.
		t.Expires = oldTime(o.expires.String, time.UnixMilli(1))
	}
	if g.err == nil && (o.token.String != "" || o.tokenHash.String != "") {
		g.event("token.add", ag, "", t.describe)
		g.insertToken(t, ag.id, 0)
	}
	return ag, acc
}

// oldCapabilities are the members of the JSON object that policy reads, as
// arguments of json_object; json_patch then drops the nulls.
func (g *commitGroup) oldCapabilities() string {
	col := g.has("old_agents")
	var args []string
	add := func(name, value string) { args = append(args, "'"+name+"', "+value) }
	for _, list := range []string{"allowed_models", "allowed_tool_names"} {
		if c := col(list); c != "NULL" {
			// A list that cannot be read allows nothing.
			add(list, `CASE WHEN `+c+` IS NULL OR `+c+` = '' THEN NULL WHEN json_valid(`+c+`) THEN json(`+c+`) ELSE json('["(unreadable)"]') END`)
		}
	}
	for _, number := range []string{"max_input_tokens", "max_output_tokens", "max_tokens_per_request"} {
		add(number, `nullif(`+col(number)+`, 0)`)
	}
	for name, preset := range map[string]string{"allow_streaming": "1", "allow_tools": "1", "allow_function_calling": "1", "allow_vision": "0", "strict_mode": "0", "allow_passthrough": "0"} {
		add(name, `json(CASE WHEN coalesce(`+col(name)+`, `+preset+`) THEN 'true' ELSE 'false' END)`)
	}
	return strings.Join(args, ", ")
}

// oldActions are the names that 1.2 gave to what has another name now, and the
// cause of those that are refusals.
var oldActions = map[string]struct{ action, cause string }{
	"usage.commit":     {"usage.commit", ""},
	"USAGE_RECORDED":   {"usage.commit", ""},
	"budget.deny":      {"budget.deny", string(CauseExhausted)},
	"DENIED_BUDGET":    {"budget.deny", string(CauseExhausted)},
	"RATE_LIMIT":       {"rate.deny", string(CauseRequests)},
	"POLICY_VIOLATION": {"policy.deny", "policy_denied"},
	"AGENT_DELETED":    {"agent.delete", ""},
}

// importEvents brings the old trail over and returns what it explains of each
// agent's spending.
func (g *commitGroup) importEvents(agents map[string]*agent, accounts map[string]*account) map[string]Micros {
	explained := make(map[string]Micros)
	type old struct {
		agent, action, at, metadata sql.NullString
		cost                        sql.NullInt64
	}
	var olds []old
	g.each(`SELECT agent, action, cost_micro, timestamp, metadata FROM old_events ORDER BY id`, nil, func(scan func(...any) error) error {
		var o old
		err := scan(&o.agent, &o.action, &o.cost, &o.at, &o.metadata)
		olds = append(olds, o)
		return err
	})
	for _, o := range olds {
		if g.err != nil {
			return nil
		}
		g.setTime(oldTime(o.at.String, g.now))
		was := oldActions[o.action.String]
		acc := accounts[o.agent.String]
		billed := was.action == "usage.commit" && acc != nil
		g.event(cmp.Or(was.action, "v1.2."+o.action.String), agents[o.agent.String], "", func(e *line) {
			if agents[o.agent.String] == nil {
				e.text("agent", o.agent.String)
			}
			e.number("cost_micro", o.cost.Int64)
			if billed {
				e.accounts([]*account{acc})
			}
			e.text("cause", was.cause)
			if was.cause != "" {
				e.number("count", 1)
			}
			e.text("metadata", o.metadata.String[:min(len(o.metadata.String), 1000)])
			e.text("imported", "aex 1.2")
		})
		var id int64
		if ag := agents[o.agent.String]; ag != nil {
			id = ag.id
		}
		switch {
		case billed:
			explained[o.agent.String] += Micros(o.cost.Int64)
			g.tallyRow(tallyKey{agent: id}).add(1, Micros(o.cost.Int64), Settlement{})
		case was.cause != "":
			g.tallyRow(tallyKey{agent: id, cause: was.cause}).calls++
		}
	}
	return explained
}

// importOpening books what the old row says was spent, with an event for what
// the old trail does not explain.
func (g *commitGroup) importOpening(o oldAgent, ag *agent, acc *account, explained Micros) {
	if g.err != nil {
		return
	}
	spent := Micros(max(0, o.spent.Int64))
	if o.last.String != "" {
		acc.last = oldTime(o.last.String, g.now).UnixMilli()
	}
	_, err := acc.book(spent)
	g.fail(err)
	g.touch(acc)
	g.event("adjustment.opening", ag, "", func(e *line) {
		e.key("cost_micro")
		e.b = strconv.AppendInt(e.b, int64(spent-explained), 10)
		e.accounts([]*account{acc})
		e.number("spent_micro", int64(spent))
		e.number("reserved_dropped_micro", o.reserved.Int64)
		e.text("imported", "aex 1.2")
	})
	if spent != explained {
		g.tallyRow(tallyKey{agent: ag.id}).cost += spent - explained
	}
}

// oldTime reads the ways in which 1.2 wrote times, all UTC.
func oldTime(s string, otherwise time.Time) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05", time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return otherwise
}

// copyDatabase writes a consistent copy of an open database to a new file that
// only its owner can read. It wraps fs.ErrExist when there is one already.
func copyDatabase(ctx context.Context, conn *sql.Conn, path string) error {
	f, err := owned.Open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `VACUUM INTO ?`, path)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
