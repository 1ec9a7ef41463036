package cli

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// machineFindings tells what Linux allows: which ways of ending a process tree.
func machineFindings() []finding {
	found := []finding{{Name: "process control", Level: "ok", Text: "subreaper and /proc"}}
	if _, err := os.Stat("/proc/self/task"); err != nil {
		found[0] = finding{Name: "process control", Level: "broken", Text: "/proc is not mounted", Hint: "mount it: without it a program's children are not found"}
	} else if dir := ownCgroup(); dir != "" && unix.Access(dir, unix.W_OK) == nil {
		found[0].Text = "cgroup.kill, subreaper and /proc"
	}
	return found
}

// ownCgroup is this process's directory in a cgroup v2 tree, "" without one.
func ownCgroup() string {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return filepath.Join("/sys/fs/cgroup", path)
		}
	}
	return ""
}
