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

// smallAex is `aex run` without money. Its way to kill for budget is a byte in the FIFO named by -trigger.
func smallAex(args []string) int {
	flags := flag.NewFlagSet("aex", flag.ContinueOnError)
	tty := flags.String("tty", "auto", "")
	grace := flags.Duration("grace", 5*time.Second, "after TERM")
	timeout := flags.Duration("timeout", 0, "")
	orphans := flags.String("orphans", "kill", "")
	trigger := flags.String("trigger", "", "")
	id := flags.String("id", "", "")
	parent := flags.Bool("die-with-parent", false, "")
	title := flags.String("title", "", "")
	notice := flags.String("notice", "", "")
	told := flags.String("told", "", "title and notice come at the end of this FIFO, which is then removed")
	burst := flags.Bool("panic", false, "")
	survivors := flags.Bool("survivors", false, "name them")
	connected := flags.Bool("connected", false, "")
	if flags.Parse(args) != nil {
		return 125
	}
	p, err := Start(Command{
		Argv: flags.Args(), Env: os.Environ(), Sandbox: sandbox.Mode(os.Getenv("AEX_TEST_SANDBOX")), TTY: TTY(*tty), RunID: *id, DieWithParent: *parent, Title: *title != "", Sensitive: true,
	})
	switch {
	case errors.Is(err, ErrNotFound):
		fmt.Fprintln(os.Stderr, "aex:", err)
		return 127
	case errors.Is(err, ErrNotExecutable):
		fmt.Fprintln(os.Stderr, "aex:", err)
		return 126
	case err != nil:
		fmt.Fprintln(os.Stderr, "aex:", err)
		return 125
	}
	tell := func() {
		p.SetTitle(*title)
		if *notice != "" {
			p.Notice(*notice)
		}
	}
	if *told == "" {
		tell()
	} else {
		go func() {
			if _, err := os.ReadFile(*told); err == nil {
				tell()
				os.Remove(*told)
			}
		}()
	}
	fire := make(chan struct{})
	go func() {
		if *trigger != "" {
			if _, err := os.ReadFile(*trigger); err == nil { // its end of file
				if *burst {
					panic("asked to")
				}
				close(fire)
			}
		}
	}()
	code := -1
	end := func(e Ending, as int) {
		code = as
		p.End(e)
	}
	var left <-chan time.Time
	if *timeout > 0 {
		left = time.After(*timeout)
	}
	var patience <-chan time.Time
	for running := true; running; {
		select {
		case <-p.Done():
			running = false
		case <-fire:
			end(Ending{Grace: 2 * time.Second}, 121)
			running = false
		case <-left:
			if over := *timeout + p.Suspended() - time.Since(started); over > 0 {
				left = time.After(over)
				continue
			}
			end(Ending{Grace: 2 * time.Second}, 124)
			running = false
		case <-p.Interrupted():
			patience = time.After(*grace)
		case <-patience:
			p.End(Ending{})
			running = false
		}
	}
	if *connected {
		fmt.Fprintln(os.Stderr, p.ConnectedTo())
	}
	if *orphans == "kill" {
		p.End(Ending{Grace: time.Second})
	} else if left := p.Orphans(); len(left) > 0 {
		defer fmt.Fprintf(os.Stderr, "aex: %d left\n", len(left))
	}
	if *survivors {
		for _, s := range p.End(Ending{}).Survivors {
			fmt.Fprintf(os.Stderr, "aex: %d %s: %s\n", s.PID, s.Name, s.Reason)
		}
	}
	s := p.Status()
	if err := p.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "aex: closing:", err)
		return 125
	}
	if code >= 0 {
		fmt.Fprintf(os.Stderr, "aex: ended (exit %d)\n", code)
		return code
	}
	ExitLike(s)
	return s.Code
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
