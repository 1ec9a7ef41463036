package ledger

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// inherit gives what root has just made to the owner of its folder, as SQLite
// does with its own files: the ledger of a service stays its user's when root
// looks at it. A link is never followed, and what has two names is left alone,
// because that user may have put either there. Where root may not, as in some
// containers, it stays root's.
func inherit(path string) {
	if os.Geteuid() != 0 {
		return
	}
	var folder, made unix.Stat_t
	if unix.Stat(filepath.Dir(path), &folder) != nil || unix.Lstat(path, &made) != nil {
		return
	}
	kind := made.Mode & unix.S_IFMT
	if folder.Uid == 0 || made.Uid != 0 || kind != unix.S_IFDIR && (kind != unix.S_IFREG || made.Nlink != 1) {
		return
	}
	_ = os.Lchown(path, int(folder.Uid), int(folder.Gid))
}
