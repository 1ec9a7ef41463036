// Package ledger keeps the truth about money: what every agent, window and
// run may spend, has spent and has reserved, in one SQLite file.
//
// It knows nothing of HTTP, models or processes.
package ledger

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors a caller chooses by. Everything else that a method returns means
// that the ledger could not do its work; it must not be served past.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("already exists")
	ErrNewerSchema = errors.New("the ledger was written by a newer aex")
	ErrUnsound     = errors.New("file locks or write-ahead logs are unsound on this filesystem")
	ErrCorrupt     = errors.New("the ledger is damaged")
	ErrHoldEnded   = errors.New("the hold has already ended")
	ErrBroken      = errors.New("the ledger cannot commit")
	ErrExpired     = errors.New("the token has expired")
	ErrReadOnly    = errors.New("the ledger was opened for reading only")
)

// Options says where a ledger lives and what it draws on.
type Options struct {
	Path string           // the database file; its directory also holds aex.db.lock
	Home string           // holds owners/ and head; made 0700 when missing
	Now  func() time.Time // nil: time.Now
	Rand io.Reader        // nil: crypto/rand
}

// Ledger is one process's open ledger.
type Ledger struct{ _ Options }

// Open opens the ledger, makes it when there is none, migrates an older one,
// and settles in full the holds of owners that have died (Recovered tells).
func Open(ctx context.Context, o Options) (*Ledger, error) { panic("contract") }

// OpenReadOnly opens an existing ledger for queries only. ErrNotFound when
// there is none.
func OpenReadOnly(ctx context.Context, o Options) (*Ledger, error) { panic("contract") }

// Close waits for the writer, gives up ownership and closes the file.
func (l *Ledger) Close() error { panic("contract") }

// Broken is closed when the ledger has found that it cannot commit; from then
// on every Admit and Settle answers ErrBroken. A run must end.
func (l *Ledger) Broken() <-chan struct{} { panic("contract") }

// Recovered is what Open (and the periodic look) settled for the dead.
func (l *Ledger) Recovered() []Recovered { panic("contract") }

// Recovered tells of a hold whose owner died.
type Recovered struct {
	Hold   HoldID
	Agent  string
	Run    RunID
	Amount Micros
}
