package ledger

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// isMount tells whether something is mounted at the path, which is a real one.
func isMount(path string) bool {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, 0, &st) == nil && st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
	}
	return mountedAt(path) // a kernel before 5.8
}

func mountedAt(path string) bool {
	text, _ := os.ReadFile("/proc/self/mountinfo") // not there: then nobody can tell
	path = strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)
	for line := range strings.Lines(string(text)) {
		// 36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw
		if f := strings.Fields(line); len(f) > 4 && f[4] == path {
			return true
		}
	}
	return false
}
