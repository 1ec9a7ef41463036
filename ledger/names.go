package ledger

import (
	"fmt"
	"syscall"
)

// oneName refuses a database that can be reached by another name than this one,
// as a hard link or as a mount of the file alone, and what is no file at all. Its
// log, its lock and the files of its owners lie beside it: who comes by another
// name has others, sees nothing of what is spent, and damages the file.
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
