package ledger

import (
	"fmt"
	"syscall"
)

// oneName refuses a database that has a second name, a hard link or a mount of the
// file alone, and what is no file at all. The database's log, its lock and the files of
// its owners lie beside it: a process that came by the other name would have others,
// would see nothing of what is spent, and would damage the file.
func (l *Ledger) oneName() error {
	var st syscall.Stat_t
	if err := syscall.Stat(l.path, &st); err != nil {
		return l.explain(fmt.Errorf("stat: %w", err))
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return fmt.Errorf("ledger %s is no file; move it away, or name another with AEX_LEDGER", l.path)
	case st.Nlink > 1:
		return fmt.Errorf("ledger %s: its file has %d names (hard links), and would have a log and a lock for each of them; "+
			"find the others with: find / -xdev -samefile %s, and remove all but one; a copy is made with aex ledger backup", l.path, st.Nlink, l.path)
	case isMount(l.path):
		return fmt.Errorf("ledger %s: the file alone is mounted there, without its log and its lock; mount its directory", l.path)
	}
	return nil
}
