package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestServerIsExplainedInALine: what the driver says of each address that it has tried
// stands in lines of their own, which would be shown as damaged.
func TestServerIsExplainedInALine(t *testing.T) {
	l := &Ledger{path: "postgres://h/aex", server: &server{}}
	for _, code := range []string{"28000", "3D000", "42P01", "XX000"} {
		err := l.explain(fmt.Errorf("tried:\n\t127.0.0.1: no\n\t::1: %w", &pgconn.PgError{Severity: "FATAL", Code: code}))
		if strings.ContainsAny(err.Error(), "\n\t") {
			t.Errorf("%s: %q", code, err)
		}
	}
}
