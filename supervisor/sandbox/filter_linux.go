package sandbox

import (
	"fmt"
	"syscall"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	seccomparch "github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in the data that a filter sees (seccomp_data of seccomp(2)). Arguments are 64 bits; the kernel takes the lower
// half of an int, which comes first on the machines that aex is built for.
const (
	offsetNumber   = 0
	offsetArch     = 4
	offsetArgument = 16
)

func refuse(errno syscall.Errno) seccomp.Action { return seccomp.ActionErrno | seccomp.Action(errno) }

// not and bits are conditions on an argument of a call. An argument with bits in its upper half, which the kernel does not
// look at, is not equal to anything.
func not(arg uint32, values ...uint64) (all seccomp.ArgumentConditions) {
	for _, v := range values {
		all = append(all, seccomp.Condition{Argument: arg, Operation: seccomp.NotEqual, Value: v})
	}
	return all
}

func bits(arg uint32, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: arg, Operation: seccomp.BitsSet, Value: value}
}

// notStream are the bits of which no type of socket but SOCK_STREAM has none.
const notStream = 0xe

// policies are what the filters of a level say of system calls; the strictest answer holds. A call whose arguments matter
// has a policy of its own: behind it the assembler has lost the call's number.
func policies(b Bounds) []seccomp.Policy {
	plain := []seccomp.SyscallGroup{
		// What io_uring does no filter sees.
		{Names: []string{"io_uring_setup", "io_uring_enter", "io_uring_register"}, Action: refuse(syscall.ENOSYS)},
		// A key that is asked for makes the kernel start a program outside.
		{Names: []string{"add_key", "request_key", "keyctl"}, Action: refuse(syscall.EPERM)},
	}
	// vsock, for one, leads to the machine around this one, whatever the network namespace.
	sockets := []seccomp.ArgumentConditions{not(0, unix.AF_UNIX, unix.AF_NETLINK, unix.AF_INET, unix.AF_INET6)}
	if b.Level != Network {
		var all []seccomp.Policy
		if b.NoCgroups {
			// What clone3 asks for no filter sees. Without it the C library and Go take clone.
			plain = append(plain, seccomp.SyscallGroup{Names: []string{"clone3"}, Action: refuse(syscall.ENOSYS)})
			for _, call := range []string{"clone", "unshare"} {
				all = append(all, onArguments(call, syscall.EPERM, seccomp.ArgumentConditions{bits(0, unix.CLONE_NEWCGROUP)}))
			}
		}
		return append(all, policy(plain...), onArguments("socket", syscall.EACCES, sockets...))
	}
	plain = append(plain, seccomp.SyscallGroup{
		Names: []string{"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp"}, Action: refuse(syscall.EPERM),
	})
	// Landlock looks at plain TCP: no UDP, no MPTCP, no SCTP.
	sockets = append(sockets,
		append(not(0, unix.AF_UNIX, unix.AF_NETLINK), bits(1, notStream)),
		append(not(0, unix.AF_UNIX, unix.AF_NETLINK), not(2, 0, unix.IPPROTO_TCP)...),
	)
	all := []seccomp.Policy{policy(plain...), onArguments("socket", syscall.EACCES, sockets...)}
	// Data in the first packet connects without connect(2).
	for call, flags := range map[string]uint32{"sendto": 3, "sendmsg": 2, "sendmmsg": 3} {
		all = append(all, onArguments(call, syscall.EPERM, seccomp.ArgumentConditions{bits(flags, unix.MSG_FASTOPEN)}))
	}
	return all
}

func policy(groups ...seccomp.SyscallGroup) seccomp.Policy {
	return seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: groups}
}

// onArguments refuses a call that one of the lists of conditions, taken together, holds of.
func onArguments(call string, errno syscall.Errno, any ...seccomp.ArgumentConditions) seccomp.Policy {
	group := seccomp.SyscallGroup{Action: refuse(errno)}
	for _, conditions := range any {
		group.NamesWithCondtions = append(group.NamesWithCondtions, seccomp.NameWithConditions{Name: call, Conditions: conditions})
	}
	return policy(group)
}

// guard comes before the rules. Calls of another machine's numbers (32-bit programs) would pass them all; characters that
// are put into a terminal would be read by the shell after the program.
func guard() ([]bpf.Instruction, error) {
	native, err := seccomparch.GetInfo("")
	if err != nil {
		return nil, err
	}
	no := func(errno syscall.Errno) bpf.Instruction { return bpf.RetConstant{Val: uint32(refuse(errno))} }
	ioctl, known := native.SyscallNames["ioctl"]
	if !known {
		return nil, fmt.Errorf("no ioctl on %s", native.Name)
	}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(native.ID), SkipTrue: 1},
		no(unix.ENOSYS),
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(ioctl), SkipTrue: 4},
		bpf.LoadAbsolute{Off: offsetArgument + 8, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: tiocLinux, SkipTrue: 1},
		no(unix.EPERM),
	}, nil
}

// tiocLinux is TIOCLINUX (ioctl_console(2)): it pastes what is selected on a console.
const tiocLinux = 0x541c

// loadFilters puts the filters of a level on the calling thread, which has given up new privileges.
func loadFilters(b Bounds) error {
	first, err := guard()
	if err != nil {
		return fmt.Errorf("making the filter of system calls: %w", err)
	}
	for _, p := range policies(b) {
		program, err := p.Assemble()
		if err != nil {
			return fmt.Errorf("making the filter of system calls: %w", err)
		}
		if err := loadFilter(append(first, program...)); err != nil {
			return err
		}
		first = nil
	}
	return nil
}

func loadFilter(instructions []bpf.Instruction) error {
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return fmt.Errorf("making the filter of system calls: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("loading the filter of system calls: %w", errno)
	}
	return nil
}
