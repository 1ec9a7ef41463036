//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canary is what the secrets of these tests hold.
const canary = "canary-5f1c9e"

// inThread runs f on a thread that is thrown away after it, with all
// capabilities in a user namespace of its own.
func inThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		result <- f()
	}()
	return <-result
}

// holds tells whether a file shows the canary.
func holds(path string) (bool, error) {
	text, err := os.ReadFile(path)
	return bytes.Contains(text, []byte(canary)), err
}

func victimFile(name, file string) way {
	return way{name, func(o outside) (bool, error) { return holds(fmt.Sprintf("/proc/%d/%s", o.Victim, file)) }}
}

func systemWays() []way { return slices.Concat(processWays, namespaceWays, fileWays, kernelWays) }

// processWays are at processes outside, and at the monitor.
var processWays = []way{
	{"go-signal-victim", func(o outside) (bool, error) { err := unix.Kill(o.Victim, 0); return err == nil, err }},
	{"go-signal-aex", func(o outside) (bool, error) { err := unix.Kill(o.Aex, 0); return err == nil, err }},
	{"go-signal-group", func(o outside) (bool, error) { err := unix.Kill(-o.Aex, 0); return err == nil, err }},
	{"go-signal-monitor", func(outside) (bool, error) { // it may be told, and must not end of it
		err := unix.Kill(1, unix.SIGKILL)
		return false, err
	}},
	{"go-pidfd", func(o outside) (bool, error) {
		fd, err := unix.PidfdOpen(o.Victim, 0)
		if err != nil {
			return false, err
		}
		err = unix.PidfdSendSignal(fd, 0, nil, 0)
		return err == nil, err
	}},
	{"go-pidfd-getfd", func(o outside) (bool, error) {
		fd, err := unix.PidfdOpen(o.Victim, 0)
		if err != nil {
			return false, err
		}
		_, err = unix.PidfdGetfd(fd, 0, 0)
		return err == nil, err
	}},
	{"go-ptrace", func(o outside) (bool, error) { err := unix.PtraceSeize(o.Victim); return err == nil, err }},
	{"go-ptrace-monitor", func(outside) (bool, error) {
		err := unix.PtraceSeize(os.Getppid())
		return err == nil && os.Getppid() == 1, err
	}},
	{"go-read-memory", func(o outside) (bool, error) {
		buf := make([]byte, 8)
		local := []unix.Iovec{{Base: &buf[0], Len: 8}}
		_, err := unix.ProcessVMReadv(o.Victim, local, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
		return err == nil || errors.Is(err, unix.EFAULT), err
	}},
	victimFile("go-proc-environ", "environ"),
	{"go-proc-root", func(o outside) (bool, error) {
		return holds(fmt.Sprintf("/proc/%d/root%s", o.Victim, filepath.Join(o.Home, "canary")))
	}},
	{"go-proc-cwd", func(o outside) (bool, error) { return holds(fmt.Sprintf("/proc/%d/cwd/canary", o.Victim)) }},
	{"go-proc-fd", func(o outside) (bool, error) {
		_, err := os.Open(fmt.Sprintf("/proc/%d/fd/0", o.Victim))
		return err == nil, err
	}},
	{"go-proc-list", func(o outside) (bool, error) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", o.Victim))
		return bytes.Contains(text, []byte("victim")), err
	}},
	{"go-proc-first", func(outside) (bool, error) {
		line, _ := os.ReadFile("/proc/1/cmdline")
		if !bytes.Contains(line, []byte("monitor")) {
			return false, errors.New("the first process is none of aex's")
		}
		for _, file := range []string{"environ", "mem", "maps", "fd/3", "fd/4", "root", "cwd"} {
			if f, err := os.Open("/proc/1/" + file); err == nil {
				n, _ := f.Read(make([]byte, 1))
				f.Close()
				if n > 0 || file == "root" || file == "cwd" {
					return true, nil
				}
			}
		}
		return false, errors.New("nothing of it can be read")
	}},
}

// namespaceWays change what the program sees, or where it is.
var namespaceWays = []way{
	{"go-setns-network", func(o outside) (bool, error) { return false, enterNamespace("go-setns-network", o, "net") }},
	{"go-setns-mount", func(o outside) (bool, error) { return seesHomeIn(o, "mnt") }},
	{"go-setns-pidfd", func(o outside) (bool, error) {
		fd, err := unix.PidfdOpen(o.Victim, 0)
		if err != nil {
			return false, err
		}
		err = inThread(func() error { return unix.Setns(fd, unix.CLONE_NEWNET|unix.CLONE_NEWIPC) })
		return err == nil, err
	}},
	{"go-mount", func(outside) (bool, error) {
		if err := unix.Mount("tmpfs", "/mnt", "tmpfs", 0, ""); err != nil {
			return false, err
		}
		return true, unix.Unmount("/mnt", 0)
	}},
	{"go-unmount", func(o outside) (bool, error) {
		err := unix.Unmount(o.Home, unix.MNT_DETACH)
		got, _ := holds(filepath.Join(o.Home, "canary"))
		return got && err == nil, err
	}},
}

