package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/tunnel"
	"github.com/Auro-rium/aex/v3/supervisor"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// sandboxFlags are the flags of aex run that are about its sandbox.
type sandboxFlags struct {
	mode    string
	hosts   []string
	local   []int
	sockets []string
	hide    []string
	pass    []int
}

// register adds the flags.
func (f *sandboxFlags) register(a *app, cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.mode, "sandbox", "off", "keep the program in: reach models through aex alone, see nothing of aex, end whole")
	fl.Lookup("sandbox").NoOptDefVal = string(sandbox.Auto)
	fl.StringArrayVar(&f.hosts, "allow-host", nil, "in a sandbox: let it reach this host: `HOST[:PORT]`, *.example.org, *, an address or block")
	fl.IntSliceVar(&f.local, "allow-local", nil, "in a sandbox: let it reach this `PORT` of this machine's loopback")
	fl.StringArrayVar(&f.sockets, "allow-socket", nil, "in a sandbox: leave it this unix socket, or the sockets of this directory")
	fl.StringArrayVar(&f.hide, "hide", nil, "in a sandbox: hide this file or directory")
	fl.IntSliceVar(&f.pass, "pass-fd", nil, "in a sandbox: pass this descriptor `N` on")
	a.takes(cmd, fileFlags("allow-socket", "hide"))
	a.takes(cmd, map[string]kind{"sandbox": oneOfKind(sandbox.Modes...)})
}

// check finds what cannot be meant.
func (f *sandboxFlags) check(cmd *cobra.Command) error {
	if _, err := oneOf("--sandbox", f.mode, sandbox.Modes...); err != nil {
		return err
	}
	for _, p := range f.local {
		if p < 1 || p > 65535 {
			return usageError("--allow-local is a port from 1 to 65535, not %d", p)
		}
	}
	for _, n := range f.pass {
		if n < 3 {
			return usageError("--pass-fd is a descriptor above 2, not %d: the first three are passed on as they are", n)
		}
	}
	if f.mode != string(sandbox.Off) {
		if err := sandbox.Supported(); err != nil {
			return sandboxHint(fmt.Errorf("--sandbox: %w", err))
		}
		return nil
	}
	for _, name := range []string{"allow-host", "allow-local", "allow-socket", "hide", "pass-fd"} {
		if cmd.Flags().Changed(name) {
			return &failure{err: fmt.Errorf("--%s is about a sandbox, and there is none", name), hint: "add --sandbox", code: exitUsage}
		}
	}
	return nil
}

// applyPolicy puts what a policy file says of the sandbox behind the flags.
func (f *sandboxFlags) applyPolicy(cmd *cobra.Command, p policy.Sandbox) {
	if p.Mode != "" && !cmd.Flags().Changed("sandbox") {
		f.mode = p.Mode
	}
	f.hosts = append(f.hosts, p.AllowHosts...)
	f.sockets = append(f.sockets, p.AllowSockets...)
	f.hide = append(f.hide, p.Hide...)
	for _, port := range p.AllowLocal {
		f.local = append(f.local, int(port))
	}
}

// strength orders the modes.
var strength = map[string]int{string(sandbox.Off): 0, string(sandbox.Auto): 1, string(sandbox.Require): 2}

// loosens names a flag that lets out more than a locked file does; "" for none.
func (f *sandboxFlags) loosens(cmd *cobra.Command, p policy.Sandbox) string {
	if p.Mode == "" {
		return ""
	}
	fl := cmd.Flags()
	if fl.Changed("sandbox") && strength[f.mode] < strength[p.Mode] {
		return "--sandbox " + f.mode
	}
	for _, name := range []string{"allow-host", "allow-local", "allow-socket", "pass-fd"} {
		if fl.Changed(name) {
			return "--" + name
		}
	}
	return ""
}

