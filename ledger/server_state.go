package ledger

import (
	"context"
	"fmt"
	"time"
)

// Finding is one thing that is to be known of a ledger's server.
type Finding struct {
	Says  string
	Hint  string
	Wrong bool
}

// ServerState tells how the server of a ledger is set up, as far as the ledger
// depends on it; nothing for a ledger in a file.
func (l *Ledger) ServerState(ctx context.Context) ([]Finding, error) {
	if l.server == nil {
		return nil, nil
	}
	var version, fsync, pages, vacuum, encrypted, standbys string
	var waits int
	var dead, millis int64
	err := l.read.QueryRowContext(ctx, `SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'), current_setting('autovacuum'),
			coalesce((SELECT CASE WHEN ssl THEN 'yes' ELSE 'no' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()), 'no'),
			current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
			coalesce((SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname IN ('turn', 'owner', 'account')), 0), `+serverMillis).
		Scan(&version, &fsync, &pages, &vacuum, &encrypted, &standbys, &waits, &dead, &millis)
	if err != nil {
		return nil, l.explain(err)
	}
	ahead := time.Until(time.UnixMilli(millis)).Round(time.Millisecond)
	found := []Finding{
		{Says: "PostgreSQL " + version + " at " + l.path},
		{Says: "fsync is " + fsync + ", full_page_writes " + pages, Hint: "what is acknowledged is lost when the server fails: set both on", Wrong: fsync != "on" || pages != "on"},
		{Says: "autovacuum is " + vacuum, Hint: "the rows that every call changes grow without it: set it on", Wrong: vacuum != "on"},
		{Says: fmt.Sprintf("%d dead versions of the rows that every call changes", dead), Hint: "a long transaction elsewhere, a report or a dump, keeps them; run those on a standby", Wrong: dead > 100_000},
		{Says: fmt.Sprintf("its clock is %v ahead; what is booked goes by it", ahead)},
	}
	switch {
	case standbys == "":
		found = append(found, Finding{Says: "no synchronous standby: what is acknowledged is on the disk of one machine"})
	default:
		found = append(found, Finding{Says: fmt.Sprintf("synchronous standbys: %s; %d connected", standbys, waits), Hint: "no call goes out until one is back", Wrong: waits == 0})
	}
	if encrypted == "no" && remote(l.server.config) {
		found = append(found, Finding{Says: "the connection is not encrypted", Hint: "leave sslmode out of AEX_LEDGER, or make it verify-full", Wrong: true})
	}
	if !l.mayBudget && l.write != nil {
		found = append(found, Finding{Says: "this user gives no budgets, as is right for a gateway"})
	}
	return found, nil
}
