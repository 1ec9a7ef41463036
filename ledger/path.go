package ledger

import "context"

// Path lists the accounts that a call with this token would be charged to,
// the run's first. Errors as for Authenticate.
func (l *Ledger) Path(ctx context.Context, h TokenHash) ([]Account, error) { panic("contract") }
