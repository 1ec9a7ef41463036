package sandbox

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// writesCgroups tells whether this user may write a cgroup that this process is in: root, and users whose cgroups were
// delegated to them. Where no cgroups are mounted only root could.
func writesCgroups(mounts []mount) bool {
	if os.Geteuid() == 0 {
		return true
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		for _, m := range mounts {
			rest, ok := beneath(parts[2], m.root)
			if ok && (m.kind == "cgroup" || m.kind == "cgroup2") && unix.Access(filepath.Join(m.point, rest, "cgroup.procs"), unix.W_OK) == nil {
				return true
			}
		}
	}
	return false
}
