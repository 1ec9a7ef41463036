package ledger

import (
	"bytes"
	"database/sql"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// With AEX_TEST_POSTGRES, an address of a database that its user may make schemas
// in, the tests of this package use ledgers there: make postgres does that.
var testServer = os.Getenv("AEX_TEST_POSTGRES")

// A machine that runs many tests may take long to let somebody in.
func init() { connectWithin = 10 * time.Second }

var placesMade sync.Map

// Place is where a test has the ledger of a directory: in it, or in a schema of
// the test's server. Export for the tests outside of the package.
func Place(dir string) string {
	if testServer == "" {
		return filepath.Join(dir, "aex.db")
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(dir))
	place := fmt.Sprintf("%s?search_path=t%x", testServer, h.Sum64())
	once, _ := placesMade.LoadOrStore(place, sync.OnceValue(func() error { return initTestPlace(place) }))
	if err := once.(func() error)(); err != nil { //nolint:forcetypeassert // nothing else is stored
		panic(err)
	}
	return place
}

// ShortLease has a process on a server taken for dead soon.
func ShortLease(o Options) Options {
	o.lease = 2 * time.Second
	return o
}

// OpenRaw opens the database of a ledger, CHECKs off: what somebody with all
// rights can do.
func OpenRaw(dir string) (*sql.DB, error) {
	if testServer != "" {
		return openRawServer(Place(dir))
	}
	return sql.Open("sqlite", "file:"+filepath.Join(dir, "aex.db")+"?_pragma=ignore_check_constraints(1)&_pragma=synchronous(OFF)")
}

// OpenToLook opens the database of a ledger as it is.
func OpenToLook(dir string) (*sql.DB, error) {
	if testServer != "" {
		s, err := parseServer(Place(dir))
		if err != nil {
			return nil, err
		}
		return s.readers().DB, nil
	}
	return sql.Open("sqlite", "file:"+filepath.Join(dir, "aex.db")+"?mode=ro&_pragma=busy_timeout(10000)")
}

// AwaitRecovery waits on a server until the dead are taken for dead and what they
// left is booked.
func AwaitRecovery(t testing.TB, l *Ledger) {
	t.Helper()
	if l.server == nil {
		return
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var left int
		if err := l.read.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM hold WHERE state = 'open') + (SELECT count(*) FROM run WHERE state <> 'ended')`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d holds and runs of the dead are open", left)
		}
	}
}

// RawText is a test's SQL as its database wants it.
func RawText(query string) string {
	if testServer == "" {
		return query
	}
	return numbered(strings.NewReplacer("zeroblob(32)", "decode(repeat('00', 32), 'hex')", "json_extract(body, '$.action')", "CAST(body AS json) ->> 'action'", "paused = 1", "paused = true", "paused = 0", "paused = false").Replace(query))
}

// Untakable tells of a text that the test's database does not take.
func Untakable(text []byte) bool {
	return testServer != "" && (bytes.ContainsRune(text, 0) || !utf8.Valid(text))
}

// InFile skips a test of what only a ledger in a file has.
func InFile(t testing.TB) {
	t.Helper()
	if testServer != "" {
		t.Skip("NOT TESTED on a server: it is about what only a ledger in a file has")
	}
}
