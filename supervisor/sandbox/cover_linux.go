package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// staging is where the files are made that are shown instead of others. Any directory would do: what is mounted there
// goes again.
const staging = "/proc"

// Cover hides paths, under every name that they are mounted at: of a directory the program sees an empty one, of a file
// the text that stands for it. None of it can be written, moved or unmounted from inside.
func (in *Inside) Cover(covers []Cover) error {
	if len(covers) == 0 {
		return nil
	}
	mounts, err := readMounts()
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", staging, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755"); err != nil {
		return fmt.Errorf("making room for what is shown instead: %w", err)
	}
	staged := true
	unstage := func() error {
		if !staged {
			return nil
		}
		staged = false
		return os.NewSyscallError("umount", unix.Unmount(staging, unix.MNT_DETACH))
	}
	defer unstage()
	slices.SortStableFunc(covers, func(a, b Cover) int { return strings.Compare(a.Path, b.Path) })
	var late []Cover // below staging itself
	for i, c := range covers {
		if _, ok := beneath(c.Path, staging); ok {
			late = append(late, c)
			continue
		}
		file := filepath.Join(staging, strconv.Itoa(i))
		if err := in.cover(c, file, mounts); err != nil {
			return err
		}
	}
	if err := unstage(); err != nil {
		return err
	}
	for _, c := range late {
		if err := coverLate(c.Path); err != nil {
			return err
		}
	}
	return nil
}

func (in *Inside) cover(c Cover, file string, mounts []mount) error {
	path, err := filepath.EvalSymlinks(c.Path)
	if err != nil {
		if c.Must {
			return fmt.Errorf("hiding %s: %w", c.Path, err)
		}
		return nil // nothing there
	}
	if path == "/" {
		return fmt.Errorf("hiding %s: the whole file system cannot be hidden", c.Path)
	}
	made := false
	for _, place := range places(path, mounts) {
		info, err := os.Lstat(place)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
			continue // the mount that shows it is itself covered
		case err != nil:
			return fmt.Errorf("hiding %s: %w", place, err)
		case info.IsDir():
			err = coverDir(place, path, c.Keep, file)
		default:
			if !made {
				if err := os.WriteFile(file, c.Text, 0o444|info.Mode().Perm()&0o111); err != nil {
					return fmt.Errorf("hiding %s: %w", place, err)
				}
				made = true
			}
			err = overlay(file, place)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// coverDir mounts an empty directory at place that nothing can be put into. It shows of path, which is mounted there, only
// what is to be kept. held is a path for a directory that is not there yet.
func coverDir(place, path string, keep []string, held string) error {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	kept := map[string]string{} // where it is held, by where it is to be
	for i, k := range keep {
		rest, ok := beneath(k, path)
		if !ok || rest == "" {
			continue
		}
		from, at := filepath.Join(place, rest), fmt.Sprintf("%s.%d", held, i)
		if err := os.Mkdir(at, 0o700); err != nil {
			return fmt.Errorf("keeping %s: %w", k, err)
		}
		if err := unix.Mount(from, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("keeping %s: %w", k, err)
		}
		kept[from] = at
	}
	if err := unix.Mount("tmpfs", place, "tmpfs", flags|unix.MS_NOEXEC, "mode=0755,size=64k"); err != nil {
		return fmt.Errorf("covering %s: %w", place, err)
	}
	for to, at := range kept {
		if err := os.MkdirAll(to, 0o755); err != nil {
			return fmt.Errorf("keeping %s: %w", to, err)
		}
		if err := unix.Mount(at, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("keeping %s: %w", to, err)
		}
	}
	if err := unix.Mount("", place, "", unix.MS_BIND|unix.MS_REMOUNT|flags|unix.MS_NOEXEC|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("covering %s: %w", place, err)
	}
	return nil
}

// coverLate hides a file of /proc, which shows nothing instead.
func coverLate(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return coverDir(path, path, nil, "")
	}
	return overlay(os.DevNull, path)
}

// Start goes to the directory that the program starts in, by its path: what was the working directory before may lie
// below something covered, and would lead around the cover.
func (in *Inside) Start(dir string) error {
	if dir == "" {
		var err error
		if dir, err = os.Getwd(); err != nil {
			return fmt.Errorf("finding the directory to start in: %w", err)
		}
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("starting in %s, which the sandbox covers or changes: %w", dir, err)
	}
	return nil
}
