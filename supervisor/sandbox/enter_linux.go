package sandbox

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Inside is a full sandbox from its init's side.
type Inside struct {
	// Missing is what could not be had, although the walls stand.
	Missing []Missing
	// NoCgroups says that the program could write the cgroups that it is in with others, if it mounted them anew.
	NoCgroups bool
}

// Enter makes the inside of the namespaces that this process is the init of: a loopback interface that is up, a /proc of
// its own, and nothing of the kernel's that the outside could be changed by.
func Enter() (*Inside, error) {
	if err := loopbackUp(); err != nil {
		return nil, &StepError{StepLoopback, err}
	}
	// What is mounted or unmounted in here stays in here, and what is outside stays out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, &StepError{StepMounts, err}
	}
	in := &Inside{}
	// While the outside's own /proc is not hidden by anything, the kernel allows a new one.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		in.Missing = append(in.Missing, Explain(&StepError{StepProc, err}))
	}
	mounts, err := readMounts()
	if err == nil {
		in.NoCgroups = writesCgroups(mounts)
		err = in.guardKernel(mounts)
	}
	if err == nil && os.Geteuid() == 0 {
		err = in.guardRoot()
	}
	if err != nil {
		return nil, &StepError{StepMounts, err}
	}
	return in, nil
}

// guardKernel makes /sys read-only: the cgroups of a user hold switches that freeze and end what is outside. The message
// queues are those of the own ipc namespace.
func (in *Inside) guardKernel(mounts []mount) error {
	for _, m := range mounts {
		if _, ok := beneath(m.point, "/sys"); ok || m.kind == "cgroup" || m.kind == "cgroup2" {
			if err := remount(m, unix.MS_RDONLY); err != nil {
				return err
			}
		}
		if m.kind == "mqueue" {
			if err := unix.Mount("mqueue", m.point, "mqueue", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
				return fmt.Errorf("mounting %s: %w", m.point, err)
			}
		}
	}
	return nil
}

// kernelFiles are what the files of /proc do to the whole machine when root writes them: most ask for no capability, only
// for the owner. Container runtimes guard the same ones.
var (
	kernelFiles  = []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"}
	kernelHidden = []string{"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/scsi", "/proc/acpi", "/proc/asound"}
)

// guardRoot takes from a program that runs as root what root may do by owning files alone: the kernel's settings, and
// the disks.
func (in *Inside) guardRoot() error {
	for _, path := range kernelFiles {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := unix.Mount(path, path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("guarding %s: %w", path, err)
		}
		flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
		if err := remount(mount{point: path, flags: flags}, unix.MS_RDONLY); err != nil {
			return err
		}
	}
	now, err := readMounts()
	if err != nil {
		return err
	}
	for _, m := range now {
		if _, ok := beneath(m.point, "/proc/sys"); ok { // binfmt_misc, where the outside's /proc had to stay
			if err := remount(m, unix.MS_RDONLY); err != nil {
				return err
			}
		}
	}
	var covers []Cover
	for _, path := range kernelHidden {
		covers = append(covers, Cover{Path: path})
	}
	if err := in.Cover(covers); err != nil {
		return err
	}
	return guardDevices()
}

// devices are the character devices of /dev that a program of root's keeps, as paths or what they begin with: terminals,
// sources of bytes, and what computes. By others root reaches the machine: its memory, its disks, its keyboard, its screen.
var devices = []string{
	"null", "zero", "full", "random", "urandom", "tty", "console", "hvc", "pts/", "ptmx", "fuse", "net/tun", "kvm", "userfaultfd",
	"dri/", "nvidia", "kfd", "accel/", "snd/", "video",
}

// guardDevices leaves a program of root's no disk: the file systems on it hold the ledger.
func guardDevices() error {
	mounts, err := readMounts() // as they are by now: a remount sets all flags anew
	if err != nil {
		return err
	}
	mounted := false
	for _, m := range mounts {
		mounted = mounted || m.point == "/dev"
	}
	if !mounted {
		if err := unix.Mount("/dev", "/dev", "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("guarding /dev: %w", err)
		}
	}
	for _, m := range mounts {
		if _, dev := beneath(m.point, "/dev"); dev {
			continue
		}
		if err := remount(m, unix.MS_NODEV); err != nil {
			return err
		}
	}
	return filepath.WalkDir("/dev", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile, or not to be read
		}
		block := e.Type()&fs.ModeDevice != 0 && e.Type()&fs.ModeCharDevice == 0
		char := e.Type()&fs.ModeCharDevice != 0
		if char {
			char = !slices.ContainsFunc(devices, func(d string) bool { return strings.HasPrefix(path, "/dev/"+d) })
		}
		if block || char {
			return overlay("/dev/null", path)
		}
		return nil
	})
}

// loopbackUp brings up the only interface of a new network namespace.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req))
}

// Listen makes a listening socket in this network namespace, for a process of another one to accept on. Port 0 is any.
// It is a plain TCP socket: MPTCP would have another protocol.
func Listen(addr netip.AddrPort) (*os.File, netip.AddrPort, error) {
	config := net.ListenConfig{}
	config.SetMultipathTCP(false)
	l, err := config.Listen(context.Background(), "tcp", addr.String())
	if err != nil {
		return nil, addr, err
	}
	defer l.Close() // the file stays open
	tcp := l.(*net.TCPListener)
	f, err := tcp.File()
	if err != nil {
		return nil, addr, err
	}
	return f, tcp.Addr().(*net.TCPAddr).AddrPort(), nil
}
