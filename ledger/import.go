package ledger

import (
	"context"
	"database/sql"
	"errors"
)

func (l *Ledger) importPython(ctx context.Context, conn *sql.Conn) error {
	return errors.New("importing aex 1.2")
}
