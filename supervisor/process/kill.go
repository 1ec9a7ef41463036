//go:build linux || darwin

package process

import (
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Ending says how a tree is ended.
type Ending struct {
	// Grace is the time between TERM and KILL. Zero: KILL at once.
	Grace time.Duration
}

// Ended is what an ending did.
type Ended struct {
	Ended     []Proc // all that was ever seen of the tree and is gone; oldest first
	Survivors []Proc // what could not be ended, each with the reason
}

const (
	killLimit = 5 * time.Second // for the rounds of KILL: what survives them cannot be killed, and is named
	stopLimit = time.Second     // for the rounds of STOP before them
)

// ending is a forest that is being ended.
type ending struct {
	*forest
	seen    map[identity]Proc // all that was part of it
	refused map[identity]error
	quiet   int // how many looks in a row found nothing, where nobody can be asked
}

// end sends TERM and CONT to the tree, waits for grace, and then KILLs until it is empty, or the limit is reached.
func (f *forest) end(grace time.Duration) Ended {
	e := &ending{forest: f, seen: map[identity]Proc{}, refused: map[identity]error{}}
	if grace > 0 && e.terminate(grace) {
		return e.result(nil)
	}
	deadline := time.Now().Add(killLimit)
	if f.cgroup != nil {
		f.cgroup.kill()
	} else if limitsDoNotBind() {
		e.stop()
	}
	return e.result(e.kill(deadline))
}

// terminate asks politely, and reports whether the tree is empty. A stopped process takes TERM only when it is continued.
// Only the first few looks send TERM, to catch what was just being forked: a process that the program starts later, to
// clean up after itself, is left to its work.
func (e *ending) terminate(grace time.Duration) (empty bool) {
	deadline := time.Now().Add(grace)
	const looks = 3
	for look, pause := 0, time.Millisecond; ; look++ {
		live := e.living()
		if e.empty(live) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		for _, p := range live {
			id := identity{p.PID, p.start}
			if _, told := e.seen[id]; !told && look < looks {
				e.table.signal(p, unix.SIGTERM)
				e.table.signal(p, unix.SIGCONT)
			}
			e.seen[id] = p
		}
		<-time.After(min(pause, time.Until(deadline)))
		pause = min(2*pause, 25*time.Millisecond)
	}
}

// stop stops every process, where no limit keeps the user from forking, until two whole passes have found only stopped
// ones. A stopped process forks no more, so KILL then meets all of them.
func (e *ending) stop() {
	stopped := map[identity]bool{}
	deadline := time.Now().Add(stopLimit)
	for same := 0; same < 2 && time.Now().Before(deadline); same++ {
		e.reapDead()
		for _, p := range e.list(true) {
			id := identity{p.PID, p.start}
			if !stopped[id] && e.table.signal(p, unix.SIGSTOP) == nil {
				stopped[id] = true
				e.seen[id] = p
				same = -1
			}
		}
		if e.sweep != nil {
			e.sweep(unix.SIGSTOP)
		}
	}
}

// kill sends KILL in rounds, to each process that it finds and to all children of the tree's reaper, until the tree is
// empty. It returns what is still alive when the time is over.
func (e *ending) kill(deadline time.Time) (survivors []Proc) {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		live := e.living()
		if e.empty(live) {
			return nil
		}
		if time.Now().After(deadline) {
			return e.withHidden(live)
		}
		if e.cgroup != nil {
			e.cgroup.kill()
		}
		for _, p := range live { // before anything is killed, nothing can fork any more
			e.table.limitForks(p)
		}
		for _, p := range live {
			id := identity{p.PID, p.start}
			e.seen[id] = p
			if err := e.table.signal(p, unix.SIGKILL); err != nil {
				e.refused[id] = err
			}
		}
		if e.sweep != nil {
			e.sweep(unix.SIGKILL)
		}
		if len(live) > 0 {
			<-time.After(pause)
		}
	}
}

// living lists what lives. It reads the whole process table where nobody can be asked whether the tree is empty and the
// list before this one was.
func (e *ending) living() []Proc {
	e.reapDead()
	return e.list(e.quiet > 0)
}

// empty tells whether the tree is gone, given what living has found. The kernel tells the tree's reaper: a process without
// any children has no descendants. Where there is no reaper to ask (macOS, a cgroup whose aex is dead), two looks in a
// row decide, one of them at the whole table.
func (e *ending) empty(live []Proc) bool {
	if len(live) > 0 {
		e.quiet = 0
		return false
	}
	if e.sweep != nil {
		if found, known := e.sweep(0); known {
			return found.Empty
		}
	}
	e.quiet++
	return e.quiet > 1
}

// withHidden adds children of the reaper that /proc does not show, as when it is mounted with hidepid.
func (e *ending) withHidden(live []Proc) []Proc {
	if e.sweep == nil {
		return live
	}
	found, _ := e.sweep(0)
	for _, pid := range found.Left {
		if !slices.ContainsFunc(live, func(p Proc) bool { return p.PID == pid }) {
			p, err := e.table.lookup(pid)
			if err != nil {
				p = Proc{PID: pid, Name: "unknown", state: 'S'}
			}
			if p.alive() {
				live = append(live, p)
				e.refused[identity{p.PID, p.start}] = unix.Kill(pid, 0)
			}
		}
	}
	return live
}

// result is what became of the tree. left is what is still alive of it.
func (e *ending) result(left []Proc) (done Ended) {
	for _, p := range left {
		id := identity{p.PID, p.start}
		delete(e.seen, id)
		p.Reason = "it does not die"
		switch {
		case errors.Is(e.refused[id], unix.EPERM):
			p.Reason = "it runs as another user"
		case p.state == 'D':
			p.Reason = "it is in an uninterruptible wait"
		}
		done.Survivors = append(done.Survivors, p)
	}
	done.Ended = slices.SortedFunc(maps.Values(e.seen), older)
	return done
}
