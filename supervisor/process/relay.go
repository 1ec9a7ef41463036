//go:build linux || darwin

package process

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// relay moves bytes between the caller's terminal and the child's. Each direction is one goroutine with one buffer:
// a reader that stalls stalls the writer, and nothing grows. Nothing that ends the tree waits for either.
type relay struct {
	master *os.File
	user   *terminal // nil: output goes to sink and there is no input
	sink   io.Writer
	gone   func() // the caller's terminal was hung up

	// typing is asked what keys mean to others than the child, before the child gets them; what it returns is done after
	// that.
	typing func(keys []byte) (after func())

	stall   atomic.Int64 // nanoseconds that one write may make no progress; 0: as long as it likes
	outDone chan struct{}
	inDone  chan struct{}

	draw   sync.Mutex // held while output is written
	screen screen

	mu      sync.Mutex // protects what follows; never held during I/O
	wake    *sync.Cond
	reading bool // the input goroutine is in, or about to be in, a read of the user's terminal
	enabled bool // it may be
	closing bool
	title   string
	bell    bool
	inject  bool // title, bell or notices wait for a clean moment
	notices []string
	titled  bool // aex has set a title

	changed func(undo string) // told when what a kill would have to undo changes
}

const relayBuffer = 64 << 10

func newRelay(master *os.File, user *terminal, sink *os.File) *relay {
	r := &relay{master: master, user: user, outDone: make(chan struct{}), inDone: make(chan struct{})}
	r.wake = sync.NewCond(&r.mu)
	if user != nil {
		r.sink = user.f
	} else {
		r.sink = &pollWriter{fd: int(sink.Fd()), stall: &r.stall}
	}
	return r
}

