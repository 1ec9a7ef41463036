package sandbox

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces are those of the full level.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC

// Attr makes attr start a process as the init of a full sandbox, with the caller's own uid and gid.
func Attr(attr *syscall.SysProcAttr) error {
	uids, err := identity("/proc/self/uid_map", os.Geteuid())
	if err != nil {
		return err
	}
	gids, err := identity("/proc/self/gid_map", os.Getegid())
	if err != nil {
		return err
	}
	attr.Cloneflags |= namespaces
	attr.UidMappings, attr.GidMappings = uids, gids
	attr.GidMappingsEnableSetgroups = len(gids) > 1 || gids[0].Size > 1
	attr.AmbientCaps = append(attr.AmbientCaps, unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_KILL)
	return nil
}

// identity maps an id to itself. Root, who may, maps all that there are: a program of root's changes owners and runs
// services as other users.
func identity(path string, own int) ([]syscall.SysProcIDMap, error) {
	alone := []syscall.SysProcIDMap{{ContainerID: own, HostID: own, Size: 1}}
	if os.Geteuid() != 0 || !has(unix.CAP_SETUID) || !has(unix.CAP_SETGID) || !has(unix.CAP_SETFCAP) {
		return alone, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the map of ids: %w", err)
	}
	var all []syscall.SysProcIDMap
	for line := range strings.Lines(string(text)) {
		var inside, outside, size int
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err != nil {
			return nil, fmt.Errorf("reading the map of ids: %w", err)
		}
		all = append(all, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
	}
	if len(all) == 0 {
		return alone, nil
	}
	return all, nil
}

// has tells whether this thread has a capability.
func has(capability uintptr) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
