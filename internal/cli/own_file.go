package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/Auro-rium/aex/v3/ledger"
)

// ownFiles are those that aex itself keeps or reads in home, and the ledger with
// what lies beside it.
func (s *settings) ownFiles() []string {
	files := []string{s.modelsFile, filepath.Join(filepath.Dir(s.modelsFile), "serve.yaml"), lockPath(s.home), daemonPath(s.home)}
	for _, name := range []string{"head", "head.lock", "operator.token", ".env", "prices.json"} {
		files = append(files, filepath.Join(s.home, name))
	}
	if ledger.OnServer(s.ledgerPath) {
		return files
	}
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".lock"} {
		files = append(files, resolved(s.ledgerPath)+suffix)
	}
	return files
}

// refuseOwn refuses a file that something is to be written to, named by a flag
// or a variable, where that is one of aex's own: a report in place of the
// ledger would be the end of it.
func (s *settings) refuseOwn(named, path string) error {
	at, err := os.Stat(path)
	if err == nil && !at.Mode().IsRegular() {
		return nil // a pipe or a device, like /dev/null, which loses nothing
	}
	for _, own := range s.ownFiles() {
		is := resolved(path) == resolved(own)
		if !is && err == nil { // a hard link, or a mount
			other, err := os.Stat(own)
			is = err == nil && os.SameFile(at, other)
		}
		if is {
			return hinted(fmt.Errorf("%s %s is a file of aex's own, %s: it would be lost", named, path, own), "name another file")
		}
	}
	return nil
}

// resolved is a path without symbolic links, those of its directory at least.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path
	}
	return filepath.Join(dir, filepath.Base(path))
}