// spec turns the flags into what a run is kept in by.
func (f *sandboxFlags) spec(a *app, s *settings, file *policy.File) (supervisor.SandboxSpec, error) {
	spec := supervisor.SandboxSpec{Mode: sandbox.Mode(f.mode)}
	if spec.Mode == sandbox.Off {
		return spec, nil
	}
	for _, text := range f.hosts {
		rule, err := tunnel.ParseRule(text)
		if err != nil {
			return spec, &failure{err: fmt.Errorf("--allow-host %w", err), hint: "docs/sandbox.md tells what it takes", code: exitUsage}
		}
		spec.Hosts = append(spec.Hosts, rule)
	}
	for _, p := range f.local {
		spec.Local = append(spec.Local, uint16(p))
	}
	if err := sandbox.CheckSockets(f.sockets); err != nil {
		return spec, usageError("--allow-socket %v", err)
	}
	for _, path := range f.hide {
		full, err := filepath.Abs(path)
		if err == nil {
			_, err = os.Lstat(full)
		}
		if err != nil {
			return spec, hinted(fmt.Errorf("--hide %s: %w", path, err), "name a file or directory that is there")
		}
		spec.Covers = append(spec.Covers, sandbox.Cover{Path: full, Must: true})
	}
	env := environment(a.environ)
	spec.Covers = append(spec.Covers, s.covers()...)
	spec.Covers = append(spec.Covers, sandbox.Sockets(sandbox.Caller{UID: os.Getuid(), Home: env["HOME"], Env: env}, f.sockets)...)
	var err error
	if spec.KeyFiles, err = s.keyFiles(); err != nil {
		return spec, err
	}
	if file != nil && file.Named {
		spec.Covers = append(spec.Covers, keyedPolicy(file)...)
	}
	return spec, nil
}

// keyedPolicy covers a policy file that sets variables, which may hold keys.
func keyedPolicy(file *policy.File) []sandbox.Cover {
	if len(file.Env) == 0 {
		return nil
	}
	path, err := filepath.Abs(file.Path)
	if err != nil {
		return nil
	}
	return []sandbox.Cover{{Path: path}}
}

// covers are aex's own files: home, and a ledger that is elsewhere with what
// lies beside it.
func (s *settings) covers() []sandbox.Cover {
	covers := []sandbox.Cover{{Path: s.home}}
	if ledger.OnServer(s.ledgerPath) {
		return append(covers, s.serverFiles()...)
	}
	path, err := filepath.Abs(s.ledgerPath)
	if err != nil || strings.HasPrefix(path, s.home+"/") {
		return covers
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".lock", ".owners"} {
		covers = append(covers, sandbox.Cover{Path: path + suffix})
	}
	return covers
}

// serverFiles are those by which a ledger's server is entered.
func (s *settings) serverFiles() (covers []sandbox.Cover) {
	env := s.sources[0].vars
	files := []string{env["PGPASSFILE"], env["PGSERVICEFILE"], env["PGSSLKEY"]}
	if home := env["HOME"]; home != "" {
		files = append(files, filepath.Join(home, ".pgpass"), filepath.Join(home, ".pg_service.conf"), filepath.Join(home, ".postgresql", "postgresql.key"))
	}
	for _, file := range files {
		if path, err := filepath.Abs(file); err == nil && file != "" {
			covers = append(covers, sandbox.Cover{Path: path})
		}
	}
	return covers
}

// keyFiles are the files of variables outside of home that were read, with
// their text. One that does not look like a .env is not shown at all.
func (s *settings) keyFiles() (map[string]string, error) {
	files := map[string]string{}
	for _, src := range s.sources[1:] {
		path, err := filepath.Abs(src.name)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(path, s.home+"/") {
			continue
		}
		text := []byte{}
		if base := filepath.Base(path); strings.HasPrefix(base, ".env") || strings.HasSuffix(base, ".env") {
			if text, err = whole.Read(path, maxNamed); err != nil {
				return nil, fmt.Errorf("reading %s: %w", path, err)
			}
		}
		files[path] = string(text)
	}
	return files, nil
}

// sandboxHint adds the remedy to what kept a sandbox from being had.
func sandboxHint(err error) error {
	if errors.Is(err, sandbox.ErrPlatform) {
		return hinted(err, "run aex in a Linux container or a virtual machine, or without --sandbox")
	}
	var missing sandbox.Missing
	if errors.As(err, &missing) && missing.Remedy != "" {
		return hinted(err, "%s", missing.Remedy)
	}
	return hinted(err, "look at it with: aex doctor --sandbox")
}

// hintSandbox tells a person once a home that there is a sandbox.
func (a *app) hintSandbox(f *runFlags, home string) {
	if f.sandbox.mode != string(sandbox.Off) || f.quiet || !isTerminal(a.stderr) || sandbox.Supported() != nil {
		return
	}
	mark, err := owned.Open(filepath.Join(home, "sandbox-hint"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return // told before, or there is no home to remember it in
	}
	if mark.Close() == nil {
		fmt.Fprintln(a.stderr, "aex: hint: nothing keeps a program from going around aex; aex run --sandbox does (told once)")
	}
}
