package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"
)

// forbidden are statements by which somebody with a role would raise a budget, by
// whatever way, or change, hide or forge what has been written down. Those of a
// role are forbidden to the roles before it, too.
var forbidden = map[string][]string{
	"aex_budget": {
		// events
		`UPDATE event_log SET body = '{}'`, `UPDATE event_log SET seq = seq + 1`, `UPDATE event_log SET hash = hash`, `DELETE FROM event_log`, `TRUNCATE event_log`,
		`UPDATE trail SET body = '{}'`, `DELETE FROM trail`, `DELETE FROM events`, `INSERT INTO trail (seq, body, hash) VALUES (0, '{}', '')`,
		`INSERT INTO event_log SELECT * FROM event_log ON CONFLICT (seq) DO UPDATE SET body = '{}'`,
		`ALTER TABLE event_log DISABLE TRIGGER ALL`, `ALTER TABLE event_log ADD COLUMN x INT`, `DROP TABLE event_log`, `DROP VIEW trail`, `ALTER TABLE event_log RENAME TO other`,
		`CREATE TRIGGER x BEFORE INSERT ON event_log FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
		`CREATE RULE x AS ON INSERT TO event_log DO INSTEAD NOTHING`, `CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'`, `CREATE TABLE x (a int)`, `CREATE VIEW x AS SELECT 1`,
		`DELETE FROM event_hour`, `UPDATE event_hour SET first_seq = 1`, `UPDATE ledger SET id = 'x'`, `UPDATE ledger SET chain = 2`, `UPDATE ledger SET version = 1`, `DELETE FROM ledger`,
		// whose account, run or token something is
		`DELETE FROM account`, `DELETE FROM run`, `DELETE FROM agent`, `DELETE FROM token`, `DELETE FROM tally`, `DELETE FROM turn`, `TRUNCATE account CASCADE`,
		`UPDATE account SET parent = NULL`, `UPDATE account SET agent_id = 1`, `UPDATE account SET kind = 'run'`, `UPDATE account SET start_at = 0`, `UPDATE account SET id = DEFAULT`,
		`UPDATE run SET account_id = 1`, `UPDATE run SET agent_id = 1`, `UPDATE run SET id = 'x'`, `UPDATE run SET parent = NULL`, `UPDATE run SET max_calls = 0`, `UPDATE run SET policy = NULL`,
		`UPDATE token SET agent_id = 1`, `UPDATE token SET scope = 'execution'`, `UPDATE token SET hash = hash`, `UPDATE token SET max_run_micro = NULL`, `UPDATE token SET run_no = NULL`,
		// whoever has the tables, or makes what others run
		`SET ROLE aex_owner`, `SET ROLE postgres`, `GRANT aex_owner TO aex_gateway`,
		`DO $$ BEGIN GRANT UPDATE ON account TO PUBLIC; IF has_table_privilege('public', 'account', 'UPDATE') THEN RETURN; END IF; RAISE insufficient_privilege; END $$`, // else it is only a warning
		`DO $$ BEGIN GRANT ALL ON event_log TO PUBLIC; IF has_table_privilege('public', 'event_log', 'DELETE') THEN RETURN; END IF; RAISE insufficient_privilege; END $$`, `ALTER ROLE aex_gateway SUPERUSER`, `CREATE ROLE x`,
		`ALTER TABLE account DISABLE ROW LEVEL SECURITY`, `ALTER TABLE account DROP CONSTRAINT account_check`, `DROP POLICY runs ON account`, `CREATE POLICY x ON account FOR INSERT WITH CHECK (true)`,
		`SET session_replication_role = replica`, `SELECT setval('account_id_seq', 1)`, `SELECT setval('run_no_seq', 1)`, `ALTER SCHEMA @SCHEMA@ RENAME TO x`, `DROP SCHEMA @SCHEMA@ CASCADE`, `SELECT pg_read_file('/etc/passwd')`, `COPY event_log FROM PROGRAM 'true'`,
	},
	"aex_gateway": {
		`UPDATE account SET target_micro = 5000000000, budget_micro = 5000000000`, `UPDATE account SET target_micro = NULL, budget_micro = NULL`,
		`UPDATE account SET budget_micro = budget_micro + 1`, `UPDATE account SET budget_micro = NULL`, `UPDATE account SET budget_micro = 5000000000, spent_micro = 5000000001`,
		`INSERT INTO account (agent_id, kind, target_micro, budget_micro) VALUES (3, 'agent', 51, 51)`, `INSERT INTO account (agent_id, kind) VALUES (3, 'agent')`,
		`INSERT INTO account (agent_id, kind, "window", start_at, target_micro, budget_micro) VALUES (2, 'window', 'daily', 1, 51, 51)`,
		`INSERT INTO account (agent_id, kind, "window", start_at) VALUES (2, 'window', 'daily', 1)`, `INSERT INTO account (agent_id, kind, "window", start_at) VALUES (2, 'window', 'monthly', 1)`,
		`INSERT INTO account (agent_id, kind, "window", start_at, parent, target_micro, budget_micro) VALUES (2, 'window', 'daily', 1, 1, 50, 50)`,
		`INSERT INTO account (group_id, kind, "window", start_at, target_micro, budget_micro) VALUES (1, 'group', 'daily', 1, 901, 901)`,
		`INSERT INTO account (group_id, kind, "window", start_at) VALUES (1, 'group', 'daily', 1)`, `INSERT INTO account (group_id, kind, target_micro, budget_micro) VALUES (1, 'group', 5000000000, 5000000000)`,
		`INSERT INTO account (agent_id, kind) VALUES (1, 'run')`, `INSERT INTO account (id, agent_id, kind, parent) OVERRIDING SYSTEM VALUE VALUES (1000, 1, 'run', 1000)`,
		`INSERT INTO account (agent_id, kind, parent) VALUES (1, 'run', (SELECT id FROM account WHERE agent_id = 2 AND kind = 'agent'))`,
		`INSERT INTO account (agent_id, kind, parent, spent_micro) VALUES (1, 'run', 1, 5)`, `INSERT INTO account (agent_id, kind, parent) VALUES (1, 'run', (SELECT id FROM account WHERE kind = 'group' LIMIT 1))`,
		`INSERT INTO run (id, agent_id, account_id, owner, state, program, metered, started_at, first_seq) VALUES ('f', 1, 1, 1, 'open', '', true, 0, 0)`,
		`INSERT INTO run (id, agent_id, account_id, owner, state, program, metered, started_at, first_seq) VALUES ('f', 1, (SELECT id FROM account WHERE agent_id = 2 AND kind = 'agent'), 1, 'open', '', true, 0, 0)`,
		`UPDATE agent SET budget_micro = 51`, `UPDATE agent SET group_id = NULL`, `UPDATE agent SET "window" = 'daily'`, `UPDATE agent SET rpm_limit = 0`, `UPDATE agent SET paused = false`, `UPDATE agent SET deleted_at = NULL`, `UPDATE agent SET capabilities = NULL`,
		`INSERT INTO agent (name, "window", created_at) VALUES ('y', 'total', 0)`, `UPDATE agent_group SET paused = false`, `UPDATE agent_group SET parent = NULL`, `INSERT INTO agent_group (name, created_at) VALUES ('y', 0)`,
		`UPDATE group_budget SET budget_micro = 5000000000`, `DELETE FROM group_budget`, `INSERT INTO group_budget VALUES (1, 'weekly', 1)`, `INSERT INTO zone VALUES (1, 'Asia/Tokyo')`, `DELETE FROM zone`,
		`SET ROLE aex_budget`, `GRANT aex_budget TO aex_gateway`,
	},
	"aex_read": {
		`UPDATE turn SET n = n + 1`, `INSERT INTO owner VALUES (1, 0, 0, false, '', '')`, `DELETE FROM owner`, `UPDATE account SET spent_micro = 0`, `INSERT INTO hold (owner, n, state, agent_id, account_id, amount_micro, tokens, at, call) VALUES (1, 1, 'open', 1, 1, 1, 0, 0, '{}')`,
		`DELETE FROM hold`, `UPDATE hold SET amount_micro = 0`, `INSERT INTO event_log VALUES (0, '{}', sha256(''))`, `UPDATE token SET revoked_at = NULL`, `INSERT INTO token (hash, agent_id, scope, created_at) VALUES (sha256(''), 1, 'execution', 0)`,
		`UPDATE run SET state = 'open'`, `UPDATE tally SET cost_micro = 0`, `DELETE FROM pace`, `UPDATE ledger SET identity = 0`, `SET ROLE aex_gateway`,
	},
}

