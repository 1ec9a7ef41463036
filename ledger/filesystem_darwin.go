package ledger

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// unsoundFilesystems are network filesystems as macOS names them. Others that
// are unsound may exist; macOS offers no flag that would tell.
var unsoundFilesystems = map[string]string{
	"nfs": "nfs", "smbfs": "smb", "afpfs": "afp", "webdav": "webdav", "virtiofs": "virtiofs",
}

// soundFilesystem refuses a directory where a ledger could lose money.
func soundFilesystem(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("looking at the filesystem of %s: %w", dir, err)
	}
	return judgeFilesystem(dir, unsoundFilesystems[unix.ByteSliceToString(st.Fstypename[:])])
}
