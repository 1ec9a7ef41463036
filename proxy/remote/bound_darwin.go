package remote

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// bound ends a connection whose other end has not confirmed what was sent for
// too long. By itself the system tries for a quarter of an hour.
func bound(_, _ string, c syscall.RawConn) (err error) {
	failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RXT_CONNDROPTIME, int(unheard.Seconds()))
	})
	if failed != nil {
		return failed
	}
	return err
}
