//go:build linux || darwin

package whole_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/whole"
)

const most = 1 << 20

func at(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsReadAsItIs(t *testing.T) {
	path := at(t, "file")
	must(t, os.WriteFile(path, []byte("A=b\n"), 0o600))
	for name, read := range map[string]func(string, int64) ([]byte, error){"Read": whole.Read, "ReadFile": whole.ReadFile} {
		if text, err := read(path, 4); string(text) != "A=b\n" || err != nil {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if _, err := read(path, 3); err == nil {
			t.Errorf("%s read more than it may", name)
		}
		if _, err := read(filepath.Dir(path), most); err == nil {
			t.Errorf("%s read a directory", name)
		}
		if _, err := read(path+"x", most); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
}

// Opening a pipe waits for its other end, which need not be there.
func TestAPipeThatNobodyWritesTo(t *testing.T) {
	path := at(t, "pipe")
	must(t, syscall.Mkfifo(path, 0o600))
	if _, err := whole.ReadFile(path, most); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("ReadFile: %v", err)
	}
	if _, err := whole.Read(path, most); err == nil || !strings.Contains(err.Error(), "nobody has written") {
		t.Errorf("Read: %v", err)
	}
}

func TestAPipeIsReadToItsEnd(t *testing.T) {
	path := at(t, "pipe")
	must(t, syscall.Mkfifo(path, 0o600))
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(path, []byte(strings.Repeat("A=b\n", most/8)), 0) }() // it waits for a reader
	text, err := whole.Read(path, most)
	if len(text) != most/2 || err != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	must(t, <-wrote)
}

// A program in <(...) may have nothing to say.
func TestAPipeWhoseWriterWritesNothing(t *testing.T) {
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	must(t, write.Close())
	if text, err := whole.Read(fmt.Sprintf("/dev/fd/%d", read.Fd()), most); len(text) != 0 || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	path := at(t, "pipe")
	must(t, syscall.Mkfifo(path, 0o600))
	left := make(chan error, 1)
	go func() { left <- os.WriteFile(path, nil, 0) }() // it waits for a reader
	if text, err := whole.Read(path, most); len(text) != 0 || err != nil {
		t.Errorf("of a pipe with a name: %q, %v", text, err)
	}
	must(t, <-left)
}

func TestADeviceThatNeverEnds(t *testing.T) {
	if _, err := whole.Read("/dev/zero", most); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
	if text, err := whole.Read(os.DevNull, most); len(text) != 0 || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}
