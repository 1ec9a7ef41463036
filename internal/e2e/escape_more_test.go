//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// childWays are tried in processes that a way starts: with other rights, or in
// namespaces of their own. Each prints OUT when it got out.
var childWays = map[string]func(o outside) error{
	"euid": func(outside) error {
		if os.Geteuid() != os.Getuid() {
			fmt.Println("OUT")
		}
		return nil
	},
	// All capabilities in a mount namespace of its own let handles be opened there.
	"handle": func(o outside) error {
		if out, _ := openByHandle(o); out {
			fmt.Println("OUT")
			return nil
		}
		root, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		const rootOfFileSystem = 2 // of ext4
		handle := unix.NewFileHandle(1, []byte{rootOfFileSystem, 0, 0, 0, 0, 0, 0, 0})
		fd, err := unix.OpenByHandleAt(root, handle, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		file, err := unix.Openat(fd, strings.TrimPrefix(o.Home, "/")+"/canary", unix.O_RDONLY, 0)
		if err == nil {
			unix.Close(file)
			fmt.Println("OUT")
		}
		return err
	},
	// A copy of a mount without what is mounted on it.
	"opentree": func(o outside) error {
		fd, err := unix.OpenTree(unix.AT_FDCWD, filepath.Dir(o.Home), unix.OPEN_TREE_CLONE)
		if err != nil {
			return err
		}
		file, err := unix.Openat(fd, filepath.Base(o.Home)+"/canary", unix.O_RDONLY, 0)
		if err == nil {
			unix.Close(file)
			fmt.Println("OUT")
		}
		return err
	},
}

// inChild tries a way in a process behind prefix.
func inChild(name, child string, prefix func(o outside) []string) way {
	return way{name, func(o outside) (bool, error) {
		args := prefix(o)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "AEX_E2E_ROLE=escape-child", "ESCAPE_CHILD="+child)
		out, err := cmd.CombinedOutput()
		return strings.Contains(string(out), "OUT"), errors.Join(err, errors.New(strings.TrimSpace(string(out))))
	}}
}

// escapeChild is such a process.
func escapeChild() int {
	if err := childWays[os.Getenv("ESCAPE_CHILD")](readOutside()); err != nil {
		fmt.Println(err)
	}
	return 0
}

// moreWays are those that need another process, or what the kernel forgets.
func moreWays() []way {
	namespaces := func(outside) []string {
		self, _ := os.Executable() // there is one: it runs
		return []string{"unshare", "-Urm", self}
	}
	return []way{
		dialing("go-tcp-port-of-gateway", "tcp4", func(o outside) string { return fmt.Sprintf("127.0.0.9:%d", o.Port) }),
		inChild("go-setuid-program", "euid", func(o outside) []string { return []string{o.Helper} }),
		inChild("go-handle-in-namespace", "handle", namespaces),
		inChild("go-open-tree", "opentree", namespaces),
		{"go-listen", listenUnbound},
		{"go-bind", bindOutside},
		{"go-x32-socket", x32Socket},
		{"go-owner-lock-take", func(o outside) (bool, error) { // whoever may write here can end a living owner
			path := filepath.Join(o.Home, "aex.db.owners", "escape")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				return false, err
			}
			return true, os.Remove(path)
		}},
		{"go-parent-namespace", parentNamespace},
	}
}

// outsideNetwork tells whether this is the network of outside.
func outsideNetwork(o outside) (bool, error) {
	network, err := os.Readlink("/proc/thread-self/ns/net")
	return network == o.Network, err
}

// listenUnbound takes a port without bind(2), of which Landlock would know.
func listenUnbound(o outside) (bool, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(s)
	if err := unix.Listen(s, 1); err != nil {
		return false, err
	}
	return outsideNetwork(o)
}

func bindOutside(o outside) (bool, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(s)
	if err := unix.Bind(s, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 7}}); err != nil {
		return false, err
	}
	return outsideNetwork(o)
}

// x32Socket calls by the numbers of a third kind of programs that one kernel serves.
func x32Socket(o outside) (bool, error) {
	const x32 = 1 << 30
	s, _, errno := unix.Syscall(x32|unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0)
	if errno != 0 {
		return false, errno
	}
	defer unix.Close(int(s))
	return false, unix.Sendto(int(s), signed("go-x32-socket"), 0, &unix.SockaddrInet4{Port: o.Port, Addr: [4]byte{127, 0, 0, 1}})
}

// parentNamespace asks the kernel for the namespace around this one.
func parentNamespace(outside) (bool, error) {
	f, err := os.Open("/proc/self/ns/user")
	if err != nil {
		return false, err
	}
	defer f.Close()
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.NS_GET_PARENT, 0)
	if errno != 0 {
		return false, errno
	}
	unix.Close(int(fd))
	return true, nil
}
