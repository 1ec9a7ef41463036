package ledger

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// giveUpDeadPeers ends a connection whose other end acknowledges nothing, which
// TCP alone would keep for a quarter of an hour.
func giveUpDeadPeers(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadPeer.Milliseconds()))
	})
	if err == nil && failed == unix.ENOPROTOOPT { // a Unix socket
		failed = nil
	}
	if err != nil {
		return err
	}
	return failed
}
