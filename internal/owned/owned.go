// Package owned makes files that belong to whom their directory belongs. Root
// in a user's home would lock that user out of what it makes there.
package owned

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Open is os.OpenFile with O_CREATE. A file that is there already stays whose
// it is: where others can write, it might be a link to another's. A pipe that is
// opened for writing needs a reader within some seconds.
func Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|os.O_CREATE|os.O_EXCL, perm)
	if err == nil {
		return give(f)
	}
	if flag&os.O_EXCL != 0 || !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return openThere(path, flag|os.O_CREATE, perm)
}

const (
	readerWithin = 5 * time.Second
	look         = 20 * time.Millisecond
)

// openThere does not wait for ever for the other end of a pipe, and what is then
// written to one can be given a deadline.
func openThere(path string, flag int, perm fs.FileMode) (*os.File, error) {
	for end := time.Now().Add(readerWithin); ; time.Sleep(look) {
		f, err := os.OpenFile(path, flag|syscall.O_NONBLOCK, perm)
		if !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		info, statErr := os.Stat(path)
		if statErr != nil || info.Mode()&fs.ModeNamedPipe == 0 {
			return nil, err
		}
		if time.Now().After(end) {
			return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("nobody reads this pipe")}
		}
	}
}

// give gives a file that this process has just made to its directory's owner.
func give(f *os.File) (*os.File, error) {
	if os.Geteuid() != 0 {
		return f, nil
	}
	uid, gid, err := owner(filepath.Dir(f.Name()))
	if err == nil && uid != 0 {
		err = f.Chown(uid, gid)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Write is os.WriteFile.
func Write(path string, content []byte, perm fs.FileMode) error {
	f, err := Open(path, os.O_WRONLY|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// MkdirAll is os.MkdirAll.
func MkdirAll(path string, perm fs.FileMode) error {
	if os.Geteuid() != 0 {
		return os.MkdirAll(path, perm)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if above := filepath.Dir(path); above != path {
		if err := MkdirAll(above, perm); err != nil {
			return err
		}
	}
	err := os.Mkdir(path, perm)
	if errors.Is(err, fs.ErrExist) {
		return os.MkdirAll(path, perm) // which says what is wrong with what is there
	}
	if err != nil {
		return err
	}
	uid, gid, err := owner(filepath.Dir(path))
	if err != nil || uid == 0 {
		return err
	}
	return os.Lchown(path, uid, gid)
}

// Temp is os.CreateTemp.
func Temp(dir, pattern string) (*os.File, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	return give(f)
}
