package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgres is the engine of a ledger on a PostgreSQL server.
//
// A turn is a transaction that begins with the lock of the table turn's one row:
// the turns of all processes come one after the other, as in a file. It commits
// without waiting for the disk, so that the next process has the turn at once.
// Only then does a barrier commit that does wait, for the disk and for
// synchronous standbys; and only then is anybody answered. The server writes its log
// in order: when an operation is answered, all that any process has decided before it
// is on disk, too.
type postgres struct {
	l    *Ledger
	conn *pgx.Conn

	in      bool  // a turn
	number  int64 // of the last turn that anybody had before it
	own     int64 // of the last turn of this process
	reborn  bool  // this process was declared dead, and begins anew in this turn
	pending []statement

	warned error // by the server, in the statement under way
	why    error // the turn does not come
	since  time.Time
}

// statement is sent with the next one that is waited for.
type statement struct {
	query string
	args  []any
	row   func(scan func(...any) error) error // for each row that it returns; nil: it returns none
}

var postgresDialect = dialect{
	bind: numbered,
	monthOf: func(s string) string {
		return `CAST(extract(epoch FROM date_trunc('month', to_timestamp(` + s + `) AT TIME ZONE 'UTC')) AS BIGINT) / 86400`
	},
	groupAccounts: `LATERAL (SELECT CAST(e AS BIGINT) AS value FROM json_array_elements_text(CAST(hold.group_accounts AS json)) e) g`,
	endedCalls: `SELECT CAST(body AS json) ->> 'hold', CAST(CAST(body AS json) ->> 'held_at' AS BIGINT), (
			SELECT CAST(coalesce(sum(CAST(value AS BIGINT)), 0) AS BIGINT) FROM json_each_text(CAST(body AS json) -> 'usage') WHERE key <> 'searches')
		FROM trail WHERE seq >= ?
			AND agent_id = ? AND action IN ('usage.commit', 'usage.cancel') AND CAST(CAST(body AS json) ->> 'held_at' AS BIGINT) > ?`,
	soundRows: []string{
		`SELECT 'account ' || id || ' has spent ' || spent_micro || ' and reserved ' || reserved_micro || ' of ' || budget_micro FROM account
			WHERE spent_micro < 0 OR reserved_micro < 0 OR overrun_micro < 0 OR spent_micro + reserved_micro > budget_micro ORDER BY id LIMIT 1`,
		`SELECT 'the table ' || c.conrelid::regclass || ' is not checked by ' || c.conname FROM pg_constraint c
			WHERE c.connamespace = current_schema()::regnamespace AND NOT c.convalidated LIMIT 1`,
	},
}

var numberedTexts sync.Map

// numbered writes $1, $2 for ?, and $1 for ?1.
func numbered(query string) string {
	if text, ok := numberedTexts.Load(query); ok {
		return text.(string) //nolint:forcetypeassert // nothing else is stored
	}
	var b strings.Builder
	n := 0
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case c != '?':
			b.WriteByte(c)
		case i+1 < len(query) && query[i+1] >= '1' && query[i+1] <= '9':
			b.WriteByte('$')
		default:
			n++
			b.WriteString("$" + strconv.Itoa(n))
		}
	}
	numberedTexts.Store(query, b.String())
	return b.String()
}

// open connects and reads which ledger this is.
func (p *postgres) open(ctx context.Context) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	var schema int
	err := p.conn.QueryRow(ctx, `SELECT id, chain, version FROM ledger`).Scan(&p.l.id, &p.l.chain, &schema)
	if err != nil {
		return err
	}
	return usable(schema)
}

func (p *postgres) connect(ctx context.Context) error {
	config := p.l.server.config.Copy()
	// Where there is no standby to wait for, remote_apply means the same as on.
	config.RuntimeParams["synchronous_commit"] = "remote_apply"
	// To plan a turn's statements anew took longer than to run them. All are by
	// keys, so a plan is right once it goes by them, however small the tables
	// were when it was made.
	config.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.RuntimeParams["enable_seqscan"] = "off"
	config.RuntimeParams["jit"] = "off" // which takes a scan that is ruled out, and has no other way, for a long query
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Severity == "WARNING" {
			p.warned = errors.Join(p.warned, fmt.Errorf("the server warns: %s", n.Message))
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	p.conn = conn
	return nil
}

func (p *postgres) disconnect() {
	p.in, p.pending = false, nil
	if p.conn == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	_ = p.conn.Close(ctx) // what it had not committed is gone either way
	p.conn = nil
}

func (p *postgres) close() error {
	if p.in {
		p.disconnect()
	}
	p.signOff()
	p.disconnect()
	return nil
}

// takable are arguments with texts that the server takes: it knows no NUL in them,
// and nothing that is not UTF-8, while what a client calls its model may be anything.
func takable(args []any) []any {
	plain := func(s string) string {
		if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
			return s
		}
		return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
	}
	for i, a := range args {
		switch a := a.(type) {
		case string:
			args[i] = plain(a)
		case []string:
			for n, s := range a {
				a[n] = plain(s)
			}
		}
	}
	return args
}

// send sends what waits to be sent, then last, whose rows read takes; read is
// nil for a statement without rows.
func (p *postgres) send(last statement, read func(pgx.Rows) error) error {
	if p.conn == nil {
		return &away{p.l.path, errors.New("the connection is lost")}
	}
	ctx, stop := context.WithTimeout(context.Background(), answerWithin)
	defer stop()
	var b pgx.Batch
	all := append(p.pending, last)
	p.pending, p.warned = nil, nil
	for _, s := range all {
		b.Queue(numbered(s.query), takable(s.args)...)
	}
	answers := p.conn.SendBatch(ctx, &b)
	for i, s := range all {
		if i == len(all)-1 && read != nil {
			rows, err := answers.Query()
			if err == nil {
				err = errors.Join(read(rows), rows.Err())
				rows.Close()
			}
			if err != nil {
				return errors.Join(err, answers.Close())
			}
			break
		}
		if s.row != nil {
			rows, err := answers.Query()
			if err == nil {
				err = eachRow(rows, s.row)
				rows.Close()
			}
			if err != nil {
				return errors.Join(err, answers.Close())
			}
			continue
		}
		if _, err := answers.Exec(); err != nil {
			return errors.Join(miscounted(err, s.query), answers.Close())
		}
	}
	return answers.Close()
}

// miscounted is what execRows finds: rows that are others than were asked for.
func miscounted(err error, query string) error {
	const divisionByZero = "22012"
	if no, is := errors.AsType[*pgconn.PgError](err); is && no.Code == divisionByZero {
		return fmt.Errorf("%w: another number of rows than was asked for was written by %.60s", ErrCorrupt, query)
	}
	return err
}
