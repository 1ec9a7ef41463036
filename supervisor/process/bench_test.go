//go:build linux

package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spread reports a median with its quartiles, in milliseconds.
func spread(b *testing.B, name string, times []time.Duration) {
	slices.Sort(times)
	ms := func(at int) float64 { return float64(times[len(times)*at/4].Microseconds()) / 1000 }
	b.ReportMetric(ms(2), name+"-ms")
	b.ReportMetric(ms(3)-ms(1), name+"-iqr-ms")
}

func took(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// BenchmarkStart is `true` by itself, under script(1), below a bare monitor (with pipes, with a pty), and under the
// real `aex run`, with one commit of the ledger's disk; each round does all of them in turn. "over-ms" is what aex run
// takes beyond its bound: the bare pty and monitor, three commits and 6 ms.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	aex := filepath.Join(dir, "aex")
	build := exec.Command("go", "build", "-o", aex, "github.com/Auro-rium/aex/v3")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building aex: %v\n%s", err, out)
	}
	whole := func(args ...string) *exec.Cmd {
		cmd := aexCommand(b, args...)
		cmd.Path, cmd.Env = aex, []string{"PATH=" + os.Getenv("PATH"), "AEX_HOME=" + filepath.Join(dir, "home"), "OPENAI_API_KEY=x"}
		return cmd
	}
	ways := []struct {
		name string
		make func() *exec.Cmd
	}{
		{"true", func() *exec.Cmd { return exec.Command("true") }},
		{"script", func() *exec.Cmd { return exec.Command("script", "-qec", "true", os.DevNull) }},
		{"monitor", func() *exec.Cmd { return aexCommand(b, "true") }},
		{"pty", func() *exec.Cmd { return aexCommand(b, "-tty=force", "true") }},
		{"version", func() *exec.Cmd { return whole("version") }},
		{"run", func() *exec.Cmd { return whole("run", "-q", "--budget", "none", "--", "true") }},
		{"run-pty", func() *exec.Cmd { return whole("run", "-q", "--budget", "none", "--tty=force", "--", "true") }},
	}
	if _, err := exec.LookPath("script"); err != nil {
		b.Log("NOT MEASURED: script is not installed")
		ways = slices.Delete(ways, 1, 2)
	}
	if err := whole("run", "-q", "--budget", "none", "--", "true").Run(); err != nil { // makes the ledger
		b.Fatal(err)
	}
	times := map[string][]time.Duration{}
	for b.Loop() {
		for _, way := range ways {
			times[way.name] = append(times[way.name], took(b, way.make()))
		}
		times["commit"] = append(times["commit"], commit(b, dir))
	}
	b.ReportMetric(0, "ns/op")
	for name, all := range times {
		spread(b, name, all)
	}
	bound := median(times["pty"]) + 3*median(times["commit"]) + 6*time.Millisecond
	b.ReportMetric(float64((median(times["run"])-bound).Microseconds())/1000, "over-ms")
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

// commit is a small durable write on the disk that the ledger of the test is on.
func commit(b *testing.B, dir string) time.Duration {
	b.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "commit"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	began := time.Now()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		b.Fatal(err)
	}
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

const (
	// A tree of 200: running, stopped, double-forked, deaf to TERM.
	manyProcesses = `for i in $(seq 50); do sleep 1000 & bash -c 'kill -STOP $$' & (setsid sleep 1000 &); (trap "" TERM; exec sleep 1000) & done; echo up; wait`
	// Up to 150 processes of a user who is nobody in particular, for ever forking.
	forkBomb = `exec setpriv --reuid=64124 --clear-groups bash -c 'ulimit -u 150; trap "" TERM HUP; bomb() { while :; do bomb & done 2>/dev/null; }; echo up; bomb'`
)

// BenchmarkKill ends trees from the first signal until nothing lives: aex's two layers, and beside each the bare thing
// without identities, reports and second looks.
func BenchmarkKill(b *testing.B) {
	trees := []struct{ name, script string }{{"tree", manyProcesses}}
	if _, err := exec.LookPath("setpriv"); err == nil && os.Getuid() == 0 {
		trees = append(trees, struct{ name, script string }{"bomb", forkBomb})
	} else {
		b.Log("NOT MEASURED: a fork bomb with a limit needs root and setpriv")
	}
	ways := []struct {
		name string
		kill func(b *testing.B, script string) time.Duration
	}{
		{"walk", func(b *testing.B, script string) time.Duration { return killByAex(b, script, "") }},
		{"bare-walk", killByWalk},
	}
	if probe := makeCgroup("benchprobe"); probe != nil {
		probe.remove()
		ways = append(ways, []struct {
			name string
			kill func(b *testing.B, script string) time.Duration
		}{
			{"cgroup", func(b *testing.B, script string) time.Duration {
				return killByAex(b, script, fmt.Sprintf("bench%d", os.Getpid()))
			}},
			{"bare-cgroup", killByCgroup},
		}...)
	} else {
		b.Log("NOT MEASURED: no cgroup of version 2 can be made here")
	}
	for _, tree := range trees {
		b.Run(tree.name, func(b *testing.B) {
			times := map[string][]time.Duration{}
			for b.Loop() {
				for _, way := range ways {
					times[way.name] = append(times[way.name], way.kill(b, tree.script))
				}
			}
			b.ReportMetric(0, "ns/op")
			for name, all := range times {
				spread(b, name, all)
			}
		})
	}
}

