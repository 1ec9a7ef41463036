package main

import (
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// binaries builds aex for every target. Nothing of this machine is in them:
// no paths, no C library, no state of the work tree but what is told here.
func (r *release) binaries() error {
	cli := "github.com/Auro-rium/aex/v3/internal/cli"
	flags := "-s -w -buildid= -X " + cli + ".Version=" + r.version + " -X " + cli + ".Commit=" + r.commit +
		" -X " + cli + ".Date=" + r.date.Format(time.RFC3339)
	for _, t := range r.targets {
		flags := flags
		if t.os == "linux" { // internal/room says why
			flags += " -E github.com/Auro-rium/aex/v3/internal/room.entry"
		}
		env := []string{
			"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOAMD64=v1", "GOARM64=v8.0",
			"GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off", "GOTOOLCHAIN=local",
		}
		if err := os.MkdirAll(filepath.Dir(r.binary(t)), 0o755); err != nil {
			return err
		}
		if err := r.command(env, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", r.binary(t), "."); err != nil {
			return err
		}
	}
	return nil
}

// binary is where the target's aex is.
func (r *release) binary(t target) string {
	return filepath.Join(r.out, "binaries", t.String(), "aex")
}

// papers are what a user reads of aex, and a shell: the same for each target.
type papers struct {
	man         []file // aex.1, aex-run.1, ...
	completions map[string][]byte
	licence     []byte
	readme      []byte
	changelog   []byte
}

// writePapers makes the man pages and completions in a folder of their own,
// and reads them.
func (r *release) writePapers() error {
	dir, err := os.MkdirTemp("", "aex-papers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	version := "-X github.com/Auro-rium/aex/v3/internal/cli.Version=" + r.version
	if err := r.command([]string{"GOFLAGS="}, "go", "run", "-ldflags", version, "./clients/manpages", dir); err != nil {
		return err
	}
	if r.papers.man, err = readFolder(dir, 0o644); err != nil {
		return err
	}
	if err := r.complete(dir); err != nil {
		return err
	}
	for name, to := range map[string]*[]byte{"LICENSE": &r.papers.licence, "README.md": &r.papers.readme, "CHANGELOG.md": &r.papers.changelog} {
		if *to, err = os.ReadFile(filepath.Join(r.source, name)); err != nil {
			return err
		}
	}
	return nil
}

// complete asks aex itself for its completions, built for this machine.
func (r *release) complete(dir string) error {
	aex := r.binary(target{runtime.GOOS, runtime.GOARCH})
	if _, err := os.Stat(aex); err != nil {
		aex = filepath.Join(dir, "aex")
		if err := r.command([]string{"GOFLAGS="}, "go", "build", "-trimpath", "-o", aex, "."); err != nil {
			return err
		}
	}
	r.papers.completions = make(map[string][]byte)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, err := output(aex, "completion", shell)
		if err != nil {
			return err
		}
		r.papers.completions[shell] = out
	}
	return nil
}
