package cli

import (
	"slices"
	"testing"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// TestWhatOpensAServerIsCovered: a program in a sandbox does not read the password of the ledger's server.
func TestWhatOpensAServerIsCovered(t *testing.T) {
	s := &settings{home: "/h/.aex", ledgerPath: "postgres://gate@db.example/aex",
		sources: []source{{"the environment", map[string]string{"HOME": "/h", "PGPASSFILE": "/run/secrets/pass"}}}}
	for _, path := range []string{"/h/.aex", "/h/.pgpass", "/run/secrets/pass", "/h/.postgresql/postgresql.key"} {
		if !slices.ContainsFunc(s.covers(), func(c sandbox.Cover) bool { return c.Path == path }) {
			t.Errorf("%s is not covered", path)
		}
	}
}
