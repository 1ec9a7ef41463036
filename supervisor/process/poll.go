//go:build linux || darwin

package process

import (
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// readable tells whether a read of a terminal would not wait.
func readable(f *os.File) bool {
	ready := false
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) {
			set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(set, 0)
			ready = err == nil && n > 0 && set[0].Revents&unix.POLLIN != 0
		})
	}
	return ready
}

// pollWriter writes to a descriptor that is shared with others and so must stay blocking, without blocking for ever.
type pollWriter struct {
	fd    int
	stall *atomic.Int64
}

func (w *pollWriter) Write(text []byte) (int, error) {
	const most = 4096 // what a pipe that is ready takes at once
	done := 0
	for waited := time.Duration(0); done < len(text); {
		set := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(set, 50)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return done, err
		case n == 0:
			waited += 50 * time.Millisecond
			if limit := w.stall.Load(); limit > 0 && int64(waited) >= limit {
				return done, os.ErrDeadlineExceeded
			}
			continue
		}
		m, err := unix.Write(w.fd, text[done:min(len(text), done+most)])
		if m > 0 {
			done, waited = done+m, 0
		}
		if err != nil && err != unix.EINTR && err != unix.EAGAIN {
			return done, err
		}
	}
	return done, nil
}
