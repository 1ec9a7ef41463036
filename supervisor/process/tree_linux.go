package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processTable reads /proc. The zero value reads the real one.
type processTable struct {
	root string // tests give another
}

var errGone = errors.New("process is gone")

func (t processTable) path(parts ...string) string {
	root := t.root
	if root == "" {
		root = "/proc"
	}
	return filepath.Join(root, filepath.Join(parts...))
}

// lookup reads one process. The name may hold anything, parentheses and spaces too.
func (t processTable) lookup(pid int) (Proc, error) {
	text, err := os.ReadFile(t.path(strconv.Itoa(pid), "stat"))
	if err != nil {
		return Proc{}, errGone
	}
	open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || shut < open {
		return Proc{}, fmt.Errorf("reading process %d: unknown format", pid)
	}
	fields := strings.Fields(string(text[shut+1:]))
	if len(fields) < 20 {
		return Proc{}, fmt.Errorf("reading process %d: unknown format", pid)
	}
	p := Proc{PID: pid, Name: string(text[open+1 : shut]), state: fields[0][0]}
	p.parent, _ = strconv.Atoi(fields[1])
	p.group, _ = strconv.Atoi(fields[2])
	p.threads, _ = strconv.Atoi(fields[17])
	p.start, _ = strconv.ParseUint(fields[19], 10, 64)
	return p, nil
}

// descend adds to found all that descends from roots, but not the roots, nor spared processes and what descends
// from those. Zombies are added too.
func (t processTable) descend(roots []int, spare map[int]bool, thorough bool, found map[int]Proc) {
	children := t.children
	if thorough || !t.listsChildren(roots) {
		byParent := t.scan()
		children = func(pid int) []int { return byParent[pid] }
	}
	queue := append([]int(nil), roots...)
	for len(queue) > 0 {
		pid := queue[0]
		queue = queue[1:]
		for _, child := range children(pid) {
			if _, known := found[child]; known || spare[child] {
				continue
			}
			if p, err := t.lookup(child); err == nil {
				found[child] = p
				queue = append(queue, child)
			}
		}
	}
}

// listsChildren reports whether the kernel has lists of children (CONFIG_PROC_CHILDREN).
func (t processTable) listsChildren(roots []int) bool {
	for _, pid := range roots {
		id := strconv.Itoa(pid)
		if _, err := os.Stat(t.path(id, "task", id, "children")); err != nil {
			return false
		}
	}
	return true
}

func (t processTable) children(pid int) []int {
	tasks := t.path(strconv.Itoa(pid), "task")
	names, err := readNames(tasks)
	if err != nil {
		return nil
	}
	var out []int
	for _, task := range names {
		list, err := os.ReadFile(filepath.Join(tasks, task, "children"))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// outside is the number out here of the monitor's only child, which has another one inside; 0 when it is gone already.
func (t *tree) outside(inside int) int {
	var table processTable
	last := strconv.Itoa(inside)
	for _, pid := range table.children(t.monitor.process.Pid) {
		status, _ := os.ReadFile(table.path(strconv.Itoa(pid), "status")) // gone is not it
		for line := range strings.Lines(string(status)) {
			if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
				if all := strings.Fields(numbers); len(all) > 0 && all[len(all)-1] == last {
					return pid
				}
			}
		}
	}
	return 0
}

// scan reads the whole table.
func (t processTable) scan() map[int][]int {
	byParent := map[int][]int{}
	names, _ := readNames(t.path())
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if p, err := t.lookup(pid); err == nil {
				byParent[p.parent] = append(byParent[p.parent], pid)
			}
		}
	}
	return byParent
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// signal signals exactly the process that was listed: its number is pinned by a pidfd before the start time is
// compared, so that a process which got the number since is never hit.
func (t processTable) signal(p Proc, s unix.Signal) error {
	if !mayBeSignalled(p.PID) {
		return fmt.Errorf("process %d is not to be signalled", p.PID)
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	switch {
	case err == nil:
		defer unix.Close(fd)
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL):
		return errGone
	default:
		fd = -1 // no pidfds here (an old kernel, a seccomp filter): the check below is then all there is
	}
	if now, err := t.lookup(p.PID); err != nil || now.start != p.start {
		return errGone
	}
	if fd >= 0 {
		return unix.PidfdSendSignal(fd, s, nil, 0)
	}
	return unix.Kill(p.PID, s)
}

// limitForks keeps exactly the process that was listed from forking. The kernel takes a number here, and no pidfd: a
// process that got it meanwhile gets its own limit back.
func (t processTable) limitForks(p Proc) {
	if now, err := t.lookup(p.PID); !mayBeSignalled(p.PID) || err != nil || now.start != p.start {
		return
	}
	before, err := limitForks(p.PID)
	if err != nil {
		return
	}
	if now, err := t.lookup(p.PID); err == nil && now.start != p.start {
		unix.Prlimit(p.PID, unix.RLIMIT_NPROC, &before, nil)
	}
}
