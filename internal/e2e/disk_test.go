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
