//go:build linux

package supervisor

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
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

// BenchmarkStart is `true` with and without a monitor (pipes) and a pty, each pair interleaved with the others. The
// program is the test binary, whose own start is the first of the four.
func BenchmarkStart(b *testing.B) {
	var bare, self, piped, forced []time.Duration
	for b.Loop() {
		bare = append(bare, took(b, exec.Command("true")))
		version := aexCommand(b, "-no-such-flag")
		began := time.Now()
		version.Run()
		self = append(self, time.Since(began))
		piped = append(piped, took(b, aexCommand(b, "true")))
		forced = append(forced, took(b, aexCommand(b, "-tty=force", "true")))
	}
	b.ReportMetric(0, "ns/op")
	spread(b, "true", bare)
	spread(b, "self", self)
	spread(b, "monitor", piped)
	spread(b, "pty", forced)
}

// BenchmarkKill ends a tree of 200: stopped, double-forked, deaf to TERM.
func BenchmarkKill(b *testing.B) {
	const tree = `for i in $(seq 50); do sleep 1000 & bash -c 'kill -STOP $$' & (setsid sleep 1000 &); (trap "" TERM; exec sleep 1000) & done; echo up; wait`
	for _, way := range []struct{ name, id string }{{"walk", ""}, {"cgroup", fmt.Sprintf("bench%d", os.Getpid())}} {
		b.Run(way.name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				read, write, err := os.Pipe()
				if err != nil {
					b.Fatal(err)
				}
				p, err := Start(Command{Argv: []string{"bash", "-c", tree}, Env: os.Environ(), TTY: TTYNever, Stdout: write, RunID: way.id})
				write.Close()
				if err != nil {
					b.Fatal(err)
				}
				io.ReadFull(read, make([]byte, 3))
				began := time.Now()
				did := p.End(Ending{})
				times = append(times, time.Since(began))
				if len(did.Ended) < 200 || len(did.Survivors) > 0 {
					b.Fatalf("%d ended, %d survived", len(did.Ended), len(did.Survivors))
				}
				if err := p.Close(); err != nil {
					b.Fatal(err)
				}
				read.Close()
			}
			b.ReportMetric(0, "ns/op")
			spread(b, "kill", times)
		})
	}
}

// BenchmarkThroughput moves 64 MiB of lines through a pipe (passed, not copied), and through a pty in raw mode, beside
// plain cat.
func BenchmarkThroughput(b *testing.B) {
	const size = 64 << 20
	script := fmt.Sprintf("head -c %d /dev/zero", size)
	for _, way := range []struct {
		name string
		make func(b *testing.B) *exec.Cmd
	}{
		{"plain", func(b *testing.B) *exec.Cmd { return exec.Command("sh", "-c", script) }},
		{"pipe", func(b *testing.B) *exec.Cmd { return aexCommand(b, "sh", "-c", script) }},
		{"pty", func(b *testing.B) *exec.Cmd { return aexCommand(b, "-tty=force", "sh", "-c", script) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				cmd := way.make(b)
				out, err := cmd.StdoutPipe()
				if err != nil {
					b.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, out); n != size || err != nil {
					b.Fatalf("%d bytes, %v", n, err)
				}
				cmd.Wait()
			}
		})
	}
}