// fileWays are at what a sandbox hides, and at aex's own files.
var fileWays = []way{
	{"go-home", func(o outside) (bool, error) { return holds(filepath.Join(o.Home, "canary")) }},
	{"go-home-by-dots", func(o outside) (bool, error) { return holds(o.Home + "/../" + filepath.Base(o.Home) + "/./canary") }},
	{"go-hidden", func(o outside) (bool, error) { return holds(filepath.Join(o.Hidden, "canary")) }},
	{"go-env-file", func(o outside) (bool, error) {
		text, err := os.ReadFile(o.EnvFile)
		return bytes.Contains(text, []byte(realKey)), err
	}},
	{"go-ledger-write", func(o outside) (bool, error) {
		f, err := os.OpenFile(filepath.Join(o.Home, "aex.db"), os.O_RDWR, 0)
		if err == nil {
			f.Close()
		}
		return err == nil, err
	}},
	{"go-owner-locks", func(o outside) (bool, error) {
		entries, err := os.ReadDir(filepath.Join(o.Home, "aex.db.owners"))
		return len(entries) > 0, err
	}},
	{"go-hard-link", func(o outside) (bool, error) {
		to := filepath.Join(filepath.Dir(o.Home), "linked")
		defer os.Remove(to)
		if err := os.Link(filepath.Join(o.Home, "canary"), to); err != nil {
			return false, err
		}
		return holds(to)
	}},
	{"go-rename-home", func(o outside) (bool, error) {
		to := o.Home + ".moved"
		if err := os.Rename(o.Home, to); err != nil {
			return false, err
		}
		got, err := holds(filepath.Join(to, "canary"))
		return got, errors.Join(err, os.Rename(to, o.Home))
	}},
	{"go-open-by-handle", openByHandle},
}

// kernelWays are at what a kernel shares among its processes, and at the kernel itself.
var kernelWays = []way{
	{"go-shared-memory", func(o outside) (bool, error) { _, err := unix.SysvShmGet(o.Shm, 1, 0); return err == nil, err }},
	{"go-message-queue", func(o outside) (bool, error) {
		name, _ := unix.BytePtrFromString(o.Queue)
		fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR, 0, 0, 0, 0)
		if errno != 0 {
			return false, errno
		}
		unix.Close(int(fd))
		return true, nil
	}},
	{"go-keyring", func(outside) (bool, error) {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true)
		return err == nil, err
	}},
	{"go-core-pattern", func(outside) (bool, error) { return writable("/proc/sys/kernel/core_pattern") }},
	{"go-modprobe", func(outside) (bool, error) { return writable("/proc/sys/kernel/modprobe") }},
	{"go-sysrq", func(outside) (bool, error) { return writable("/proc/sysrq-trigger") }},
	{"go-cgroup", func(outside) (bool, error) {
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			dir := filepath.Join(root, "aex-escape-"+strconv.Itoa(os.Getpid()))
			if err := os.Mkdir(dir, 0o700); err == nil {
				os.Remove(dir)
				return true, nil
			}
		}
		return false, errors.New("none may be made")
	}},
	{"go-disk", func(outside) (bool, error) {
		parts, err := os.ReadFile("/proc/partitions")
		for _, name := range strings.Fields(string(parts)) {
			if f, err := os.Open("/dev/" + name); err == nil {
				info, _ := f.Stat()
				f.Close()
				if info.Mode()&os.ModeDevice != 0 && info.Mode()&os.ModeCharDevice == 0 {
					return true, nil
				}
			}
		}
		return false, err
	}},
	{"go-make-device", func(outside) (bool, error) {
		path := filepath.Join(os.TempDir(), "aex-node-"+strconv.Itoa(os.Getpid()))
		defer os.Remove(path)
		err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(254, 0)))
		return err == nil, err
	}},
	{"go-terminal-input", func(outside) (bool, error) {
		c := byte('x')
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, 1<<32|unix.TIOCSTI, uintptr(unsafe.Pointer(&c)))
		return errno == 0, errno
	}},
	{"go-setuid", func(outside) (bool, error) {
		n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		return err == nil && n == 0, err
	}},
	{"go-capabilities", func(outside) (bool, error) {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&header, &data[0])
		const dangerous = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_MKNOD | 1<<unix.CAP_SYS_RAWIO
		return data[0].Permitted&dangerous != 0, err
	}},
}

func writable(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		f.Close()
	}
	return err == nil, err
}

func enterNamespace(name string, o outside, kind string) error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", o.Victim, kind))
	if err != nil {
		return err
	}
	defer f.Close()
	return inThread(func() error {
		if err := unix.Setns(int(f.Fd()), 0); err != nil {
			return err
		}
		return rawConnect(name, o.Port, 0)
	})
}

func seesHomeIn(o outside, kind string) (got bool, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", o.Victim, kind))
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = inThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNS); err != nil {
			return err
		}
		got, err = holds(filepath.Join(o.Home, "canary"))
		return err
	})
	return got, err
}

// openByHandle makes a handle of what lies over aex's home, and looks below it
// on the file system by a guess of the home's own.
func openByHandle(o outside) (bool, error) {
	parent, err := unix.Open(filepath.Dir(o.Home), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(parent)
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, filepath.Dir(o.Home), 0)
	if err != nil {
		return false, err
	}
	fd, err := unix.OpenByHandleAt(parent, handle, unix.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	file, err := unix.Openat(fd, filepath.Base(o.Home)+"/canary", unix.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	unix.Close(file)
	return true, nil
}
