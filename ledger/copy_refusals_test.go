package ledger

import (
	"testing"
	"time"
)

// copyRefusal is what keeps a ledger from being copied, and what is said then.
type copyRefusal struct {
	file, server string                                      // SQL that is run before
	before       func(t *testing.T, from Options, to string) // or what is done
	user         string
	says         string
}

var copyRefusals = map[string]copyRefusal{
	"a damaged ledger":         {file: `UPDATE account SET spent_micro = spent_micro + 1`, says: "sums: account"},
	"a row that is not taken":  {server: `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'; CREATE TRIGGER no BEFORE INSERT ON tally FOR EACH ROW EXECUTE FUNCTION no()`, says: "copying tally"},
	"a row that is lost":       {server: `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER no BEFORE INSERT ON event_hour FOR EACH ROW EXECUTE FUNCTION no()`, says: "the copy of event_hour adds up"},
	"an event that is changed": {server: `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.body = NEW.body || '' ''; RETURN NEW; END'; CREATE TRIGGER no BEFORE INSERT ON event_log FOR EACH ROW WHEN (NEW.seq = 3) EXECUTE FUNCTION no()`, says: "event 3 is not the one"},
	"a commit that fails":      {server: `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not at last''; END'; CREATE CONSTRAINT TRIGGER no AFTER INSERT ON zone DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()`, says: "not at last"},
	"a user of another role":   {server: `DO $$ BEGIN CREATE ROLE copyist LOGIN; EXCEPTION WHEN duplicate_object THEN END $$; GRANT aex_gateway TO copyist`, user: "copyist", says: "needs the role aex_owner there"},
	"tables of another aex":    {server: `UPDATE ledger SET version = 77`, says: "version 77"},
	"a server that has agents": {before: func(t *testing.T, _ Options, to string) {
		l, err := Open(t.Context(), Options{Path: to, Home: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		agentOn(t, l, "other")
		closed(t, l)
	}, says: "has rows in agent"},
	"a server that is used": {before: func(t *testing.T, _ Options, to string) {
		l, err := Open(t.Context(), Options{Path: to, Home: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closed(t, l) })
	}, says: "1 aex processes use the one at"},
	"a run": {before: func(t *testing.T, from Options, _ string) {
		l := openAt(t, from)
		if _, err := l.OpenRun(t.Context(), NewRun{Agent: "x", Program: "p", Token: HashToken("r2"), Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}, says: " of x; wait for them"},
	"a call": {before: func(t *testing.T, from Options, _ string) {
		if _, no, err := openAt(t, from).Admit(t.Context(), Admission{Token: HashToken("x"), Least: 10, Most: 10}); err != nil || no != nil {
			t.Fatal(no, err)
		}
	}, says: "1 calls of x under way"},
	"another aex": {before: func(t *testing.T, from Options, _ string) { openAt(t, from) }, says: "1 other aex processes have the ledger open"},
}
