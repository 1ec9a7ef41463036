package process

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// TestMain lets the test binary be the programs that the tests need: the monitor, and a small aex that supervises a
// command and nothing else.
func TestMain(m *testing.M) {
	if code, ok := MonitorMain(os.Args); ok {
		os.Exit(code)
	}
	role := os.Getenv("AEX_TEST_MAIN")
	os.Unsetenv("AEX_TEST_MAIN")
	switch role {
	case "aex":
		os.Exit(smallAex(os.Args[1:]))
	case "sizes":
		os.Exit(sizes())
	case "prepared":
		os.Exit(preparedAex(os.Args[1:]))
	}
	if play, ok := roles[role]; ok {
		os.Exit(play())
	}
	// What a caller has the tests ignore, nohup for one, is not to reach what they start.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	os.Exit(m.Run())
}

// roles are more of them, where the system has what they need.
var roles = map[string]func() int{}

// preparedAex prepares a program, says so, and launches the program once it is told to.
func preparedAex(args []string) int {
	l := Prepare(Command{Argv: args, Env: os.Environ()})
	if l.Err() != nil {
		return 125
	}
	fmt.Println("up")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return 125
	}
	p, err := l.Launch()
	if err != nil {
		return 125
	}
	<-p.Done()
	p.Close()
	return p.Status().Code
}

// small is `aex run` without money. Its way to kill for budget is a byte in the FIFO named by -trigger.
type small struct {
	argv                                    []string
	tty, orphans, trigger, id               string
	title, notice, told                     string
	grace, timeout                          time.Duration
	parent, burst, nameSurvivors, connected bool

	p    *Process
	code int // -1: the program's own
}

func (s *small) parse(args []string) error {
	flags := flag.NewFlagSet("aex", flag.ContinueOnError)
	flags.StringVar(&s.tty, "tty", "auto", "")
	flags.DurationVar(&s.grace, "grace", 5*time.Second, "after TERM")
	flags.DurationVar(&s.timeout, "timeout", 0, "")
	flags.StringVar(&s.orphans, "orphans", "kill", "")
	flags.StringVar(&s.trigger, "trigger", "", "")
	flags.StringVar(&s.id, "id", "", "")
	flags.BoolVar(&s.parent, "die-with-parent", false, "")
	flags.StringVar(&s.title, "title", "", "")
	flags.StringVar(&s.notice, "notice", "", "")
	flags.StringVar(&s.told, "told", "", "title and notice come at the end of this FIFO, which is then removed")
	flags.BoolVar(&s.burst, "panic", false, "")
	flags.BoolVar(&s.nameSurvivors, "survivors", false, "name them")
	flags.BoolVar(&s.connected, "connected", false, "")
	err := flags.Parse(args)
	s.argv = flags.Args()
	return err
}

func smallAex(args []string) int {
	s := &small{code: -1}
	if s.parse(args) != nil {
		return 125
	}
	var err error
	s.p, err = Prepare(Command{
		Argv: s.argv, Env: os.Environ(), Sandbox: sandbox.Mode(os.Getenv("AEX_TEST_SANDBOX")), TTY: TTY(s.tty), RunID: s.id, DieWithParent: s.parent, Title: s.title != "", Sensitive: true,
	}).Launch()
	if err != nil {
		fmt.Fprintln(os.Stderr, "aex:", err)
		switch {
		case errors.Is(err, ErrNotFound):
			return 127
		case errors.Is(err, ErrNotExecutable):
			return 126
		}
		return 125
	}
	s.show()
	s.wait(s.fire())
	return s.finish()
}

// show sets the title and writes the notice: at once, or when it is told to.
func (s *small) show() {
	both := func() {
		s.p.SetTitle(s.title)
		if s.notice != "" {
			s.p.Notice(s.notice)
		}
	}
	if s.told == "" {
		both()
		return
	}
	go func() {
		if _, err := os.ReadFile(s.told); err == nil {
			both()
			os.Remove(s.told)
		}
	}()
}

// fire returns what is closed when the budget is gone.
func (s *small) fire() <-chan struct{} {
	fire := make(chan struct{})
	if s.trigger != "" {
		go func() {
			if _, err := os.ReadFile(s.trigger); err == nil { // its end of file
				if s.burst {
					panic("asked to")
				}
				close(fire)
			}
		}()
	}
	return fire
}

// wait returns when the program has ended, or was ended.
func (s *small) wait(fire <-chan struct{}) {
	var left, patience <-chan time.Time
	if s.timeout > 0 {
		left = time.After(s.timeout)
	}
	for {
		select {
		case <-s.p.Done():
			return
		case <-fire:
			s.code = 121
			s.p.End(Ending{Grace: 2 * time.Second})
			return
		case <-left:
			if over := s.timeout + s.p.Suspended() - time.Since(started); over > 0 {
				left = time.After(over)
				continue
			}
			s.code = 124
			s.p.End(Ending{Grace: 2 * time.Second})
			return
		case <-s.p.Interrupted():
			patience = time.After(s.grace)
		case <-patience:
			s.p.End(Ending{})
			return
		}
	}
}

// finish ends what is left, and says what there is to say.
func (s *small) finish() int {
	if s.connected {
		fmt.Fprintln(os.Stderr, s.p.ConnectedTo())
	}
	if s.orphans == "kill" {
		s.p.End(Ending{Grace: time.Second})
	} else if left := s.p.Orphans(); len(left) > 0 {
		defer fmt.Fprintf(os.Stderr, "aex: %d left\n", len(left))
	}
	if s.nameSurvivors {
		for _, survivor := range s.p.End(Ending{}).Survivors {
			fmt.Fprintf(os.Stderr, "aex: %d %s: %s\n", survivor.PID, survivor.Name, survivor.Reason)
		}
	}
	status := s.p.Status()
	if err := s.p.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "aex: closing:", err)
		return 125
	}
	if s.code >= 0 {
		fmt.Fprintf(os.Stderr, "aex: ended (exit %d)\n", s.code)
		return s.code
	}
	ExitLike(status)
	return status.Code
}

var started = time.Now()

// sizes tells its terminal's size, again at each SIGWINCH, until it reads a line.
func sizes() int {
	changes := make(chan os.Signal, 8)
	signal.Notify(changes, unix.SIGWINCH)
	line := make(chan struct{})
	go func() {
		os.Stdin.Read(make([]byte, 64))
		close(line)
	}()
	for said := "up"; ; said = "winch" {
		if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
			fmt.Printf("%s %d %d.\n", said, size.Row, size.Col)
		}
		select {
		case <-changes:
		case <-line:
			return 0
		}
	}
}
