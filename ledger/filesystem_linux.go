package ledger

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// unsoundFilesystems do not promise that flock excludes other machines or
// that shared memory maps are coherent, and SQLite's WAL needs both.
var unsoundFilesystems = map[uint32]string{
	unix.NFS_SUPER_MAGIC:  "nfs",
	unix.V9FS_MAGIC:       "9p",
	unix.SMB_SUPER_MAGIC:  "smb",
	unix.CIFS_SUPER_MAGIC: "cifs",
	unix.SMB2_SUPER_MAGIC: "smb2",
	unix.FUSE_SUPER_MAGIC: "fuse (virtiofs or another)",
	unix.CEPH_SUPER_MAGIC: "ceph",
	unix.AFS_SUPER_MAGIC:  "afs",
	unix.CODA_SUPER_MAGIC: "coda",
}

// soundFilesystem refuses a directory where a ledger could lose money.
func soundFilesystem(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("looking at the filesystem of %s: %w", dir, err)
	}
	return judgeFilesystem(dir, unsoundFilesystems[uint32(st.Type)])
}
