package adapter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/owned"
)

// LauncherMain is what aex does under the name of an agent: it finds the real
// program further on in PATH, adapts it, and becomes it. ok is false where this
// process is no launcher; else it returns only if the program cannot be
// started, with the exit code that a shell would give.
func LauncherMain(argv []string) (code int, ok bool) {
	if len(argv) == 0 {
		return 0, false
	}
	a := Named(filepath.Base(argv[0]))
	if a == nil {
		return 0, false
	}
	folder := folderOf(argv[0], os.Getenv("PATH"))
	if folder == "" {
		return 0, false
	}
	real := lookAfter(a.Name, os.Getenv("PATH"), self())
	if real == "" {
		fmt.Fprintf(os.Stderr, "aex: %s: not found in PATH but for aex's own launcher\n", a.Name)
		return 127, true
	}
	argv, env, err := a.launch(folder, argv)
	if err != nil { // the run is over, or its folder is gone: the program is what was asked for
		fmt.Fprintf(os.Stderr, "aex: %s is not led to aex: %v\n", a.Name, err)
		env = os.Environ()
	}
	return become(real, argv, env), true
}

// launch is the agent's command line and environment. The environment may be
// another than aex made: what leads to the gateway is put into it again.
func (a *Adapter) launch(folder string, argv []string) (newArgv, env []string, err error) {
	l, err := readPlan(folder)
	if err != nil {
		return argv, nil, err
	}
	s := l.start(folder, a, argv, 1, os.Environ())
	for _, pair := range l.Set {
		s.unset(pair[0])
		s.env = append(s.env, pair[0]+"="+pair[1])
	}
	if a.unled != "" {
		fmt.Fprintf(os.Stderr, "aex: %s: what it spends is not metered\n", a.unled)
	}
	if a.start != nil {
		if err := a.start(s); err != nil {
			return argv, nil, err
		}
	}
	_ = owned.MkdirAll(filepath.Join(folder, launched), 0o700)
	_ = owned.Write(filepath.Join(folder, launched, a.Name), nil, 0o600) // a line at the run's end is all that depends on it
	return s.argv, s.env, nil
}

// become replaces this process by the program. A script without #! is the
// shell's, as for execvp.
func become(program string, argv, env []string) int {
	err := syscall.Exec(program, argv, env)
	if errors.Is(err, unix.ENOEXEC) {
		err = syscall.Exec("/bin/sh", append([]string{"sh", program}, argv[1:]...), env)
	}
	fmt.Fprintf(os.Stderr, "aex: %s: %v\n", argv[0], err)
	return 126
}

// folderOf is the folder of the run whose launcher was called by this name; ""
// for a program that only has an agent's name.
func folderOf(name, path string) string {
	mine := self()
	dirs := filepath.SplitList(path)
	if strings.Contains(name, "/") {
		dirs = []string{filepath.Dir(name)}
	}
	for _, dir := range dirs {
		there := filepath.Join(dir, filepath.Base(name))
		folder := filepath.Dir(dir)
		if !same(there, mine) || filepath.Base(dir) != launchers {
			continue
		}
		if _, err := os.Stat(filepath.Join(folder, plan)); err == nil {
			return folder
		}
	}
	return ""
}

// self is this program's own file; nil where it cannot be found.
func self() os.FileInfo {
	path, err := os.Executable()
	if err != nil {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(path string, file os.FileInfo) bool {
	info, err := os.Stat(path)
	return err == nil && file != nil && os.SameFile(info, file)
}

// lookAfter finds a program in PATH, other than not; "": there is none.
func lookAfter(name, path string, not os.FileInfo) string {
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			dir = "."
		}
		candidate := filepath.Join(dir, name)
		if !strings.Contains(candidate, "/") {
			candidate = "./" + candidate
		}
		if unix.Access(candidate, unix.F_OK) != nil {
			continue // as a rule; os.Stat takes twice as long to find that out
		}
		info, err := os.Stat(candidate)
		if err == nil && !info.IsDir() && info.Mode()&0o111 != 0 && (not == nil || !os.SameFile(info, not)) {
			return candidate
		}
	}
	return ""
}

// IsLauncher tells whether a program of this name is started by a launcher of
// the environment.
func IsLauncher(name string, env []string) bool {
	i := slices.IndexFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "PATH=") })
	return i >= 0 && !strings.Contains(name, "/") && folderOf(name, strings.TrimPrefix(env[i], "PATH=")) != ""
}
