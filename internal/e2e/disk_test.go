//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/internal/need"
)

// A disk that fills up between the hold and the settlement: the run ends and
// says so, and the next aex books the hold in full.
func TestDiskFullAtSettlement(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		need.Missing(t, "a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	s := newStage(t, fakeprovider.Options{})
	s.home = filepath.Join(disk, "home")
	aex, child := startHanging(t, s)
	fill := filepath.Join(disk, "fill")
	fillUp(t, fill)
	s.provider.Release()
	_ = aex.Wait()
	if code := aex.ProcessState.ExitCode(); code != 125 {
		t.Errorf("exit %d", code)
	}
	if said := fmt.Sprint(aex.Stderr); strings.Contains(said, "$0.00") || !strings.Contains(said, "not known") {
		t.Errorf("what was spent cannot be told: %s", said)
	}
	awaitGone(t, child)
	must(t, os.Remove(fill))
	if r := s.do("status"); r.code != 0 || !strings.Contains(r.stderr, "in full") {
		t.Errorf("the next command: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if spent, bill := spentOfAll(t, s), billed(t, s.provider); spent < bill || bill == 0 {
		t.Errorf("booked %d of a bill of %d", spent, bill)
	}
	s.audit()
}

// fillUp writes until the disk is full.
func fillUp(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	must(t, err)
	defer f.Close()
	for _, size := range []int{1 << 16, 512, 1} {
		for {
			if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// smallDisk mounts one at which the stage has its home.
func smallDisk(t *testing.T, s *stage, options string) (disk string) {
	t.Helper()
	disk = t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, options); err != nil {
		need.Missing(t, "a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	s.home = filepath.Join(disk, "home")
	return disk
}

// On a disk that is full, and on one that may not be written, commands that
// change say so in a line, and those that read read.
func TestDisksThatTakeNothing(t *testing.T) {
	for name, c := range map[string]struct {
		close func(disk string) error
		says  string
	}{
		"full": {func(disk string) error { fillUp(t, filepath.Join(disk, "fill")); return nil }, "the disk is full"},
		"read-only": {func(disk string) error {
			return syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
		}, "read-only file system"},
	} {
		s := newStage(t, fakeprovider.Options{})
		disk := smallDisk(t, s, "size=2m")
		if r := s.do("agent", "create", "x", "1.00", "none"); r.code != 0 {
			t.Fatalf("exit %d\n%s", r.code, r.stderr)
		}
		must(t, c.close(disk))
		for _, command := range []string{"status", "runs", "audit"} {
			if r := s.do(command); r.code != 0 || strings.Contains(r.stderr, "goroutine") {
				t.Errorf("%s: %s: exit %d\n%s", name, command, r.code, r.stderr)
			}
		}
		if r := s.do("run", "--agent", "x", "--budget", "0.10", "--", "true"); r.code != 125 || !strings.Contains(r.stderr, c.says) || strings.Count(r.stderr, "\n") > 2 {
			t.Errorf("%s: run: exit %d\n%s", name, r.code, r.stderr)
		}
	}
}
