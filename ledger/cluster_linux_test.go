package ledger

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// watchEnds is called before processes are killed; what it returns waits until
// each of them is over.
func watchEnds(pids []int) (wait func()) {
	var ends []unix.PollFd
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			ends = append(ends, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
	}
	return func() {
		for i := range ends {
			for err := error(unix.EINTR); errors.Is(err, unix.EINTR); {
				_, err = unix.Poll(ends[i:i+1], -1)
			}
			_ = unix.Close(int(ends[i].Fd))
		}
	}
}

// wait lasts d, to some ten microseconds: Go's own timers are a millisecond late
// where nothing else goes on.
func wait(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(d.Nanoseconds())
		_ = unix.Nanosleep(&t, nil)
	}
}
