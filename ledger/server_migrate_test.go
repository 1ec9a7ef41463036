package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// catalogue is what a schema has, as the server describes it.
const catalogue = `SELECT coalesce(string_agg(what, E'\n' ORDER BY what), '') FROM (
	SELECT c.relkind::text || ' ' || c.relname || ' ' || coalesce(array_to_string(c.relacl, ','), '') || ' ' || coalesce(array_to_string(c.reloptions, ','), '') AS what FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
	UNION ALL SELECT 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || coalesce(array_to_string(a.attacl, ','), '') FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = current_schema()::regnamespace AND a.attnum > 0
	UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
	UNION ALL SELECT 'view ' || viewname || ' ' || definition FROM pg_views WHERE schemaname = current_schema()
	UNION ALL SELECT 'policy ' || tablename || ' ' || policyname || ' ' || array_to_string(roles, ',') || cmd || coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies WHERE schemaname = current_schema()
	UNION ALL SELECT 'version ' || version FROM ledger) all_of_it`

// older makes a ledger with the tables of version 1, as aex made them.
func older(t *testing.T, place string) {
	t.Helper()
	execOnServer(t, place, `DROP VIEW agents, events; UPDATE ledger SET version = 1;
		DROP POLICY runs ON account; CREATE POLICY runs ON account FOR INSERT TO aex_gateway WITH CHECK (false);
		DROP POLICY all_see ON run; DROP POLICY all_change ON run; DROP POLICY opens ON run; ALTER TABLE run DISABLE ROW LEVEL SECURITY;
		DROP POLICY all_see ON token; DROP POLICY makes ON token; DROP POLICY extends ON token; ALTER TABLE token DISABLE ROW LEVEL SECURITY`)
}

// TestServerIsMigrated: older tables become what a new ledger has, while a gateway
// uses them, once.
func TestServerIsMigrated(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	place := Place(dir)
	look := func() (s string) {
		t.Helper()
		if err := administrator(t, place).QueryRow(catalogue).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	fresh := look()
	if !strings.Contains(fresh, "view agents") {
		t.Fatalf("a new ledger has no views: %s", fresh)
	}
	older(t, place)
	l := gatewayAt(t, dir, time.Hour) // that knows newer ones works with them
	agentOn(t, l, "x")
	if m, err := MigrateServer(t.Context(), place, true); err != nil || m.From != 1 || !strings.Contains(m.SQL, "CREATE VIEW agents") || look() == fresh {
		t.Errorf("printed: %+v %v", m, err)
	}
	done := make(chan error, 2)
	for range 2 {
		go func() { _, err := MigrateServer(t.Context(), place, false); done <- err }()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if now := look(); now != fresh {
		t.Errorf("migrated it is\n%s\nand new\n%s", now, fresh)
	}
	if m, err := MigrateServer(t.Context(), place, false); err != nil || m.From != m.To {
		t.Errorf("%+v %v", m, err)
	}
	agentOn(t, l, "y")
	audited(t, l)
}

// TestServerMigratedAsPrinted: the SQL that is printed does the same.
func TestServerMigratedAsPrinted(t *testing.T) {
	onServer(t)
	place := Place(t.TempDir())
	older(t, place)
	m, err := MigrateServer(t.Context(), place, true)
	if err != nil {
		t.Fatal(err)
	}
	execOnServer(t, place, m.SQL)
	if m, err := MigrateServer(t.Context(), place, false); err != nil || m.From != m.To {
		t.Errorf("%+v %v", m, err)
	}
}

// TestServerOfAnotherVersion: tables that are newer are refused, also by a
// gateway that is running, and so are those that are too old.
func TestServerOfAnotherVersion(t *testing.T) {
	onServer(t)
	dir := t.TempDir()
	l := gatewayAt(t, dir, time.Hour)
	agentOn(t, l, "x")
	execOnServer(t, Place(dir), `UPDATE ledger SET version = 77`)
	if _, _, err := l.Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10}); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("a running one: %v", err)
	}
	at := Options{Path: Place(dir), Home: t.TempDir()}
	if _, err := Open(t.Context(), at); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("opened: %v", err)
	}
	if _, err := OpenReadOnly(t.Context(), at); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("opened for reading: %v", err)
	}
	if _, err := MigrateServer(t.Context(), Place(dir), false); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("migrated: %v", err)
	}
	execOnServer(t, Place(dir), `UPDATE ledger SET version = 0`)
	if _, err := Open(t.Context(), at); err == nil || !strings.Contains(err.Error(), "aex ledger migrate") {
		t.Errorf("too old: %v", err)
	}
}
