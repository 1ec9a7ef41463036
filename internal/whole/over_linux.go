package whole

import (
	"os"

	"golang.org/x/sys/unix"
)

// over tells whether a pipe that had nothing to read had a writer, who has left.
// Linux says so of a pipe only once a writer has been there.
func over(f *os.File) (over bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	failed := conn.Control(func(fd uintptr) {
		at := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		_, err = unix.Poll(at, 0)
		over = at[0].Revents&(unix.POLLIN|unix.POLLHUP) == unix.POLLHUP
	})
	return over && err == nil && failed == nil
}
