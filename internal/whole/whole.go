// Package whole reads files as a whole, and always comes back: what lies at a
// path may be a pipe that nobody writes to, a device that never ends, or larger
// than anything that can be meant.
package whole

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const (
	writerWithin = 5 * time.Second // that somebody writes to a pipe
	writtenIn    = time.Minute     // all that does not lie in a file; a key may have to be unlocked for it
	look         = 20 * time.Millisecond
)

// Read reads what a user has named: a file, or a pipe such as a shell's <(...).
// More than most bytes are an error.
func Read(path string, most int64) ([]byte, error) {
	f, info, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	now := time.Now()
	if !info.Mode().IsRegular() {
		// What cannot wait has no deadline, and needs none.
		if err := f.SetReadDeadline(now.Add(writtenIn)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
			return nil, err
		}
	}
	text, err := bounded(f, path, most)
	for end := now.Add(writerWithin); err == nil && len(text) == 0 && info.Mode()&fs.ModeNamedPipe != 0 && !over(f); time.Sleep(look) {
		if time.Now().After(end) {
			return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("nobody has written to this pipe for %s", writerWithin)}
		}
		text, err = bounded(f, path, most)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is no file, and did not end within %s", writtenIn)}
	}
	return text, err
}

// ReadFile is Read of what can only be a file.
func ReadFile(path string, most int64) ([]byte, error) {
	f, info, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no regular file")}
	}
	return bounded(f, path, most)
}

// open does not wait for the other end of a pipe.
func open(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func bounded(f *os.File, path string, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is larger than %d KiB", most>>10)}
	}
	return text, err
}
