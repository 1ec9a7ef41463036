package whole

import (
	"os"
	"syscall"
)

// over tells whether a pipe that had nothing to read had a writer, who has left.
// One without a name, as a shell's <(...) is, had one when it was made.
func over(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}
