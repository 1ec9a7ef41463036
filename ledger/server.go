package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// OnServer tells whether a ledger's place is a PostgreSQL server and no file.
func OnServer(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// server is the PostgreSQL server that a ledger is on.
type server struct {
	config *pgx.ConnConfig
	schema string // where its tables are
	writes bool   // it is asked for a server that takes writes
	place  string // the address for people and for home/head: without user and password
}

// schemaOfLedger is where the tables are unless the address has a search_path.
const schemaOfLedger = "aex"

// What a connection may take. Everybody waits for the turn, so nobody may have it for
// long: a process that is stopped in it loses its connection.
const (
	answerWithin = 10 * time.Second // then the connection is given up
	turnWithin   = "2s"             // that a statement waits for another process's turn; then it is seen whether anybody still wants it
	idleInTurn   = "500ms"
	deadPeer     = 5 * time.Second // without an acknowledgement
)

// connectWithin is for a server that is there and has little to do. Tests, whose
// machine may have much to do, replace it.
var connectWithin = 3 * time.Second

// parseServer reads an address like postgres://gateway@db.example/aex. What it
// leaves out comes from PostgreSQL's own variables and files (PGPASSWORD,
// ~/.pgpass, PGSSLROOTCERT, ...).
func parseServer(address string) (*server, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: the ledger's address cannot be read; it is like postgres://aex_gateway_1@db.example/aex", ErrInvalid)
	}
	q := u.Query()
	if _, has := u.User.Password(); has || q.Has("password") || q.Has("sslpassword") {
		return nil, fmt.Errorf("%w: the ledger's address has a password in it, which every process list and log would show; put it into ~/.pgpass or PGPASSWORD, and leave it out of the address", ErrInvalid)
	}
	schema := cmp.Or(q.Get("search_path"), schemaOfLedger)
	q.Del("search_path")
	u.RawQuery = q.Encode()
	config, err := pgx.ParseConfig(u.String())
	// Where nothing tells how, another machine is verified: PostgreSQL itself would take what it gets.
	if err == nil && !q.Has("sslmode") && os.Getenv("PGSSLMODE") == "" && remote(config) && takesAnything(config) {
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
		config, err = pgx.ParseConfig(u.String())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the ledger's address cannot be used: %w; write it like postgres://USER@HOST/DATABASE", ErrInvalid, err)
	}
	place := url.URL{Scheme: "postgres", Host: u.Host, Path: "/" + config.Database}
	if u.Host == "" {
		place.Host = net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
	}
	if schema != schemaOfLedger {
		place.RawQuery = "search_path=" + url.QueryEscape(schema)
	}
	s := &server{config: config, schema: schema, writes: q.Get("target_session_attrs") == "read-write", place: place.String()}
	s.configure()
	return s, nil
}

// remote tells whether a server may be another machine.
func remote(config *pgx.ConnConfig) bool {
	hosts := []string{config.Host}
	for _, f := range config.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	return slices.ContainsFunc(hosts, func(host string) bool {
		ip := net.ParseIP(host)
		return !strings.HasPrefix(host, "/") && host != "localhost" && (ip == nil || !ip.IsLoopback())
	})
}

// takesAnything tells whether a connection is made in plain text where it cannot be
// encrypted, which is what PostgreSQL does without an sslmode.
func takesAnything(config *pgx.ConnConfig) bool {
	return config.TLSConfig != nil && slices.ContainsFunc(config.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil })
}

func (s *server) configure() {
	s.config.ConnectTimeout = connectWithin
	dialer := &net.Dialer{KeepAlive: deadPeer, Control: giveUpDeadPeers}
	s.config.DialFunc = dialer.DialContext
	for name, value := range map[string]string{
		"application_name": "aex", "search_path": pgx.Identifier{s.schema}.Sanitize(),
		"lock_timeout": turnWithin, "idle_in_transaction_session_timeout": idleInTurn,
		"default_transaction_isolation": "read committed", "TimeZone": "UTC",
	} {
		s.config.RuntimeParams[name] = value
	}
}

// readers are connections that only read.
func (s *server) readers() *readers {
	config := s.config.Copy()
	config.RuntimeParams["default_transaction_read_only"] = "on"
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "60s" // an audit's progress is somebody's to print
	if s.writes {                                                       // of the same server, though these sessions do not write
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	db.SetConnMaxIdleTime(time.Minute)
	return &readers{DB: db, bind: postgresDialect.bind, isolation: sql.LevelRepeatableRead, stmts: make(map[string]*sql.Stmt)}
}

func (l *Ledger) openReaders() (*readers, error) {
	if l.server != nil {
		return l.server.readers(), nil
	}
	return openReaders(l.path)
}

// away reports a server that cannot be reached, or that did not say in time whether it
// has done what it was asked. Nothing goes on without it.
type away struct {
	place string
	err   error
}

func (a *away) Error() string {
	return fmt.Sprintf("the ledger's server %s does not answer: %.300s", a.place, oneLine{a.err})
}

// oneLine says in a line what may have several.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e oneLine) Unwrap() error { return e.error }

// Unwrap says that whoever gets the error may try again, as with a ledger that another
// process keeps.
func (a *away) Unwrap() []error { return []error{ErrHeld, a.err} }

// passing tells whether an error is of the connection, or of a server that is
// starting, stopping or refusing for now, so that it may be over soon.
func passing(err error) bool {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, ErrCorrupt), errors.Is(err, ErrNewerSchema), errors.Is(err, ErrUnsound):
		return false
	case !errors.As(err, &pg):
		return true
	}
	switch pg.Code {
	case "25P03", "57014", "55P03", "40001", "40P01": // thrown out of the turn, cancelled, locks
		return true
	case "25006": // a standby, or a primary that became one
		return true
	}
	switch pg.Code[:2] {
	case "08", "53", "57", "58": // connections, resources, shutting down, its system
		return true
	}
	return false
}

// explainServer makes one clear line of what went wrong on the server.
func (l *Ledger) explainServer(err error) error {
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	say := func(format string, args ...any) error {
		return fmt.Errorf("ledger %s: "+format+": %w", append(append([]any{l.path}, args...), oneLine{err})...)
	}
	switch {
	case errors.Is(err, ErrHeld), errors.Is(err, ErrCorrupt), errors.Is(err, ErrNewerSchema), errors.Is(err, ErrUnsound), errors.Is(err, ErrReadOnly),
		errors.Is(err, ErrInvalid), errors.Is(err, sql.ErrNoRows):
		return err
	case errors.As(err, &pg):
		switch pg.Code {
		case "3F000", "42P01", "22023": // no schema, no table, or none of the roles
			return say("there is no ledger yet; its administrator makes one with: aex ledger init-postgres")
		case "42501":
			return say("this role may not do that; docs/fleet.md says which role does what")
		case "28P01", "28000":
			return say("the server does not let this user in; its password belongs in ~/.pgpass or PGPASSWORD")
		case "3D000":
			return say("there is no such database; make it with createdb")
		}
	case errors.Is(err, context.Canceled):
		return err
	}
	if errors.As(err, &connect) || passing(err) {
		return &away{l.path, err}
	}
	return say("using it")
}

// lookingOnce bounds the time of a look at the ledger: a server that is stopped keeps
// its connections open and does not answer.
func (l *Ledger) lookingOnce() (context.Context, context.CancelFunc) {
	if l.server == nil {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), answerWithin)
}
