package sandbox

import (
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Confine restricts the calling thread, and what it starts from now on, for good. The thread must be locked.
func Confine(b Bounds) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	switch b.Level {
	case Full:
		if err := dropCapabilities(); err != nil {
			return err
		}
	case Network:
		if err := confineNetwork(b.Ports); err != nil {
			return err
		}
	default:
		return nil
	}
	return loadFilters(b)
}

// filesOnly are the capabilities that a program of root's keeps: they concern files and its own processes. SETFCAP lets it
// map itself into a namespace of its own; the files of root it can change in any case.
var filesOnly = []uint{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID,
	unix.CAP_NET_BIND_SERVICE, unix.CAP_SETFCAP,
}

// dropCapabilities leaves this thread none. With no_new_privs no program that it starts gets any back.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if os.Geteuid() == 0 {
		for _, c := range filesOnly {
			data[c/32].Effective |= 1 << (c % 32)
			data[c/32].Permitted |= 1 << (c % 32)
		}
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return nil
}

// minABI is the version of Landlock that knows of TCP; with scopeABI signals and abstract sockets end at the domain's
// border.
const (
	minABI   = 4
	scopeABI = 6
)

// landlockABI is the kernel's version of Landlock, 0 for none.
func landlockABI() int {
	v, err := landlocksys.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return v
}

// confineNetwork allows TCP to some ports, of whatever address: Landlock knows ports only.
func confineNetwork(ports []uint16) error {
	abi := landlockABI()
	if abi < minABI {
		return fmt.Errorf("confining the network: the kernel's Landlock has version %d, and %d is needed", abi, minABI)
	}
	config := landlock.Config{HandledAccessNet: landlock.AccessNetSet(landlocksys.AccessNetConnectTCP | landlocksys.AccessNetBindTCP)}
	if abi >= scopeABI {
		config.Scoped = landlock.ScopedSet(landlocksys.ScopeAbstractUnixSocket | landlocksys.ScopeSignal)
	}
	var rules []landlock.Rule
	for _, p := range ports {
		rules = append(rules, landlock.ConnectTCP(p))
	}
	fd, flags, err := config.NewRulesetFD(rules...)
	if err != nil {
		return fmt.Errorf("confining the network: %w", err)
	}
	defer unix.Close(fd)
	if err := landlocksys.LandlockRestrictSelf(fd, flags); err != nil {
		return fmt.Errorf("confining the network: %w", err)
	}
	return nil
}

// NetworkLevel says whether the network level can be had, and what it leaves open.
func NetworkLevel() (open []string, err error) {
	abi := landlockABI()
	if abi < minABI {
		return nil, fmt.Errorf("the kernel's Landlock has version %d, and the network level needs %d (Linux 6.7)", abi, minABI)
	}
	open = []string{
		"TCP to the gateway's port number at any address", "unix sockets in the file system", "files: aex's home, its ledger and its keys can be read by their owner",
		"the list of processes outside",
	}
	if abi < scopeABI {
		open = append(open, "signals to processes outside, and abstract unix sockets (Landlock of Linux 6.12 closes both)")
	}
	return open, nil
}
