package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// machine is what tells why namespaces are refused. Tests give another.
type machine struct {
	read      func(path string) string // a file's text without spaces around; "": there is none
	exists    func(path string) bool
	env       func(name string) string
	program   string
	superuser bool
}

var thisMachine = machine{
	read: func(path string) string {
		text, _ := os.ReadFile(path) // none is as good as an empty one
		return strings.TrimSpace(string(text))
	},
	exists: func(path string) bool { _, err := os.Lstat(path); return err == nil },
	env:    os.Getenv,
}

// Explain says what a machine that refused a step does not grant, and the remedy.
func Explain(err error) Missing {
	m := thisMachine
	if m.program, _ = os.Executable(); m.program == "" {
		m.program = "/usr/local/bin/aex"
	}
	m.superuser = os.Geteuid() == 0
	return m.explain(err)
}

// Remedies. docs/sandbox.md has them with more words.
const (
	remedyDocker = "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
	remedyProc   = "docker run --security-opt systempaths=unconfined (podman: --security-opt unmask=ALL; Kubernetes: procMount: Unmasked)"
	remedyKube   = "in the container's securityContext: seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}, procMount: Unmasked"
	remedyUnit   = "in the unit: RestrictNamespaces=no, ProtectProc=default, ProcSubset=all, ProtectKernelTunables=no, and no SystemCallFilter that lacks @mount"
)

func (m machine) explain(err error) Missing {
	step := StepStart
	var at *StepError
	if errors.As(err, &at) {
		step = at.Step
	}
	if step == StepProc {
		return m.explainProc(err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Missing{"there is no /proc", "mount it: mount -t proc proc /proc"}
	}
	if m.read("/proc/sys/user/max_user_namespaces") == "0" {
		return Missing{"user namespaces are off (user.max_user_namespaces is 0)", m.asRoot("sysctl -w user.max_user_namespaces=15000")}
	}
	if m.read("/proc/sys/kernel/unprivileged_userns_clone") == "0" && !m.superuser {
		return Missing{"user namespaces are root's only (kernel.unprivileged_userns_clone is 0)", m.asRoot("sysctl -w kernel.unprivileged_userns_clone=1")}
	}
	if m.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" && !m.superuser && !m.contained() {
		return Missing{"AppArmor keeps user namespaces from programs without a profile", m.profile()}
	}
	switch where := m.where(); {
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EUSERS):
		return Missing{"there are as many namespaces as this machine allows", m.asRoot("sysctl -w user.max_user_namespaces=15000 user.max_net_namespaces=15000 user.max_pid_namespaces=15000")}
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS):
		return Missing{"the kernel was built without namespaces", "use a kernel with CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS"}
	case where != "":
		return Missing{fmt.Sprintf("%s refuses user namespaces (%s)", where, plain(err)), m.remedyFor(where)}
	default:
		return Missing{fmt.Sprintf("user namespaces are refused (%s)", plain(err)), "look for a seccomp filter or a security module that forbids unshare(CLONE_NEWUSER): grep Seccomp /proc/self/status"}
	}
}

// explainProc: the namespaces work, but a /proc that has nothing hidden would show more than the one that is there.
func (m machine) explainProc(err error) Missing {
	what := fmt.Sprintf("a /proc of its own is refused, because parts of the one here are hidden (%s): the program sees the names and numbers of processes outside", plain(err))
	switch m.where() {
	case inUnit:
		return Missing{what, remedyUnit}
	case inKubernetes:
		return Missing{what, "in the container's securityContext: procMount: Unmasked (with hostUsers: false)"}
	default:
		return Missing{what, remedyProc}
	}
}

// Places that refuse by a rule of their own.
const (
	inKubernetes = "this pod"
	inContainer  = "this container"
	inUnit       = "this systemd unit"
)

func (m machine) contained() bool {
	return m.exists("/.dockerenv") || m.exists("/run/.containerenv") || m.env("KUBERNETES_SERVICE_HOST") != "" || m.env("container") != ""
}

func (m machine) where() string {
	switch {
	case m.env("KUBERNETES_SERVICE_HOST") != "":
		return inKubernetes
	case m.contained():
		return inContainer
	case m.env("INVOCATION_ID") != "" && m.env("SYSTEMD_EXEC_PID") != "":
		return inUnit
	}
	return ""
}

func (m machine) remedyFor(where string) string {
	return map[string]string{inKubernetes: remedyKube, inContainer: remedyDocker, inUnit: remedyUnit}[where]
}

func (m machine) asRoot(command string) string {
	if m.contained() {
		return "on the host, as root: " + command
	}
	if m.superuser {
		return command
	}
	return "sudo " + command
}

// profile is the AppArmor profile that gives this program its namespaces, and how to load it.
func (m machine) profile() string {
	return fmt.Sprintf(`printf 'abi <abi/4.0>,\ninclude <tunables/global>\nprofile aex %s flags=(unconfined) {\n  userns,\n}\n' | sudo tee /etc/apparmor.d/aex && sudo apparmor_parser -r /etc/apparmor.d/aex`, m.program) +
		"; or for every program: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
}

// plain is the kernel's own word for it.
func plain(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
