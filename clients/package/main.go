// Command package makes all that a release consists of, from one work tree:
// binaries, archives, Debian, RPM and Alpine packages, Python wheels, npm
// packages, a container image, a Homebrew formula, bills of materials, sums.
//
// The same source gives the same bytes: every time is the commit's, or
// SOURCE_DATE_EPOCH, every list is sorted, and nothing of the machine is told.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	r := &release{}
	targets := flag.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "what to build for, `GOOS/GOARCH,...`")
	flag.StringVar(&r.source, "source", "../..", "the work tree")
	flag.StringVar(&r.out, "out", "../../dist", "where to put it all; what is there is removed")
	flag.StringVar(&r.version, "version", "", "the version, without a v")
	only := flag.String("only", "", "make no other packages than these `kinds`, for example archives,wheels")
	flag.Parse()
	if err := r.make(*targets, *only); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// release is what is made, and from what.
type release struct {
	source, out string
	version     string
	commit      string
	date        time.Time
	targets     []target
	papers      papers
}

// target is a platform, by Go's names.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "_" + t.arch }

// kind is one kind of what a release consists of.
type kind struct {
	name  string
	basic bool // the others need it: it is always made
	make  func() error
}

// make does one kind after the other; the sums come last, over all of it.
// only names the kinds that are made beside the basic ones; empty is all.
func (r *release) make(targets, only string) error {
	kinds := []kind{
		{"binaries", true, r.binaries},
		{"papers", true, r.writePapers}, // man pages, completions, licence
		{"archives", false, r.archives},
		{"linux", false, r.linuxPackages}, // Debian, RPM, Alpine
		{"wheels", false, r.wheels},
		{"npm", false, r.npmPackages},
		{"image", false, r.image},
		{"formula", false, r.formula},
		{"materials", false, r.materials}, // CycloneDX
		{"sums", true, r.sums},
	}
	var wanted []string
	for _, name := range strings.FieldsFunc(only, func(c rune) bool { return c == ',' }) {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.name == name }) {
			return fmt.Errorf("-only: there is no kind of package called %q", name)
		}
		wanted = append(wanted, name)
	}
	if err := r.prepare(targets); err != nil {
		return err
	}
	for _, k := range kinds {
		if len(wanted) > 0 && !k.basic && !slices.Contains(wanted, k.name) {
			continue
		}
		fmt.Println("package:", k.name)
		if err := k.make(); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// prepare reads what the release is of, and empties its folder.
func (r *release) prepare(targets string) (err error) {
	if r.version == "" {
		return errors.New("-version is missing, for example 3.0.0")
	}
	if r.source, err = filepath.Abs(r.source); err != nil {
		return err
	}
	if r.out, err = filepath.Abs(r.out); err != nil {
		return err
	}
	for _, name := range strings.Split(targets, ",") {
		system, arch, ok := strings.Cut(name, "/")
		if !ok {
			return fmt.Errorf("-targets: %q is not GOOS/GOARCH", name)
		}
		if _, known := pythonPlatform[target{system, arch}]; !known {
			return fmt.Errorf("-targets: there are no packages for %s", name)
		}
		r.targets = append(r.targets, target{system, arch})
	}
	if r.commit, err = r.git("rev-parse", "HEAD"); err != nil {
		return err
	}
	changes, err := r.git("status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" { // what is built then is not that commit
		r.commit += "-dirty"
	}
	stamp := os.Getenv("SOURCE_DATE_EPOCH")
	if stamp == "" {
		if stamp, err = r.git("log", "-1", "--format=%ct"); err != nil {
			return err
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r.date = time.Unix(seconds, 0).UTC()
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	return os.MkdirAll(r.out, 0o755)
}

func (r *release) git(args ...string) (string, error) {
	out, err := exec.Command("git", append([]string{"-C", r.source}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// command runs a tool in the work tree, with the release's time in its
// environment; what it prints is only shown where it fails.
func (r *release) command(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = r.source
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10), "TZ=UTC", "LC_ALL=C")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