// TestRolesForbid: what nobody with these roles may.
func TestRolesForbid(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	operator := gatewayAt(t, dir, time.Hour)
	agentOn(t, operator, "x")
	if _, err := operator.CreateAgent(t.Context(), NewAgent{Name: "daily", Window: Daily, Budget: new(Micros(50))}); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.CreateAgent(t.Context(), NewAgent{Name: "free"}); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.CreateGroup(t.Context(), NewGroup{Name: "acme", Budgets: map[Window]Micros{Total: 1000, Daily: 900}}); err != nil {
		t.Fatal(err)
	}
	_, schema, _ := strings.Cut(Place(dir), "search_path=")
	for role, also := range map[string][]string{"aex_budget": nil, "aex_gateway": {"aex_budget"}, "aex_read": {"aex_gateway", "aex_budget"}} {
		conn := asUserOf(t, Place(dir), role)
		tried := 0
		for _, of := range append(also, role) {
			for _, q := range forbidden[of] {
				q = strings.ReplaceAll(q, "@SCHEMA@", schema)
				tried++
				if err := refusedBy(t.Context(), conn, q); err == "" {
					t.Errorf("%s may %s", role, q)
				} else if !strings.Contains(err, "permission denied") && !strings.Contains(err, "must be ") && !strings.Contains(err, "violates") && !strings.Contains(err, "must have") && !strings.Contains(err, "42501") {
					t.Errorf("%s: %s: %s", role, q, err)
				}
			}
		}
		t.Logf("%s: %d statements are refused", role, tried)
	}
}

