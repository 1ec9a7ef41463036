// Package owned makes files that belong to whom their directory belongs. Root
// in a user's home would lock that user out of what it makes there.
package owned

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Open is os.OpenFile with O_CREATE. A file that is there already stays whose
// it is: where others can write, it might be a link to another's.
func Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|os.O_CREATE|os.O_EXCL, perm)
	if err == nil {
		return give(f)
	}
	if flag&os.O_EXCL != 0 || !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.OpenFile(path, flag|os.O_CREATE, perm)
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
