//go:build !linux

package sandbox

import (
	"net/netip"
	"os"
	"syscall"
)

// Inside is a full sandbox from its init's side; there is none here.
type Inside struct {
	Missing   []Missing
	NoCgroups bool
}

// Attr, Enter and the others answer with [ErrPlatform].
func Attr(*syscall.SysProcAttr) error { return ErrPlatform }

func Enter() (*Inside, error) { return nil, ErrPlatform }

func (*Inside) Cover([]Cover) error { return ErrPlatform }

func (*Inside) Start(string) error { return ErrPlatform }

func Listen(addr netip.AddrPort) (*os.File, netip.AddrPort, error) { return nil, addr, ErrPlatform }

func Confine(Bounds) error { return ErrPlatform }

func NetworkLevel() ([]string, error) { return nil, ErrPlatform }

// Explain says that nothing can be done here.
func Explain(error) Missing {
	return Missing{What: ErrPlatform.Error(), Remedy: "run aex in a Linux container or a virtual machine"}
}

// Supported says that there is none here.
func Supported() error { return ErrPlatform }

// Caller is what the sockets of a machine are found by.
type Caller struct {
	UID  int
	Home string
	Env  map[string]string
}

// Sockets are none.
func Sockets(Caller, []string) []Cover { return nil }

// CheckSockets accepts what will not be used.
func CheckSockets([]string) error { return nil }
