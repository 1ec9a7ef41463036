package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Finding is one thing that is to be known of a ledger's server.
type Finding struct {
	Says  string
	Hint  string
	Wrong bool
}

// serverFacts are what a ledger depends on at its server.
type serverFacts struct {
	version                 string
	tables                  int
	reading                 bool // it is a standby
	fsync, pages, checksums string
	vacuum, unvacuumed      string // the setting, and tables that are left out
	dead, hotBytes          int64  // of the rows that every call changes
	oldest                  time.Duration
	standbys                string
	connected               int
	archive                 string
	archiveFails            bool
	sessions, sessionsMost  int
	ahead                   time.Duration // the server's clock is, of this machine's
	tls                     string        // "": none
	remote, unverified      bool
	user                    string
	superuser, owner        bool
	mayBudget, mayBook      bool
}

// ServerState tells how the server of a ledger is set up, as far as the ledger
// depends on it; nothing for a ledger in a file.
func (l *Ledger) ServerState(ctx context.Context) ([]Finding, error) {
	if l.server == nil {
		return nil, nil
	}
	f := serverFacts{remote: remote(l.server.config), unverified: l.server.config.TLSConfig != nil && l.server.config.TLSConfig.InsecureSkipVerify}
	if err := f.read(ctx, l.read); err != nil {
		return nil, l.explain(err)
	}
	return append([]Finding{{Says: "PostgreSQL " + f.version + " at " + l.path}}, f.judge()...), nil
}

