//go:build linux || darwin

package owned

import (
	"os"
	"syscall"
)

// owner is whose a directory is.
func owner(path string) (uid, gid int, err error) {
	var st syscall.Stat_t
	if err = syscall.Stat(path, &st); err != nil {
		err = &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return int(st.Uid), int(st.Gid), err
}
