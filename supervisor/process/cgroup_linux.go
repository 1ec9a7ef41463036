package process

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A cgroup of its own holds a run's tree where the user may make one (version 2, a delegated subtree or root). It is
// one more layer of the kill, never the only one: a process that may write cgroup.procs can leave it.

const cgroupPrefix = "aex-"

type cgroup struct {
	dir string
}

// makeCgroup makes the cgroup aex-<id> below this process's own, or returns nil where that cannot be.
func makeCgroup(id string) *cgroup {
	own, _ := ownCgroup()
	if own == "" || id == "" || strings.ContainsAny(id, "/\x00") {
		return nil
	}
	c := &cgroup{dir: filepath.Join(own, cgroupPrefix+id)}
	if os.Mkdir(c.dir, 0o755) != nil {
		return nil
	}
	return c
}

// ownCgroup is the directory of this process's cgroup of version 2, wherever that is mounted, and the directory that it
// is mounted at. To ask the kernel takes longer than to make a cgroup.
var ownCgroup = sync.OnceValues(findOwnCgroup)

func findOwnCgroup() (own, mount string) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", ""
	}
	path := ""
	for line := range strings.Lines(string(text)) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			path = p
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || path == "" || strings.HasPrefix(path, "/..") {
		return "", ""
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root, point := unescapeMount(fields[3]), unescapeMount(fields[4])
		if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(root, "/")); ok {
			return filepath.Join(point, rest), point
		}
	}
	return "", ""
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// open returns the directory for clone3.
func (c *cgroup) open() (*os.File, error) {
	fd, err := unix.Open(c.dir, unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_PATH, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: c.dir, Err: err}
	}
	return os.NewFile(uintptr(fd), c.dir), nil
}

func (c *cgroup) kill() error {
	return os.WriteFile(filepath.Join(c.dir, "cgroup.kill"), []byte("1"), 0)
}

// directories lists the cgroup and all below it, the deepest first.
func (c *cgroup) directories() []string {
	var dirs []string
	filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append([]string{path}, dirs...)
		}
		return nil
	})
	return dirs
}

func (c *cgroup) processes() []int {
	var pids []int
	for _, dir := range c.directories() {
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// remove removes the cgroup. What lives in it on purpose moves to the parent first, else the next sweep would take it
// for the remains of a dead run.
func (c *cgroup) remove() error {
	if unix.Rmdir(c.dir) == nil { // as a rule nothing is left
		return nil
	}
	parent := filepath.Join(filepath.Dir(c.dir), "cgroup.procs")
	var err error
	for pause := time.Millisecond; pause < 100*time.Millisecond; pause += pause / 2 {
		for _, pid := range c.processes() {
			os.WriteFile(parent, []byte(strconv.Itoa(pid)), 0)
		}
		err = nil
		for _, dir := range c.directories() {
			if rm := unix.Rmdir(dir); rm != nil && rm != unix.ENOENT {
				err = &os.PathError{Op: "rmdir", Path: dir, Err: rm}
			}
		}
		if err == nil || !errors.Is(err, unix.EBUSY) {
			return err
		}
		<-time.After(pause) // the last process is dead, the kernel has not noticed yet
	}
	return err
}

// SweepCgroups ends what is left of runs whose aex and monitor were both killed: it kills and removes every cgroup
// named aex-<id> of which dead reports true for id, beside this process's own cgroup and in sibling sessions.
func SweepCgroups(dead func(id string) bool) {
	own, mount := ownCgroup()
	if own == "" {
		return
	}
	places := []string{own}
	if own != mount { // the root has no siblings
		up := filepath.Dir(own)
		names, _ := readNames(up)
		for _, name := range names {
			if place := filepath.Join(up, name); place != own {
				places = append(places, place)
			}
		}
	}
	for _, place := range places {
		names, _ := readNames(place) // not a pattern: unit names hold backslashes
		for _, name := range names {
			if id, ok := strings.CutPrefix(name, cgroupPrefix); ok && dead(id) {
				sweep(&cgroup{dir: filepath.Join(place, name)})
			}
		}
	}
}

func sweep(c *cgroup) {
	f := forest{roots: func() ([]int, map[int]bool) { return nil, nil }, cgroup: c}
	if len(f.end(0).Survivors) == 0 {
		c.remove()
	}
}
