package ledger

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// copiedTables are the tables with rows of their own, each after those that it
// refers to.
var copiedTables = []string{"agent_group", "group_budget", "agent", "account", "run", "token", "hold", "pace", "zone", "event_hour", "event_log", "tally"}

// copiedKeys are the keys that the database gives.
var copiedKeys = map[string]string{"agent_group": "id", "agent": "id", "account": "id", "run": "no"}

// rows copies all rows, as they are.
func (c *copying) rows() error {
	c.made.Rows = make(map[string]int64)
	for _, table := range copiedTables {
		n, err := c.table(table)
		if err != nil {
			return fmt.Errorf("copying %s: %w", table, err)
		}
		c.made.Rows[table] = n
	}
	for table, key := range copiedKeys {
		// A key is never given twice, also that of a row which has gone.
		var last int64
		if err := c.from.QueryRowContext(c.ctx, `SELECT max(coalesce((SELECT max(`+key+`) FROM "`+table+`"), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0))`, table).Scan(&last); err != nil {
			return err
		}
		if _, err := c.tx.ExecContext(c.ctx, `SELECT setval(pg_get_serial_sequence($1, $2), greatest($3, 1), $3 > 0)`, table, key, last); err != nil {
			return err
		}
	}
	var id string
	var chain, identity, created int64
	if err := c.from.QueryRowContext(c.ctx, `SELECT id, chain, identity, created_at FROM ledger`).Scan(&id, &chain, &identity, &created); err != nil {
		return err
	}
	if _, err := c.tx.ExecContext(c.ctx, `UPDATE ledger SET id = $1, chain = $2, identity = $3, created_at = $4`, id, chain, identity, created); err != nil {
		return err
	}
	_, err := c.tx.ExecContext(c.ctx, `UPDATE turn SET n = n + 1`)
	c.to.id, c.to.chain = id, chain
	return err
}

// column is one of a table on the server.
type column struct{ name, kind string }

// columns are the columns of a table on the server; the file must have the same ones.
func (c *copying) columns(table string) (all []column, err error) {
	rs, err := c.tx.QueryContext(c.ctx, `SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = CAST(CAST($1 AS text) AS regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`, table)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	for rs.Next() {
		var col column
		if err := rs.Scan(&col.name, &col.kind); err != nil {
			return nil, err
		}
		all = append(all, col)
	}
	if err := rs.Err(); err != nil {
		return nil, err
	}
	var inFile int
	err = c.from.QueryRowContext(c.ctx, `SELECT count(*) FROM pragma_table_info(?)`, table).Scan(&inFile)
	if err == nil && inFile != len(all) {
		err = fmt.Errorf("the file has %d columns and the server %d", inFile, len(all))
	}
	return all, err
}

// table copies the rows of one.
func (c *copying) table(table string) (n int64, err error) {
	columns, err := c.columns(table)
	if err != nil {
		return 0, err
	}
	names := make([]string, len(columns))
	for i, col := range columns {
		names[i] = col.name
	}
	rs, err := c.from.QueryContext(c.ctx, `SELECT `+quotedNames(names)+` FROM "`+table+`"`)
	if err != nil {
		return 0, err
	}
	defer rs.Close()
	rows := &copiedRows{Rows: rs, columns: columns, values: make([]any, len(columns)), asideOf: table == "tally"}
	if err := c.conn.Raw(func(dc any) error {
		n, err = dc.(*stdlib.Conn).Conn().CopyFrom(c.ctx, pgx.Identifier{table}, names, rows) //nolint:forcetypeassert // stdlib.OpenDB made it
		return err
	}); err != nil {
		return n, err
	}
	for _, row := range rows.aside {
		q := `INSERT INTO tally (` + quotedNames(names) + `) VALUES (?` + strings.Repeat(", ?", len(names)-1) + `)` + addToTally()
		if _, err := c.tx.ExecContext(c.ctx, numbered(q), row...); err != nil {
			return n, err
		}
	}
	return n + int64(len(rows.aside)), nil
}

func quotedNames(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }

// copiedRows are the rows of a table of the file, as the server takes them.
type copiedRows struct {
	*sql.Rows
	columns []column
	values  []any
	err     error

	// Of the sums: rows whose names the server does not take, and which may be
	// two of the same name there.
	asideOf bool
	aside   [][]any
}

func (r *copiedRows) Next() bool {
	for r.err == nil && r.Rows.Next() {
		dest := make([]any, len(r.columns))
		for i := range dest {
			dest[i] = &r.values[i]
		}
		if r.err = r.Scan(dest...); r.err != nil {
			return false
		}
		changed := false
		for i, col := range r.columns {
			switch v := r.values[i].(type) {
			case int64:
				if col.kind == "boolean" {
					r.values[i] = v != 0
				}
			case []byte:
				if col.kind == "text" {
					r.values[i] = string(v)
				}
			}
			if text, is := r.values[i].(string); is {
				r.values[i] = takable([]any{text})[0]
				changed = changed || r.values[i] != text
			}
		}
		if !changed || !r.asideOf {
			return true
		}
		r.aside = append(r.aside, slices.Clone(r.values))
	}
	return false
}

func (r *copiedRows) Values() ([]any, error) { return r.values, nil }

func (r *copiedRows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.Rows.Err()
}

// sums are a table's number of rows and its sums of money, in the file and on
// the server.
func (c *copying) sums(table string) (before, after map[string]int64, err error) {
	columns, err := c.columns(table)
	if err != nil {
		return nil, nil, err
	}
	names, query := []string{"rows"}, `SELECT count(*)`
	if table == "tally" { // names that the server does not take may be fewer there
		names, query = nil, `SELECT sum(calls)`
		names = append(names, "calls")
	}
	for _, col := range columns {
		if strings.HasSuffix(col.name, "_micro") {
			names, query = append(names, col.name), query+`, CAST(coalesce(sum(`+col.name+`), 0) AS BIGINT)`
		}
	}
	read := func(db *snapshot) (map[string]int64, error) {
		values, dest := make([]sql.NullInt64, len(names)), make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		err := db.QueryRowContext(c.ctx, query+` FROM "`+table+`"`).Scan(dest...)
		sums := make(map[string]int64)
		for i, name := range names {
			sums[name] = values[i].Int64
		}
		return sums, err
	}
	if before, err = read(c.from); err == nil {
		after, err = read(c.tx)
	}
	return before, after, err
}