// read asks the server. What only its administrator may see is as if it were well.
func (f *serverFacts) read(ctx context.Context, db *readers) error {
	var millis int64
	var oldest float64
	began := time.Now()
	if err := db.QueryRowContext(ctx, `SELECT `+serverMillis).Scan(&millis); err != nil {
		return err
	}
	f.ahead = time.UnixMilli(millis).Sub(began.Add(time.Since(began) / 2))
	const hot = `('turn', 'owner', 'account')`
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version'), (SELECT version FROM ledger), pg_is_in_recovery(),
			current_setting('fsync'), current_setting('full_page_writes'), current_setting('data_checksums'), current_setting('autovacuum'),
			coalesce((SELECT string_agg(relname, ', ') FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND array_to_string(reloptions, ' ') ~ 'autovacuum_enabled=(false|off|no|0)'), ''),
			coalesce((SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname IN `+hot+`), 0),
			pg_table_size('turn') + pg_table_size('owner'),
			greatest(0, coalesce((SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()), 0)),
			current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
			current_setting('archive_mode'), coalesce((SELECT last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver), false),
			(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), CAST(current_setting('max_connections') AS INT)`).
		Scan(&f.version, &f.tables, &f.reading, &f.fsync, &f.pages, &f.checksums, &f.vacuum, &f.unvacuumed, &f.dead, &f.hotBytes, &oldest,
			&f.standbys, &f.connected, &f.archive, &f.archiveFails, &f.sessions, &f.sessionsMost)
	if err != nil {
		return err
	}
	f.oldest = time.Duration(oldest * float64(time.Second)).Round(time.Second)
	var tls sql.NullString
	err = db.QueryRowContext(ctx, `SELECT (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl), current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
			has_table_privilege('event_log', 'DELETE'), has_column_privilege('account', 'target_micro', 'UPDATE'), has_table_privilege('hold', 'INSERT')`).
		Scan(&tls, &f.user, &f.superuser, &f.owner, &f.mayBudget, &f.mayBook)
	f.tls = tls.String
	return err
}

// What doctor takes for too much.
const (
	deadMost    = 100_000
	hotMost     = 64 << 20
	clockMost   = 5 * time.Second
	openMost    = time.Minute // a transaction elsewhere
	sessionsMay = 0.8         // of those that the server lets in
)

func (f *serverFacts) judge() []Finding {
	found := []Finding{
		{Says: fmt.Sprintf("the tables are of version %d", f.tables), Hint: "when every gateway is of this version: aex ledger migrate", Wrong: f.tables < serverSchema},
		{Says: "fsync is " + f.fsync + ", full_page_writes " + f.pages, Hint: "what is acknowledged is lost when the server fails: set both on", Wrong: f.fsync != "on" || f.pages != "on"},
		{Says: "data checksums are " + f.checksums},
		{Says: "autovacuum is " + f.vacuum, Hint: "the rows that every call changes grow without it: set it on", Wrong: f.vacuum != "on"},
		{Says: fmt.Sprintf("%d dead versions of the rows that every call changes, %d KiB for those that have one row or a few", f.dead, f.hotBytes>>10),
			Hint: "a long transaction keeps them, or autovacuum does not come to them: VACUUM turn, owner, account", Wrong: f.dead > deadMost || f.hotBytes > hotMost},
		{Says: fmt.Sprintf("the oldest open transaction began %v ago", f.oldest), Hint: "a report or a dump keeps old versions of the rows that every call changes: run it on a standby", Wrong: f.oldest > openMost},
		{Says: fmt.Sprintf("its clock is %v ahead of this machine's; what is booked goes by it", f.ahead.Round(time.Millisecond)), Hint: "days and limits go by the server's clock: have both set by NTP", Wrong: f.ahead.Abs() > clockMost},
		{Says: fmt.Sprintf("%d of %d connections are taken", f.sessions, f.sessionsMost), Hint: "five a gateway are needed: raise max_connections", Wrong: float64(f.sessions) > sessionsMay*float64(f.sessionsMost)},
	}
	if f.unvacuumed != "" {
		found = append(found, Finding{Says: "autovacuum leaves out " + f.unvacuumed, Hint: "they grow without it: ALTER TABLE ... RESET (autovacuum_enabled)", Wrong: true})
	}
	return append(append(found, f.judgeCopies()...), f.judgeAccess()...)
}

// judgeCopies is what is left when the server's machine is lost.
func (f *serverFacts) judgeCopies() (found []Finding) {
	if f.reading {
		return []Finding{{Says: "it is a standby, for reading"}}
	}
	if f.standbys == "" {
		found = append(found, Finding{Says: "no synchronous standby: what is acknowledged is on the disk of one machine"})
	} else {
		found = append(found, Finding{Says: fmt.Sprintf("synchronous standbys: %s; %d connected", f.standbys, f.connected), Hint: "no call goes out until one is back", Wrong: f.connected == 0})
	}
	switch {
	case f.archive == "off":
		found = append(found, Finding{Says: "its log is not archived: one cannot go back to a point in time"})
	default:
		found = append(found, Finding{Says: "its log is archived", Hint: "the last try to archive it failed; see pg_stat_archiver", Wrong: f.archiveFails})
	}
	return found
}

// judgeAccess is who this user is to the server, and on what way.
func (f *serverFacts) judgeAccess() (found []Finding) {
	switch {
	case f.tls == "" && f.remote:
		found = append(found, Finding{Says: "the connection is not encrypted", Hint: "leave sslmode out of AEX_LEDGER, or make it verify-full", Wrong: true})
	case f.tls != "" && f.remote && f.unverified:
		found = append(found, Finding{Says: "the connection is encrypted (" + f.tls + "), and nobody has verified who is at its other end", Hint: "leave sslmode out of AEX_LEDGER, or make it verify-full", Wrong: true})
	default:
		found = append(found, Finding{Says: "the connection: " + cmp.Or(f.tls, "plain, on this machine")})
	}
	var may string
	switch {
	case f.superuser:
		return append(found, Finding{Says: "user " + f.user + " may do everything in the database", Hint: "a gateway's user needs aex_gateway alone, and an operator's aex_budget (docs/fleet.md)", Wrong: true})
	case f.owner:
		may = "has the tables: for aex ledger migrate, copy and prune"
	case f.mayBudget:
		may = "may give budgets: right for an operator, not for a gateway"
	case f.mayBook:
		may = "books calls and gives no budgets, as is right for a gateway"
	default:
		may = "reads and nothing else"
	}
	return append(found, Finding{Says: "user " + f.user + " " + may})
}
