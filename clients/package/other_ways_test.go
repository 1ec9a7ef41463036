//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestFormula: what Homebrew would do with aex.rb.
func TestFormula(t *testing.T) {
	ofDist(t, "*_linux_amd64.tar.gz")
	out := room(t, `ruby -wc /dist/aex.rb
ruby /repository/clients/package/testdata/formula.rb /dist/aex.rb /dist /tmp/brew
PATH=/tmp/brew/bin:$PATH aex version
`)
	has(t, out, "Syntax OK", "aex_3.0.0_linux_amd64.tar.gz is what the formula says", "installed and tested",
		"/tmp/brew/share/man/man1/aex-run.1", "/tmp/brew/etc/bash_completion.d/aex", "AEX 3.0.0")
}

// TestGoInstall: the module as the Go proxy would have it from the tag, by
// README.md's line. It is the one way that needs Go.
func TestGoInstall(t *testing.T) {
	proxy := t.TempDir()
	bin, err := os.MkdirTemp("/var/tmp", "aex-go-install-") // a room has a /tmp of its own
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(bin) })
	versions := filepath.Join(proxy, "github.com/!auro-rium/aex/v3/@v")
	must(t, os.MkdirAll(versions, 0o755))
	archive, err := os.Create(filepath.Join(versions, "v3.0.0.zip"))
	must(t, err)
	repository, err := filepath.Abs("../..")
	must(t, err)
	clone := filepath.Join(t.TempDir(), "aex") // the work tree may be one of several of a repository
	must(t, exec.Command("git", "clone", "-q", repository, clone).Run())
	must(t, zip.CreateFromVCS(archive, module.Version{Path: "github.com/Auro-rium/aex/v3", Version: "v3.0.0"}, clone, "HEAD", ""))
	must(t, archive.Close())
	gomod, err := os.ReadFile("../../go.mod")
	must(t, err)
	for name, body := range map[string]string{
		"list": "v3.0.0\n", "v3.0.0.mod": string(gomod), "v3.0.0.info": `{"Version":"v3.0.0","Time":"2026-01-02T03:04:05Z"}`,
	} {
		must(t, os.WriteFile(filepath.Join(versions, name), []byte(body), 0o600))
	}
	real, err := output("go", "env", "GOPROXY")
	must(t, err)
	cache, err := output("go", "env", "GOMODCACHE")
	must(t, err)
	words := strings.Fields(line(t, "README.md", "go install"))
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = t.TempDir()
	// A module cache of its own, since Go keeps in mind which files a version has; the machine's is one more proxy.
	cmd.Env = append(os.Environ(), "GOPROXY=file://"+proxy+",file://"+strings.TrimSpace(string(cache))+"/cache/download,"+strings.TrimSpace(string(real)),
		"GOSUMDB=off", "GOFLAGS=-modcacherw -trimpath", "GOBIN="+bin, "GOMODCACHE="+t.TempDir(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out := room(t, "mount --bind "+bin+" /mnt; PATH=/mnt:$PATH; began=$(date +%s)"+demo)
	demoed(t, out)
}

// TestTwice builds the release again, in another folder, from a fresh clone and
// on a machine that is set up otherwise, and compares every byte.
func TestTwice(t *testing.T) {
	repository, err := filepath.Abs("../..")
	must(t, err)
	built, err := output("git", "-C", repository, "status", "--porcelain", "--untracked-files=no")
	must(t, err)
	if len(built) > 0 {
		missing(t, "the work tree has changes, which a clone would not have:\n%s", built)
	}
	var targets []string
	for _, t := range []target{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}} {
		if _, err := os.Stat(filepath.Join(dist, "binaries", t.String())); err == nil {
			targets = append(targets, t.os+"/"+t.arch)
		}
	}
	clone := filepath.Join(t.TempDir(), "some", "where", "else")
	must(t, exec.Command("git", "clone", "-q", repository, clone).Run())
	cmd := exec.Command("sh", "-c", "umask 077; exec make dist TARGETS="+strings.Join(targets, ","))
	cmd.Dir = clone
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "TZ=Asia/Tokyo", "GOAMD64=v3", "GOFLAGS=-v")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("diff", "-r", dist, filepath.Join(clone, "dist")).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s on %s: the same bytes twice", strings.Join(targets, ", "), runtime.Version())
}
