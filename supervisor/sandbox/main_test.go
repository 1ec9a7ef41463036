//go:build linux

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// TestMain lets the test binary be the init of a sandbox, and the program in it.
func TestMain(m *testing.M) {
	switch os.Getenv("AEX_TEST_SANDBOX") {
	case "init":
		runtime.LockOSThread()
		os.Exit(initMain(os.Args[1:]))
	case "try":
		os.Exit(try(os.Args[1]))
	}
	os.Exit(m.Run())
}

// plan is what the init of a test is to make.
type plan struct {
	Level  Level
	Ports  []uint16
	Covers []Cover
	Listen bool
}

func initMain(args []string) int {
	var p plan
	if err := json.Unmarshal([]byte(os.Getenv("AEX_TEST_PLAN")), &p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	if err := prepare(p); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
		return 125
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "AEX_TEST_SANDBOX=try")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, "init:", err)
		return 126
	}
	return 0
}

func prepare(p plan) error {
	b := Bounds{Level: p.Level, Ports: p.Ports}
	if p.Level == Full {
		in, err := Enter()
		if err != nil {
			return err
		}
		if len(in.Missing) > 0 {
			return in.Missing[0]
		}
		if p.Listen {
			f, at, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"))
			if err != nil {
				return err
			}
			fmt.Println(at)
			if err := unix.Sendmsg(3, []byte("x"), unix.UnixRights(int(f.Fd())), nil, 0); err != nil {
				return err
			}
		}
		b.NoCgroups = in.NoCgroups
		if err := in.Cover(p.Covers); err != nil {
			return err
		}
		if err := in.Start(""); err != nil {
			return err
		}
	}
	return Confine(b)
}

// needFull ends a test where the full level cannot be had, and says why.
func needFull(t testing.TB) {
	t.Helper()
	if out, err := sandboxed(t, plan{Level: Full}, "true").CombinedOutput(); err != nil {
		need.Missing(t, "the full sandbox cannot be had here: %v: %s", err, out)
	}
}

// sandboxed runs a program in a sandbox.
func sandboxed(t testing.TB, p plan, args ...string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "AEX_TEST_SANDBOX=init", "AEX_TEST_PLAN="+string(text), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if p.Level == Full {
		if err := Attr(cmd.SysProcAttr); err != nil {
			t.Fatal(err)
		}
	}
	return cmd
}

// output is what a program in a sandbox prints; its failure is the test's.
func output(t testing.TB, p plan, args ...string) string {
	t.Helper()
	out, err := sandboxed(t, p, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// try does one thing and prints how it went.
func try(what string) int {
	f, known := tries[what]
	if !known {
		fmt.Println("unknown")
		return 1
	}
	if err := f(); err != nil {
		fmt.Println(err)
		return 0
	}
	fmt.Println("done")
	return 0
}
