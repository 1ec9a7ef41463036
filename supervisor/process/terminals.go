//go:build linux || darwin

package process

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// terminals are the caller's terminal and the child's, and what moves between them. Only the loop uses what changes,
// once it runs.
type terminals struct {
	plan
	master *os.File // of the child's terminal; nil: it has none of its own
	inner  *os.File // its other end, until the child has it
	relay  *relay   // nil without a master
	link   *link    // to the monitor, which restores the caller's terminal should aex be killed

	front bool // the child is its terminal's foreground group
	wants bool // it is to be, whenever aex is in the foreground
	size  unix.Winsize
}

// openTerminals opens the caller's terminal and makes the child's, as the descriptors and --tty want it.
func openTerminals(c Command) (*terminals, error) {
	t := &terminals{plan: planTerminal(c.TTY, [3]*os.File{c.Stdin, c.Stdout, c.Stderr})}
	t.wants = t.foreground
	if t.pty {
		var err error
		if t.master, t.inner, err = openPty(); err != nil && c.TTY == TTYForce {
			t.abandon()
			return nil, err
		}
		t.pty = err == nil // no pty can be had: the child gets the descriptors as they are
	}
	if !t.pty {
		t.plan.slave = [3]bool{}
		return t, nil
	}
	t.relay = newRelay(t.master, t.user, c.Stdout)
	t.relay.gone = t.hangUp
	t.relay.changed = t.sendUndo
	return t, nil
}

// dress gives the child's terminal the looks of the caller's, and makes that raw.
func (t *terminals) dress() {
	t.front = t.wants && (t.user == nil || t.user.foreground())
	switch {
	case t.relay == nil:
		return
	case t.user == nil:
		t.dressUnseen()
		return
	}
	t.copySettings()
	t.copySize()
	if t.front {
		if err := t.user.makeRaw(t.keepOutput); err != nil {
			t.front = false
		}
	}
}

// dressUnseen prepares a terminal that nobody sees: no newline becomes two bytes in a log.
func (t *terminals) dressUnseen() {
	t.onMaster(func(fd int) {
		if settings, err := getTermios(fd); err == nil {
			settings.Oflag &^= unix.ONLCR
			setTermios(fd, settings)
		}
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	})
}

// start lets the bytes move, now that the child runs.
func (t *terminals) start(child int, s *signals) {
	t.closeSlave()
	if t.relay == nil {
		return
	}
	t.relay.typing = func(keys []byte) func() { return t.typing(keys, child, s) }
	go t.relay.output()
	if t.user != nil {
		go t.relay.input()
	}
	t.relay.allowInput(t.front)
}

// typing finds the keys that the child's terminal will turn into signals for the child's group. Without aex they would go
// to the caller's whole foreground group, which may have a script around aex that should end by them: so the group gets
// them, too. It does not where the child reads keys itself, or is a shell with a job in the foreground.
func (t *terminals) typing(keys []byte, child int, s *signals) (after func()) {
	var found []unix.Signal
	t.onMaster(func(fd int) {
		settings, err := getTermios(fd)
		if err != nil {
			return
		}
		if found = signalKeys(keys, settings); len(found) > 0 {
			if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != child {
				found = nil
			}
		}
	})
	return func() {
		for _, sig := range found {
			s.signalOwnGroup(sig)
		}
	}
}

// closeSlave leaves the child's terminal to the child. It is open until that runs: some kernels report an end of file
// on a master whose slave nobody has open.
func (t *terminals) closeSlave() {
	if t.inner != nil {
		t.inner.Close()
		t.inner = nil
	}
}

// suspend gives the caller its terminal for as long as the job is stopped.
func (t *terminals) suspend() {
	if t.relay != nil {
		t.relay.allowInput(false)
		t.relay.settle(50 * time.Millisecond)
		t.user.restore()
		t.sendRestore()
	}
	t.front = false
}

// resume looks at the caller's terminal afresh, and takes it if aex is in the foreground and the child wants it. It
// reports whether the size has changed since.
func (t *terminals) resume() (resized bool) {
	was := t.front
	t.front = t.wants && (t.user == nil || t.user.foreground())
	if t.relay == nil || t.user == nil {
		return false
	}
	if !was {
		t.user.saved = nil
	}
	if t.front {
		if err := t.take(was); err != nil {
			t.front = false
		}
	}
	resized = t.copySize()
	t.sendRestore()
	t.relay.allowInput(t.front)
	return resized
}

// take makes the caller's terminal raw and gives the child's the same settings.
func (t *terminals) take(was bool) error {
	if was && t.user.raw != nil {
		if now, err := getTermios(t.user.fd); err == nil && *now == *t.user.raw {
			return nil // continued without having been stopped
		}
	}
	t.copySettings()
	return t.user.makeRaw(t.keepOutput)
}

// copySettings gives the child's terminal the caller's settings.
func (t *terminals) copySettings() {
	if settings, err := getTermios(t.user.fd); err == nil {
		t.onMaster(func(fd int) { setTermios(fd, settings) })
	}
}

// copySize gives the child's terminal the size of the caller's, and reports whether it changed.
func (t *terminals) copySize() (changed bool) {
	if t.relay == nil || t.user == nil {
		return false
	}
	size, err := unix.IoctlGetWinsize(t.user.fd, unix.TIOCGWINSZ)
	if err != nil || *size == t.size {
		return false
	}
	t.size = *size
	t.onMaster(func(fd int) { unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
	return true
}

func (t *terminals) onMaster(f func(fd int)) {
	if c, err := t.master.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// hangUp closes the child's terminal because the caller's is gone. The kernel tells the child as it would have.
func (t *terminals) hangUp() { t.master.Close() }

// sendUndo and sendRestore keep the monitor able to restore the terminal, should aex die now.
func (t *terminals) sendUndo(undo string) { t.link.send(order{Undo: &undo}) }

func (t *terminals) sendRestore() {
	if t.user != nil {
		t.link.send(order{Restore: &restore{Saved: t.user.saved, Raw: t.user.raw}})
	}
}

// Drains: a survivor may keep the child's terminal open, and nobody may be reading the caller's.
const (
	drainIdle   = 200 * time.Millisecond
	drainStall  = 10 * time.Second
	drainForced = 300 * time.Millisecond
)

// close ends the relay. forced tells that aex has killed; after that, and when a signal ended the child, the modes that
// the child had on are ended for it.
func (t *terminals) close(forced, signalled bool) {
	if t.relay == nil {
		return
	}
	stall := drainStall
	if forced {
		stall = drainForced
	}
	t.relay.close(drainIdle, stall)
	t.relay.finish(forced || signalled)
}

// giveBack leaves the caller's terminal as it was found. A child that had that terminal itself, and died of one of its
// keys, got the signal alone: the rest of the caller's job is told now.
func (t *terminals) giveBack(child int, died unix.Signal, s *signals) {
	switch {
	case t.user == nil:
	case t.relay != nil:
		t.user.restore()
	default:
		if pgrp, err := unix.IoctlGetInt(t.user.fd, unix.TIOCGPGRP); err == nil && pgrp == child {
			setForeground(t.user.fd, unix.Getpgrp())
			if s.own[died] != nil {
				s.signalOwnGroup(died)
			}
		}
	}
}

// abandon gives back and closes what was opened for a start that failed.
func (t *terminals) abandon() {
	if t.user != nil {
		t.user.restore()
		t.user.f.Close()
	}
	if t.master != nil {
		t.master.Close()
	}
	t.closeSlave()
}
