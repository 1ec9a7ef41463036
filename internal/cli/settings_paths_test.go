package cli

import (
	"strings"
	"testing"
)

// What cannot be a ledger's place is refused before anything is made, and what
// may hold a password is not printed.
func TestPlacesThatAreNone(t *testing.T) {
	for _, tt := range []struct{ variable, value, want string }{
		{"AEX_DB_PATH", "postgres://u:secret@host/db", "AEX_DB_PATH is a postgres:// address"},
		{"AEX_LEDGER", "MySQL+x://u:secret@host", "AEX_LEDGER is a MySQL+x:// address"},
		{"AEX_LEDGER", "host=db user=u password=secret dbname=aex", "AEX_LEDGER is an address of PostgreSQL in a form"},
		{"AEX_LEDGER", "postgres:/secret", "AEX_LEDGER is an address of PostgreSQL in a form"},
		{"AEX_LEDGER", "postgres://", "AEX_LEDGER is an address of PostgreSQL in a form"},
		{"AEX_DB_PATH", "file:///secret/aex.db", "AEX_DB_PATH is a file:// address"},
		{"AEX_HOME", "/tmp/" + strings.Repeat("secret/", 60), "aex's home has a path of"},
	} {
		a := &app{environ: []string{"HOME=/nowhere", tt.variable + "=" + tt.value}}
		_, err := a.settings()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s=%s: %v", tt.variable, tt.value, err)
		}
	}
	for _, path := range []string{"/tmp/a b://c", "postgres/aex.db", "/tmp/host=x", "postgres://h/aex", "postgresql://u@/aex?host=/run"} {
		a := &app{environ: []string{"HOME=/nowhere", "AEX_LEDGER=" + path}}
		if s, err := a.settings(); err != nil || s.ledgerPath != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}
