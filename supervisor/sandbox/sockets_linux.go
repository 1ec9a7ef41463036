package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Supported reports a system on which there is no sandbox at all.
func Supported() error { return nil }

// Caller is what the sockets of a machine are found by.
type Caller struct {
	UID  int
	Home string
	Env  map[string]string
}

// servers are the sockets, and the directories of sockets, of services that start programs on request, lead to another
// network or speak for the user. %u is the user's number, %r the directory of the user's run time files, %h the home.
var servers = []string{
	"/run/docker.sock", "/run/docker", "%r/docker.sock", "%r/docker", "%h/.docker/run", "%h/.docker/desktop", "%h/.colima", "%h/.orbstack/run", "%h/.rd",
	"/run/podman", "%r/podman", "/run/containerd", "/run/crio", "/run/buildkit", "%r/buildkit", "/run/k3s/containerd",
	"/run/libvirt", "/run/lxd", "/var/lib/lxd/unix.socket", "/var/snap/lxd/common/lxd/unix.socket", "/run/incus", "/var/lib/incus/unix.socket",
	"/run/snapd.socket", "/run/snapd-snap.socket", "/run/dbus", "%r/bus", "%r/dbus-1", "/run/systemd/private", "/run/systemd/notify", "/run/systemd/io.system.ManagedOOM",
	"/run/systemd/resolve/io.systemd.Resolve", "/run/systemd/machines", "%r/systemd",
	"/run/initctl", "/dev/initctl", "/run/systemd/initctl", "/run/nscd", "/run/tailscale", "/run/ssh-unix-local", "/run/acpid.socket", "/run/udev/control",
	"%r/gnupg", "%h/.gnupg/S.gpg-agent", "%h/.gnupg/S.gpg-agent.ssh", "%h/.gnupg/S.gpg-agent.extra", "%h/.gnupg/S.gpg-agent.browser", "%h/.gnupg/S.dirmngr",
	"%r/keyring", "%r/ssh-agent.socket", "%r/openssh_agent", "%h/.1password/agent.sock",
	"/tmp/.X11-unix", "/tmp/.ICE-unix", "/tmp/tmux-%u", "%r/tmux-%u", "/run/screen", "%h/.screen", "/tmp/emacs%u", "%r/emacs", "/tmp/zellij-%u", "%r/zellij",
	"%r/wayland-0", "%r/wayland-1", "%r/pipewire-0", "%r/pipewire-0-manager", "%r/pulse", "/tmp/dbus-%u",
}

// byVariable are the variables that name such a socket, with what stands before its path.
var byVariable = []struct{ name, before string }{
	{"DOCKER_HOST", "unix://"}, {"CONTAINER_HOST", "unix://"}, {"BUILDKIT_HOST", "unix://"}, {"SSH_AUTH_SOCK", ""}, {"GPG_AGENT_INFO", ""},
	{"DBUS_SESSION_BUS_ADDRESS", "unix:path="}, {"DBUS_SYSTEM_BUS_ADDRESS", "unix:path="}, {"TMUX", ""}, {"VSCODE_IPC_HOOK_CLI", ""},
	{"VSCODE_GIT_IPC_HANDLE", ""}, {"KITTY_LISTEN_ON", "unix:"}, {"SWAYSOCK", ""}, {"I3SOCK", ""}, {"NVIM", ""}, {"NVIM_LISTEN_ADDRESS", ""}, {"NOTIFY_SOCKET", ""},
	{"WEZTERM_UNIX_SOCKET", ""}, {"HYPRLAND_INSTANCE_SIGNATURE", ""},
}

// harmless are the sockets that stay: they look up names of users and take lines for a log.
var harmless = []string{"/dev/log", "/run/systemd/journal", "/run/systemd/userdb", "/var/lib/sss/pipes"}

// Sockets are the covers of all unix sockets that lead out: those of known services, those that the caller's environment
// names, and those that anybody listens on now. What lies at or below a path of allowed stays.
func Sockets(c Caller, allowed []string) []Cover {
	runtime := c.Env["XDG_RUNTIME_DIR"]
	if runtime == "" {
		runtime = "/run/user/" + strconv.Itoa(c.UID)
	}
	fill := strings.NewReplacer("%u", strconv.Itoa(c.UID), "%r", runtime, "%h", c.Home)
	var paths []string
	for _, s := range servers {
		if !strings.HasPrefix(s, "%h") || c.Home != "" {
			paths = append(paths, fill.Replace(s))
		}
	}
	for _, v := range byVariable {
		value, _, _ := strings.Cut(c.Env[v.name], ",") // TMUX and D-Bus add more behind a comma
		if path, ok := strings.CutPrefix(value, v.before); ok && filepath.IsAbs(path) {
			paths = append(paths, path)
		}
	}
	text, _ := os.ReadFile("/proc/net/unix") // not there: then those that are known
	whole, parts := bound(string(text))
	paths = append(paths, whole...)
	paths = append(paths, located(parts)...)

	var stay []string
	for _, p := range slices.Concat(allowed, harmless) {
		stay = append(stay, resolved(p))
	}
	seen := map[string]bool{}
	var covers []Cover
	for _, p := range paths {
		for _, part := range except(resolved(p), stay) {
			if !seen[part] {
				seen[part] = true
				covers = append(covers, Cover{Path: part})
			}
		}
	}
	return covers
}

// resolved is a path without symbolic links, as far as it is there.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// bound lists the sockets of /proc/net/unix (proc_pid_net(5)) that can be connected or sent to by a path: those that
// somebody listens on, and those of datagrams. One that was bound by part of a path stands with its inode.
func bound(text string) (whole []string, parts map[string]string) {
	const listening = "00010000"
	parts = map[string]string{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 || strings.HasPrefix(fields[7], "@") || fields[3] != listening && fields[4] != "0002" {
			continue
		}
		inode := " " + fields[6] + " "
		path := strings.TrimSuffix(line[strings.Index(line, inode)+len(inode):], "\n") // it may hold spaces
		if filepath.IsAbs(path) {
			whole = append(whole, path)
		} else {
			parts[fields[6]] = path
		}
	}
	return whole, parts
}

// located completes parts of paths by the directories of the processes that hold the sockets, as far as they are to be seen.
func located(parts map[string]string) (paths []string) {
	if len(parts) == 0 {
		return nil
	}
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*") // none: then none can be located
	for _, fd := range open {
		link, err := os.Readlink(fd)
		inode, ok := strings.CutPrefix(link, "socket:[")
		part := parts[strings.TrimSuffix(inode, "]")]
		if err != nil || !ok || part == "" {
			continue
		}
		if dir, err := os.Readlink(filepath.Join(filepath.Dir(filepath.Dir(fd)), "cwd")); err == nil {
			paths = append(paths, filepath.Join(dir, part))
		}
	}
	return paths
}

// except is path, or, where something in it is to stay, what else is in it.
func except(path string, stay []string) []string {
	split := false
	for _, s := range stay {
		if _, ok := beneath(path, s); ok {
			return nil
		}
		if _, ok := beneath(s, path); ok {
			split = true
		}
	}
	if !split {
		return []string{path}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil
	}
	var parts []string
	for _, e := range entries {
		parts = append(parts, except(filepath.Join(path, e.Name()), stay)...)
	}
	return parts
}

// CheckSockets refuses a path of --allow-socket that is none.
func CheckSockets(paths []string) error {
	for _, p := range paths {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("%s: give the whole path, from /", p)
		}
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("%s: no such socket or directory", p)
		}
	}
	return nil
}
