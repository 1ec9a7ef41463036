package ledger

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
)

// Export writes the trail as JSON lines that prove themselves, one for each event:
// {"hash":"<hex>","body":<the exact text that was hashed>}. docs/audit-format.md
// describes them.
func (l *Ledger) Export(ctx context.Context, w io.Writer) error {
	rs, err := l.read.QueryContext(ctx, `SELECT body, hash FROM event_log ORDER BY seq`)
	if err != nil {
		return fmt.Errorf("exporting: %w", l.explain(err))
	}
	defer rs.Close()
	out := bufio.NewWriter(w)
	var body, hash []byte
	for rs.Next() {
		if err := rs.Scan(&body, &hash); err != nil {
			return fmt.Errorf("exporting: %w", l.explain(err))
		}
		if _, err := fmt.Fprintf(out, "{\"hash\":\"%s\",\"body\":%s}\n", hex.EncodeToString(hash), body); err != nil {
			return fmt.Errorf("exporting: %w", err)
		}
	}
	if err := rs.Err(); err != nil {
		return fmt.Errorf("exporting: %w", l.explain(err))
	}
	return out.Flush()
}
