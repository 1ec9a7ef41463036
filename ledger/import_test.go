package ledger_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// pythonLedger makes a database as aex 1.2 left it.
func pythonLedger(t *testing.T, dir string) {
	t.Helper()
	raw(t, dir, func(db *sql.DB) {
		must(t, db, `PRAGMA journal_mode = WAL`)
		must(t, db, `CREATE TABLE agents (name TEXT PRIMARY KEY, api_token TEXT UNIQUE NOT NULL, budget_micro INTEGER NOT NULL,
			spent_micro INTEGER DEFAULT 0, reserved_micro INTEGER DEFAULT 0, rpm_limit INTEGER NOT NULL, created_at TEXT DEFAULT CURRENT_TIMESTAMP,
			last_activity TEXT, allowed_models TEXT, max_input_tokens INTEGER, max_output_tokens INTEGER, allow_streaming INTEGER DEFAULT 1,
			allow_tools INTEGER DEFAULT 1, allowed_tool_names TEXT, allow_function_calling INTEGER DEFAULT 1, allow_vision INTEGER DEFAULT 0,
			strict_mode INTEGER DEFAULT 0, token_hash TEXT, token_expires_at TEXT, token_scope TEXT DEFAULT 'execution', allow_passthrough INTEGER DEFAULT 0)`)
		must(t, db, `CREATE TABLE pids (agent TEXT PRIMARY KEY REFERENCES agents(name), pid INTEGER, started_at TEXT)`)
		must(t, db, `CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT, action TEXT, cost_micro INTEGER, timestamp TEXT DEFAULT CURRENT_TIMESTAMP, metadata TEXT)`)
		must(t, db, `CREATE TABLE rate_windows (agent TEXT PRIMARY KEY REFERENCES agents(name), window_start TEXT, request_count INTEGER DEFAULT 0)`)
		must(t, db, `INSERT INTO agents (name, api_token, budget_micro, spent_micro, reserved_micro, rpm_limit, allowed_models, last_activity)
			VALUES ('atlas', '0123456789abcdef0123456789abcdef', 5000000, 1234, 99, 30, '["gpt-oss-20b"]', '2026-01-02T03:04:05.678901')`)
		must(t, db, `INSERT INTO agents (name, api_token, budget_micro, rpm_limit, token_scope, token_expires_at, allow_tools)
			VALUES ('reader', 'ffffffffffffffffffffffffffffffff', 10, 0, 'read-only', '2001-01-01T00:00:00', 0)`)
		must(t, db, `INSERT INTO pids VALUES ('atlas', 1, NULL)`)
		must(t, db, `INSERT INTO events (agent, action, cost_micro, metadata) VALUES ('atlas', 'usage.commit', 1000, NULL), ('atlas', 'budget.deny', 0, 'Req: 5 > Rem: 4'),
			('gone', 'usage.commit', 7, NULL), ('gone', 'AGENT_DELETED', 0, 'Deleted by operator'), ('atlas', 'RATE_LIMIT', 0, 'Limit: 30')`)
	})
}

func TestImportOfPythonLedger(t *testing.T) {
	ledger.InFile(t)
	dir := t.TempDir()
	pythonLedger(t, dir)
	l := open(t, dir)
	verify(t, l)
	a, err := l.Agent(t.Context(), "atlas")
	if err != nil || a.Account.Spent != 1234 || *a.Account.Budget != 5_000_000 || a.Account.Reserved != 0 || a.Limits.RequestsPerMinute != 30 || a.LastActivity.IsZero() {
		t.Fatalf("%+v %v", a, err)
	}
	var caps map[string]any
	if err := json.Unmarshal(a.Capabilities, &caps); err != nil || caps["allow_tools"] != true || caps["allow_vision"] != false || caps["allowed_models"].([]any)[0] != "gpt-oss-20b" {
		t.Fatalf("%s %v", a.Capabilities, err)
	}
	if id, err := l.Authenticate(t.Context(), ledger.HashToken("0123456789abcdef0123456789abcdef")); err != nil || id.Agent != "atlas" {
		t.Fatalf("%+v %v", id, err)
	}
	if _, err := l.Authenticate(t.Context(), ledger.HashToken("ffffffffffffffffffffffffffffffff")); !errors.Is(err, ledger.ErrExpired) {
		t.Fatalf("an expired token: %v", err)
	}
	opening := events(t, l, ledger.EventFilter{Action: "adjustment.opening", Agent: "atlas"})
	if len(opening) != 1 || opening[0].Cost != 234 {
		t.Fatalf("%+v", opening)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// No token in clear text is left, but in the backup.
	for _, name := range []string{"aex.db", "aex.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && bytes.Contains(b, []byte("0123456789abcdef0123456789abcdef")) {
			t.Errorf("%s holds a token", name)
		}
	}
	st, err := os.Stat(filepath.Join(dir, "aex.db.v1.2"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("backup: %v %v", st, err)
	}
	// What scripts of 1.2 query.
	raw(t, dir, func(db *sql.DB) {
		var name, stamp string
		var budget, spent, reserved, rpm, cost, denied int64
		if err := db.QueryRow(`SELECT name, budget_micro, spent_micro, reserved_micro, rpm_limit FROM agents WHERE name = 'atlas'`).Scan(&name, &budget, &spent, &reserved, &rpm); err != nil || budget != 5_000_000 || spent != 1234 || rpm != 30 {
			t.Errorf("view agents: %v %d %d %d", err, budget, spent, rpm)
		}
		if err := db.QueryRow(`SELECT sum(cost_micro), max(timestamp) FROM events WHERE agent = 'atlas' AND action = 'usage.commit'`).Scan(&cost, &stamp); err != nil || cost != 1000 || len(stamp) != len("2026-01-02 03:04:05") {
			t.Errorf("view events: %v %d %q", err, cost, stamp)
		}
		if err := db.QueryRow(`SELECT count(*) FROM events WHERE action IN ('budget.deny', 'RATE_LIMIT', 'AGENT_DELETED')`).Scan(&denied); err != nil || denied != 3 {
			t.Errorf("view events: %v %d", err, denied)
		}
	})
}
