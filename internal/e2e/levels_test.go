//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/internal/need"
)

// machine is a place where aex may be started, made for a test.
type machine struct {
	name  string
	root  bool     // it takes root to make it
	start []string // what stands before aex
	env   string
	level string   // what aex run --sandbox gets
	said  string   // in its one line
	fixed []string // what the remedy has, and docs/sandbox.md
}

// machines are those of docs/sandbox.md that can be made here.
func machines() []machine {
	sh := func(script string) []string { return []string{"sh", "-c", script + ` exec "$@"`, "sh"} }
	unshare := func(flags string, rest ...string) []string {
		return slices.Concat([]string{"unshare"}, strings.Fields(flags), rest)
	}
	off := sh(`echo 0 >/proc/sys/user/max_user_namespaces;`)
	masked := sh(`mount --bind /dev/null /proc/kcore; mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys;`)
	without := []string{"setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"}
	docker := slices.Concat([]string{"env", "container=docker"}, bot("confined"))
	return []machine{
		{name: "this one", level: "full"},
		{name: "as a user", root: true, start: []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, level: "full"},
		{name: "root of a namespace", start: unshare("-Urmpf --mount-proc"), level: "full"},
		{name: "namespaces are off", start: unshare("-Ur", off...), level: "network", said: "user namespaces are off (user.max_user_namespaces is 0)", fixed: []string{"sysctl -w user.max_user_namespaces=15000"}},
		{name: "namespaces are off in a container", start: unshare("-Ur", off...), env: "container=podman", level: "network", said: "user namespaces are off", fixed: []string{"on the host, as root: ", "sysctl -w user.max_user_namespaces=15000"}},
		{name: "root in a container that lacks SYS_ADMIN", root: true, start: slices.Concat(unshare("-mpf --mount-proc"), without), level: "full"},
		{name: "root in a container that lacks SYS_ADMIN and hides /proc", root: true, start: slices.Concat(unshare("-mpf --mount-proc"), masked, without), env: "container=docker", level: "full", said: "a /proc of its own is refused",
			fixed: []string{"--security-opt systempaths=unconfined", "unmask=ALL", "procMount: Unmasked"}},
		{name: "a user in such a container", root: true, start: slices.Concat(unshare("-mpf --mount-proc"), masked, []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-sys_admin", "--inh-caps=-all"}), env: "container=docker",
			level: "full", said: "a /proc of its own is refused", fixed: []string{"--security-opt systempaths=unconfined"}},
		{name: "root in Docker's defaults", root: true, start: slices.Concat(unshare("-mpf --mount-proc"), masked, without, docker), level: "network", said: "this container refuses user namespaces (operation not permitted)",
			fixed: []string{"--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"}},
		{name: "a user in Docker's defaults", start: slices.Concat(unshare("-Urmpf --mount-proc"), docker), level: "network", said: "this container refuses user namespaces (operation not permitted)", fixed: []string{"seccomp=unconfined"}},
		{name: "a pod", start: slices.Concat([]string{"env", "KUBERNETES_SERVICE_HOST=10.0.0.1"}, bot("confined")), level: "network", said: "this pod refuses user namespaces", fixed: []string{"seccompProfile: {type: Unconfined}", "procMount: Unmasked"}},
		{name: "a unit", start: slices.Concat([]string{"env", "INVOCATION_ID=1", "SYSTEMD_EXEC_PID=1"}, bot("confined")), level: "network", said: "this systemd unit refuses user namespaces", fixed: []string{"RestrictNamespaces=no", "ProtectProc=default"}},
	}
}

// confinedAs refuses namespaces, as the profiles of container runtimes do, to what it becomes.
func confinedAs(args []string) int {
	filter := seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
		{Names: []string{"unshare", "mount", "setns"}, Action: seccomp.ActionErrno | seccomp.Action(syscall.EPERM)},
		{Names: []string{"clone3"}, Action: seccomp.ActionErrno | seccomp.Action(syscall.ENOSYS)},
		{NamesWithCondtions: []seccomp.NameWithConditions{{Name: "clone", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_NEWUSER}}}}, Action: seccomp.ActionErrno | seccomp.Action(syscall.EPERM)},
	}}}
	os.Unsetenv("AEX_E2E_ROLE")
	err := seccomp.LoadFilter(filter)
	if err == nil {
		var path string
		if path, err = exec.LookPath(args[0]); err == nil {
			err = unix.Exec(path, args, os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 99
}

// On each machine the level is what docs/sandbox.md says, and the remedy is what stands there.
func TestLevelOfEachMachine(t *testing.T) {
	needFull(t)
	need.Unshare(t, "-Urmpf", "--mount-proc")
	need.Tool(t, "setpriv")
	text, err := os.ReadFile("../../docs/sandbox.md")
	must(t, err)
	docs := strings.Join(strings.Fields(string(text)), " ")
	for _, m := range machines() {
		t.Run(m.name, func(t *testing.T) {
			if m.root {
				need.Root(t, m.name)
			}
			if _, err := os.Stat("/.dockerenv"); err == nil && m.name == "a unit" {
				t.Skip("NOT TESTED: this is a container, which comes first")
			}
			for _, f := range m.fixed {
				if !strings.Contains(docs, strings.TrimPrefix(f, "on the host, as root: ")) {
					t.Errorf("docs/sandbox.md does not have %q", f)
				}
			}
			m.check(t)
		})
	}
}

func (m machine) check(t *testing.T) {
	s := newStage(t, fakeprovider.Options{})
	place := openPlace(t)
	run := func(args ...string) result {
		argv := slices.Concat(m.start, []string{filepath.Join(place, "aex")}, args)
		path, err := exec.LookPath(argv[0])
		must(t, err)
		cmd := s.aex()
		cmd.Path, cmd.Args, cmd.Dir = path, argv, place
		cmd.Env = append(cmd.Env, "AEX_HOME="+filepath.Join(place, "home"), "HOME="+place, m.env)
		return finish(t, cmd)
	}
	r := run("run", "--budget", "1", "--sandbox", "--", "sh", "-c", `echo "level=$AEX_SANDBOX_LEVEL"`)
	if r.code != 0 || r.stdout != "level="+m.level+"\n" || !strings.Contains(r.stderr, m.said) || strings.Contains(r.stderr, "aex: sandbox:") != (m.said != "") {
		t.Errorf("--sandbox: exit %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	full := m.level == "full" && m.said == ""
	r = run("run", "--budget", "1", "--sandbox=require", "--", "echo", "ran")
	if full != (r.code == 0) || !full && (r.code != 125 || strings.Contains(r.stdout, "ran") || !strings.Contains(r.stderr, m.said)) {
		t.Errorf("--sandbox=require: exit %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	doctor := run("doctor", "--sandbox", "--json")
	var found struct{ OK bool }
	if err := json.Unmarshal([]byte(doctor.stdout), &found); err != nil || found.OK != full || full != (doctor.code == 0) || !strings.Contains(doctor.stdout, "the "+m.level+" level") {
		t.Errorf("doctor: exit %d, %v, %s", doctor.code, err, doctor.stdout)
	}
	for _, f := range m.fixed {
		if !strings.Contains(r.stderr, f) || !strings.Contains(doctor.stdout, f) {
			t.Errorf("the remedy lacks %q: %s%s", f, r.stderr, doctor.stdout)
		}
	}
}

// openPlace is a directory that any user may use, with aex in it.
func openPlace(t *testing.T) string {
	t.Helper()
	place, err := os.MkdirTemp("", "aex-level-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(place) })
	must(t, os.Chmod(place, 0o777|os.ModeSticky))
	text, err := os.ReadFile(binary)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(place, "aex"), text, 0o755))
	return place
}
