package longhistory

import (
	"database/sql"
	"strings"
)

// rows inserts rows, most of them in one statement.
type rows struct {
	w           *writer
	before, one string
	most        int
	args        []any
	n           int
	whole       *sql.Stmt
}

func (r *rows) text(n int) string {
	return r.before + strings.TrimSuffix(strings.Repeat(r.one+",", n), ",")
}

func (r *rows) add(values ...any) {
	r.args = append(r.args, values...)
	if r.n++; r.n < r.most || r.w.err != nil {
		return
	}
	if r.whole == nil {
		if r.whole, r.w.err = r.w.db.PrepareContext(r.w.ctx, r.text(r.most)); r.w.err != nil {
			return
		}
	}
	_, r.w.err = r.whole.ExecContext(r.w.ctx, r.args...)
	r.args, r.n = r.args[:0], 0
}

// flush inserts what is left.
func (r *rows) flush() {
	if r.n > 0 {
		r.w.exec(r.text(r.n), r.args...)
	}
	if r.whole != nil {
		r.whole.Close()
	}
}
