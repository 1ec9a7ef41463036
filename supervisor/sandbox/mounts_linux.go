package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is a line of mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	device string // major:minor
	root   string // the directory of the file system that is mounted
	point  string
	flags  uintptr // of this mount
	kind   string  // of the file system
}

// mountFlags are the options of a mount that a remount has to keep.
var mountFlags = map[string]uintptr{
	"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME,
}

// readMounts lists the mounts in the order in which they were made. Of several at one point it lists the last, which is
// the one that is seen.
func readMounts() ([]mount, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts: %w", err)
	}
	defer f.Close()
	all, err := parseMounts(f)
	if err != nil {
		return nil, err
	}
	last := map[string]int{}
	for i, m := range all {
		last[m.point] = i
	}
	var seen []mount
	for i, m := range all {
		if last[m.point] == i {
			seen = append(seen, m)
		}
	}
	return seen, nil
}

func parseMounts(r io.Reader) ([]mount, error) {
	var all []mount
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		fields := strings.Fields(line)
		if len(fields) > 6 {
			m := mount{device: fields[2], root: unescape(fields[3]), point: unescape(fields[4])}
			for option := range strings.SplitSeq(fields[5], ",") {
				m.flags |= mountFlags[option]
			}
			for i, field := range fields[6:] {
				if field == "-" && len(fields) > 6+i+1 {
					m.kind = fields[6+i+1]
					break
				}
			}
			all = append(all, m)
		}
		switch {
		case err == io.EOF:
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("reading the mounts: %w", err)
		}
	}
}

// unescape reads the octal escapes of mountinfo: \040 is a space.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// beneath tells whether path is dir or in it, and what is left of it.
func beneath(path, dir string) (rest string, ok bool) {
	if dir == "/" {
		return path, true
	}
	rest, ok = strings.CutPrefix(path, dir)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// places are all paths under which the file at path is mounted: a bind mount shows it a second time. The first is path
// itself.
func places(path string, mounts []mount) []string {
	all := []string{path}
	var on *mount // the last one mounted wins
	for i := range mounts {
		if _, ok := beneath(path, mounts[i].point); ok && (on == nil || len(mounts[i].point) >= len(on.point)) {
			on = &mounts[i]
		}
	}
	if on == nil {
		return all
	}
	rest, _ := beneath(path, on.point)
	inside := filepath.Join(on.root, rest)
	for _, m := range mounts {
		if m.device != on.device {
			continue
		}
		if rest, ok := beneath(inside, m.root); ok {
			if other := filepath.Join(m.point, rest); other != path {
				all = append(all, other)
			}
		}
	}
	return all
}

// remount adds flags to a mount and keeps those that it has. One that lies below another mount cannot be reached, and
// need not be.
func remount(m mount, flags uintptr) error {
	if m.flags&flags == flags {
		return nil
	}
	err := unix.Mount("", m.point, "", unix.MS_BIND|unix.MS_REMOUNT|m.flags|flags, "")
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("remounting %s: %w", m.point, err)
}

// overlay binds source over target, not to be written.
func overlay(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("covering %s: %w", target, err)
	}
	// A bind of a file that lies on a restricted mount keeps those flags; asked for anew they are no change.
	flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("", target, "", flags, ""); err != nil {
		return fmt.Errorf("covering %s: %w", target, err)
	}
	return nil
}