// awaitUp reads the line that tells that a tree stands.
func awaitUp(b *testing.B, read *os.File) {
	b.Helper()
	if _, err := io.ReadFull(read, make([]byte, 3)); err != nil {
		b.Fatal(err)
	}
}

func killByAex(b *testing.B, script, id string) time.Duration {
	b.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer read.Close()
	p, err := Prepare(Command{Argv: []string{"bash", "-c", script}, Env: os.Environ(), TTY: TTYNever, Stdout: write, RunID: id}).Launch()
	write.Close()
	if err != nil {
		b.Fatal(err)
	}
	awaitUp(b, read)
	began := time.Now()
	did := p.End(Ending{})
	took := time.Since(began)
	if len(did.Ended) == 0 || len(did.Survivors) > 0 {
		b.Fatalf("%d ended, %d survived", len(did.Ended), len(did.Survivors))
	}
	if err := p.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}

// bareTree starts a tree without a monitor, in a cgroup if one is given.
func bareTree(b *testing.B, script string, in *cgroup) *exec.Cmd {
	b.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command("bash", "-c", script)
	cmd.Stdout = write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if in != nil {
		dir, err := in.open()
		if err != nil {
			b.Fatal(err)
		}
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	write.Close()
	awaitUp(b, read)
	return cmd
}

// killByWalk signals by number what /proc shows below this process, until that is nothing.
func killByWalk(b *testing.B, script string) time.Duration {
	cmd := bareTree(b, script, nil)
	began := time.Now()
	for {
		found := map[int]Proc{}
		(processTable{}).descend([]int{os.Getpid()}, nil, true, found)
		live := 0
		for pid, p := range found {
			if p.alive() {
				live++
				unix.Kill(pid, unix.SIGKILL)
			}
		}
		if live == 0 {
			break
		}
	}
	took := time.Since(began)
	cmd.Wait()
	reapAdopted()
	return took
}

// killByCgroup is the kernel's own kill, until the cgroup is empty.
func killByCgroup(b *testing.B, script string) time.Duration {
	in := makeCgroup(fmt.Sprintf("bare%d", os.Getpid()))
	cmd := bareTree(b, script, in)
	began := time.Now()
	if err := os.WriteFile(filepath.Join(in.dir, "cgroup.kill"), []byte("1"), 0); err != nil {
		b.Fatal(err)
	}
	for {
		if events, err := os.ReadFile(filepath.Join(in.dir, "cgroup.events")); err != nil || strings.Contains(string(events), "populated 0") {
			break
		}
	}
	took := time.Since(began)
	cmd.Wait()
	reapAdopted()
	in.remove()
	return took
}

// BenchmarkThroughput is cat of 64 MiB: plain, through aex with pipes (passed on, not copied), and through a pty.
func BenchmarkThroughput(b *testing.B) {
	const size = 64 << 20
	file := filepath.Join(b.TempDir(), "zeroes")
	if err := os.WriteFile(file, make([]byte, size), 0o600); err != nil {
		b.Fatal(err)
	}
	ways := []struct {
		name string
		make func() *exec.Cmd
	}{
		{"plain", func() *exec.Cmd { return exec.Command("cat", file) }},
		{"pipe", func() *exec.Cmd { return aexCommand(b, "cat", file) }},
		{"pty", func() *exec.Cmd { return aexCommand(b, "-tty=force", "cat", file) }},
	}
	times := map[string][]time.Duration{}
	for b.Loop() {
		for _, way := range ways {
			began, cmd := time.Now(), way.make()
			out, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, out); n != size || err != nil {
				b.Fatalf("%s: %d bytes, %v", way.name, n, err)
			}
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			times[way.name] = append(times[way.name], time.Since(began))
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, all := range times {
		spread(b, name, all)
		b.ReportMetric(float64(size)/1e6/median(all).Seconds(), name+"-MB/s")
	}
}
