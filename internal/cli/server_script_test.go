package cli

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestServerScripts are the scripts of what needs a PostgreSQL server. $SERVER is
// an address there with a schema that is each script's own, and not yet made.
func TestServerScripts(t *testing.T) {
	server := os.Getenv("AEX_TEST_POSTGRES")
	if server == "" {
		t.Skip("NOT TESTED here: make postgres runs it, on a PostgreSQL server")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/server",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			if err := setUpScript(env); err != nil {
				return err
			}
			docs, err := filepath.Abs("../../docs")
			env.Setenv("DOCS", docs)
			env.Setenv("SERVER", fmt.Sprintf("%s?search_path=c%d_%d", server, os.Getpid(), time.Now().UnixNano()))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"provider": scriptProvider,
			"capture":  scriptCapture,
			"jsonhas":  scriptJSON,
			"await":    scriptAwait,
			"tamper":   scriptTamper,
			"sql":      scriptSQL,
		},
	})
}

// scriptSQL does to the script's ledger what only its administrator can: sql TEXT.
func scriptSQL(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("pgx", ts.Getenv("SERVER"))
	ts.Check(err)
	defer db.Close()
	if _, err := db.Exec(strings.Join(args, " ")); (err != nil) != neg {
		ts.Fatalf("%v: %v", args, err)
	}
}
