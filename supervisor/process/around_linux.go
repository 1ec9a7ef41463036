package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// Around tells whether this process is below a monitor, whatever its own environment says, and what the environment of
// the nearest program between the two is that names a run; nil when none can be read.
func Around() (environ []string, below bool) {
	var table processTable
	var between []int
	for pid := os.Getppid(); pid > 1; {
		p, err := table.lookup(pid)
		if err != nil {
			return nil, false
		}
		if isMonitor(table, pid) {
			return nearestRun(table, between), true
		}
		between = append(between, pid)
		pid = p.parent
	}
	return nil, false
}

func nearestRun(table processTable, pids []int) []string {
	for _, pid := range pids {
		if environ := runEnviron(table, pid); environ != nil {
			return environ
		}
	}
	return nil
}

func isMonitor(table processTable, pid int) bool {
	line, err := os.ReadFile(table.path(strconv.Itoa(pid), "cmdline"))
	return err == nil && bytes.HasPrefix(line, []byte("aex\x00"+monitorArg+"\x00"))
}

// runEnviron is a process's environment, if it names a run.
func runEnviron(table processTable, pid int) []string {
	text, err := os.ReadFile(table.path(strconv.Itoa(pid), "environ"))
	if err != nil {
		return nil
	}
	environ := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	for _, entry := range environ {
		if strings.HasPrefix(entry, "AEX_RUN_ID=") {
			return environ
		}
	}
	return nil
}