// output copies what the child draws until every writer has closed the terminal (which Linux reports as EIO).
func (r *relay) output() {
	defer close(r.outDone)
	buf := make([]byte, relayBuffer)
	broken := false
	for {
		n, err := r.master.Read(buf)
		if n > 0 && !broken {
			if broken = r.show(buf[:n]) != nil; broken && r.user != nil && r.user.gone() {
				r.gone()
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *relay) show(text []byte) error {
	r.draw.Lock()
	before := r.screen.modesOff()
	r.screen.feed(text)
	if after := r.screen.modesOff(); after != before {
		r.changed(after) // first: aex may be killed as soon as the terminal shows it
	}
	_, err := r.sink.Write(text)
	r.draw.Unlock()
	r.flush()
	return err
}

// flush writes the title and the notices at the first moment at which they cannot fall into something of the child's.
func (r *relay) flush() {
	for {
		r.mu.Lock()
		waiting := r.inject
		r.mu.Unlock()
		if !waiting || !r.draw.TryLock() {
			return // whoever draws looks again when it is done
		}
		text := ""
		if r.screen.clean() {
			text = r.takeInjection()
		}
		if text != "" {
			io.WriteString(r.sink, text)
		}
		r.draw.Unlock()
		if text == "" {
			return
		}
	}
}

// takeInjection returns what may be written now. A full-screen program's picture is not written into.
func (r *relay) takeInjection() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	if r.title != "" && !r.screen.titled {
		if !r.titled {
			b.WriteString("\x1b[22;2t") // keep the caller's title
			r.titled = true
		}
		b.WriteString("\x1b]2;" + r.title + "\x1b\\")
	}
	r.title = ""
	if r.bell {
		b.WriteByte('\a')
		r.bell = false
	}
	if !r.screen.full() {
		for _, line := range r.notices {
			b.WriteString("\r\x1b[K" + line + "\r\n")
		}
		r.notices = nil
	}
	r.inject = len(r.notices) > 0
	return b.String()
}

// queue keeps a line for the next flush.
func (r *relay) queue(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices, r.inject = append(r.notices, line), true
}

func (r *relay) ring() {
	r.mu.Lock()
	r.bell, r.inject = true, true
	r.mu.Unlock()
	r.flush()
}

func (r *relay) setTitle(title string) {
	r.mu.Lock()
	r.title, r.inject = title, true
	r.mu.Unlock()
	r.flush()
}

// input copies keys to the child, while the terminal is raw and this job's.
func (r *relay) input() {
	defer close(r.inDone)
	buf := make([]byte, 4<<10)
	for r.mayRead() {
		n, err := r.user.f.Read(buf)
		r.mu.Lock()
		r.reading = false
		r.wake.Broadcast()
		r.mu.Unlock()
		if n > 0 {
			after := r.typing(buf[:n])
			if _, err := r.master.Write(buf[:n]); err != nil {
				return
			}
			after()
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			if errors.Is(err, io.EOF) || r.user.gone() {
				r.gone()
				return
			}
			r.mu.Lock() // EIO: this job lost the terminal without having been told
			r.enabled = false
			r.mu.Unlock()
		}
	}
}

// mayRead waits until reading is allowed; false means that there will be no more.
func (r *relay) mayRead() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.enabled && !r.closing {
		r.wake.Wait()
	}
	r.reading = !r.closing
	return r.reading
}

// allowInput starts or stops the reading of keys. When it returns after a stop, no read is under way: one that ran
// while the job is in the background would stop it.
func (r *relay) allowInput(allow bool) {
	if r.user == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enabled = allow
	if allow {
		r.user.f.SetReadDeadline(time.Time{})
		r.wake.Broadcast()
		return
	}
	r.user.f.SetReadDeadline(time.Unix(1, 0))
	for r.reading {
		r.wake.Wait()
	}
}

// settle waits, briefly, until what the child has written is on the screen.
func (r *relay) settle(limit time.Duration) {
	deadline := time.Now().Add(limit)
	for quiet := 0; quiet < 3 && time.Now().Before(deadline); {
		if r.draw.TryLock() {
			r.draw.Unlock()
			if !readable(r.master) {
				quiet++
			} else {
				quiet = 0
			}
		} else {
			quiet = 0
		}
		<-time.After(2 * time.Millisecond)
	}
	r.flush() // who wanted to while draw was held here relies on it
}

// close drains what the ended child has written and stops both directions. A survivor of the tree that holds the
// terminal, or a reader that never reads, ends the wait: silence for idle, or no progress for stall.
func (r *relay) close(idle, stall time.Duration) {
	r.mu.Lock()
	r.closing, r.enabled = true, false
	r.wake.Broadcast()
	r.mu.Unlock()
	if r.user != nil {
		r.user.f.SetReadDeadline(time.Unix(1, 0))
	}
	r.drain(idle, stall)
	r.master.Close()
	if r.user != nil {
		r.user.f.SetWriteDeadline(time.Unix(1, 0))
		<-r.inDone
	} else {
		r.stall.Store(1)
	}
	<-r.outDone
	if r.user != nil {
		r.user.f.SetWriteDeadline(time.Time{})
	}
	r.stall.Store(0)
}

func (r *relay) drain(idle, stall time.Duration) {
	const step = 5 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	var silent, stuck time.Duration
	for silent < idle && stuck < stall {
		select {
		case <-r.outDone:
			return
		case <-tick.C:
		}
		switch {
		case !r.draw.TryLock():
			stuck += step
			silent = 0
			continue
		case readable(r.master):
			silent = 0
		default:
			silent += step
		}
		r.draw.Unlock()
		stuck = 0
	}
}

// finish writes what waited for the child to end. After a kill it ends the screen modes that the child had on.
func (r *relay) finish(killed bool) {
	if r.user == nil {
		return
	}
	r.mu.Lock()
	text := ""
	if killed {
		text = r.screen.undo()
	}
	r.screen = screen{titled: r.screen.titled}
	r.mu.Unlock()
	text += r.takeInjection()
	if r.titled {
		text += "\x1b[23;2t"
	}
	if text != "" {
		r.user.f.SetWriteDeadline(time.Now().Add(drainForced))
		io.WriteString(r.user.f, text)
	}
}