// asUserOf is a connection of a user who has a role and no other.
func asUserOf(t *testing.T, place, role string) *sql.Conn {
	t.Helper()
	db := administrator(t, strings.Replace(place, "postgres@", userOf(t, place, role)+"@", 1))
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// userOf makes a user who has a role and no other.
func userOf(t *testing.T, place, role string) string {
	t.Helper()
	execOnServer(t, place, fmt.Sprintf(`DO $$ BEGIN CREATE ROLE user_of_%s LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$; GRANT %s TO user_of_%s`, role, role, role))
	return "user_of_" + role
}

// refusedBy is what the server says against a statement; "": nothing.
func refusedBy(ctx context.Context, conn *sql.Conn, q string) string {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err.Error()
	}
	defer tx.Rollback() // nothing is to stay
	if _, err := tx.ExecContext(ctx, q); err != nil {
		return err.Error()
	}
	return ""
}

// TestRevokedStaysRevoked: an update that a gateway may make does not reach a
// token that has been revoked.
func TestRevokedStaysRevoked(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	operator := gatewayAt(t, dir, time.Hour)
	agentOn(t, operator, "x")
	if err := operator.RotateToken(t.Context(), NewToken{Agent: "x", Hash: HashToken("next"), Scope: Execution}); err != nil {
		t.Fatal(err)
	}
	if _, err := asUserOf(t, Place(dir), "aex_gateway").ExecContext(t.Context(), `UPDATE token SET revoked_at = NULL, expires_at = NULL`); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.Authenticate(t.Context(), HashToken("x")); err == nil {
		t.Error("a gateway has brought a token back")
	}
}
