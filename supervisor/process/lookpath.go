//go:build linux || darwin

package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultPath is where programs are looked for when there is no PATH at all, as execvp(3) has it.
const defaultPath = "/bin:/usr/bin"

// lookPath finds a program in the child's PATH, not in aex's. A name with a slash is the child's to resolve, from
// its directory.
func lookPath(name, dir string, env []string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: its name is empty", ErrNotFound)
	}
	if strings.Contains(name, "/") {
		from := name
		if !filepath.IsAbs(from) {
			from = filepath.Join(dir, from)
		}
		return name, runnable(from, name)
	}
	path := defaultPath
	for _, setting := range env {
		if value, ok := strings.CutPrefix(setting, "PATH="); ok {
			path = value
		}
	}
	found := fmt.Errorf("%w: %s is not in PATH", ErrNotFound, name)
	for _, place := range filepath.SplitList(path) {
		if place == "" {
			place = "."
		}
		candidate := filepath.Join(place, name)
		if !filepath.IsAbs(candidate) {
			candidate = "./" + candidate
		}
		err := runnable(filepath.Join(dirFor(candidate, dir), candidate), name)
		if err == nil {
			return candidate, nil
		}
		if _, missing := os.Stat(candidate); missing == nil {
			found = err
		}
	}
	return "", found
}

func dirFor(path, dir string) string {
	if filepath.IsAbs(path) {
		return ""
	}
	return dir
}

// runnable refuses what exec would refuse, with the shell's two answers.
func runnable(path, name string) error {
	st, err := os.Stat(path)
	switch {
	case os.IsPermission(err):
		return fmt.Errorf("%w: %s: permission denied", ErrNotExecutable, name)
	case err != nil:
		return fmt.Errorf("%w: %s", ErrNotFound, name)
	case st.IsDir():
		return fmt.Errorf("%w: %s is a directory", ErrNotExecutable, name)
	case st.Mode()&0o111 == 0:
		return fmt.Errorf("%w: %s: permission denied", ErrNotExecutable, name)
	}
	return nil
}

// interpreter is what the first line of a script names; "" for what is no script, or cannot be read.
func interpreter(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return ""
	}
	defer f.Close()
	const longest = 256 // the kernel reads no more
	line, _ := bufio.NewReader(io.LimitReader(f, longest)).ReadString('\n')
	rest, script := strings.CutPrefix(line, "#!")
	words := strings.Fields(rest)
	if !script || len(words) == 0 {
		return ""
	}
	return words[0]
}
