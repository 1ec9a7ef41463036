//go:build linux

package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeProc writes a process table of pid -> parent.
func fakeProc(t *testing.T, parents map[int]int, lists bool) processTable {
	t.Helper()
	root := t.TempDir()
	write := func(text string, path ...string) {
		file := filepath.Join(append([]string{root}, path...)...)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	children := map[int]string{}
	for pid, parent := range parents {
		children[parent] += strconv.Itoa(pid) + " "
	}
	for pid, parent := range parents {
		id := strconv.Itoa(pid)
		write(fmt.Sprintf("%d (a) b (c)) S %d %d 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0", pid, parent, pid, pid*10), id, "stat")
		if lists {
			write(children[pid], id, "task", id, "children")
		}
	}
	return processTable{root: root}
}

func TestCase45_WithoutListsOfChildren(t *testing.T) {
	parents := map[int]int{10: 1, 11: 10, 12: 10, 13: 12, 14: 13, 20: 1, 21: 20, 30: 12, 31: 30}
	for _, lists := range []bool{true, false} {
		found := map[int]Proc{}
		fakeProc(t, parents, lists).descend([]int{10}, map[int]bool{30: true}, false, found)
		var pids []int
		for pid := range found {
			pids = append(pids, pid)
		}
		slices.Sort(pids)
		if !slices.Equal(pids, []int{11, 12, 13, 14}) {
			t.Errorf("lists %v: %v", lists, pids)
		}
		if p := found[13]; p.Name != "a) b (c)" || p.parent != 12 || p.start != 130 || p.state != 'S' {
			t.Errorf("%+v", p)
		}
	}
}

// A number that another process got since it was listed is not signalled.
func TestCase47_NumberThatWasReused(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	p, err := (processTable{}).lookup(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	other := p
	other.start--
	if err := (processTable{}).signal(other, unix.SIGKILL); err != errGone {
		t.Errorf("signalling another process's number: %v", err)
	}
	if now, err := (processTable{}).lookup(cmd.Process.Pid); err != nil || !now.alive() {
		t.Fatal("it was killed")
	}
	if err := (processTable{}).signal(p, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestNumbersThatAreNeverSignalled(t *testing.T) {
	for _, pid := range []int{-1, 0, 1, os.Getpid(), os.Getppid()} {
		if err := (processTable{}).signal(Proc{PID: pid}, 0); err == nil || err == errGone {
			t.Errorf("%d may be signalled: %v", pid, err)
		}
	}
}

func TestAddressesOfTheKernel(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"0000000000000000FFFF00000100007F:01BB": "127.0.0.1:443",
		"B80D01200000000000000000010000000:01":  "",
		"00000000000000000000000001000000:01BB": "[::1]:443",
	} {
		got, ok := parseAddress(text)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
}
