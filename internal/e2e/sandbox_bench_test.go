//go:build linux

package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// benchStage is a home and a provider for a benchmark, and the environment of aex.
func benchStage(b *testing.B) []string {
	b.Helper()
	server := httptest.NewServer(fakeprovider.New(fakeprovider.Options{Key: realKey}))
	b.Cleanup(server.Close)
	dir := b.TempDir()
	return append(os.Environ(), "HOME="+dir, "AEX_HOME="+filepath.Join(dir, "home"), "OPENAI_API_KEY="+realKey, "OPENAI_BASE_URL="+server.URL+"/v1")
}

// inTurn runs each of two commands once a round, and returns what measure made of each. The first round warms up.
func inTurn(b *testing.B, env []string, rounds int, measure func(out []byte, took time.Duration) float64, one, other []string) (x, y []float64) {
	b.Helper()
	once := func(args []string) float64 {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = env
		began := time.Now()
		out, err := cmd.Output()
		took := time.Since(began)
		if err != nil {
			b.Fatalf("%q: %v", args, err)
		}
		return measure(out, took)
	}
	for i := range rounds + 1 {
		a, c := once(one), once(other)
		if i > 0 {
			x, y = append(x, a), append(y, c)
		}
	}
	return x, y
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// each is f of the elements of two lists, one by one.
func each(x, y []float64, f func(a, b float64) float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = f(x[i], y[i])
	}
	return out
}

// BenchmarkSandboxStart is what a sandbox adds to the start and end of aex run -- true: 60 rounds, whatever b.N says.
func BenchmarkSandboxStart(b *testing.B) {
	env := benchStage(b)
	for b.Loop() {
		milliseconds := func(_ []byte, took time.Duration) float64 { return float64(took.Microseconds()) / 1000 }
		plain, sandboxed := inTurn(b, env, 60, milliseconds,
			[]string{binary, "run", "-q", "--budget", "1", "--", "true"}, []string{binary, "run", "-q", "--budget", "1", "--sandbox=require", "--", "true"})
		b.ReportMetric(median(plain), "ms-without")
		b.ReportMetric(median(sandboxed), "ms-with")
		b.ReportMetric(median(each(sandboxed, plain, func(s, p float64) float64 { return s - p })), "ms-more")
	}
}

// BenchmarkSandboxThroughput compares calls a second through the gateway from inside with those from outside, in turn.
func BenchmarkSandboxThroughput(b *testing.B) {
	env := benchStage(b)
	for _, c := range []struct {
		name         string
		calls, words int
	}{{"short answers", 2000, 20}, {"long answers", 600, 8000}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				perSecond := func(out []byte, _ time.Duration) float64 {
					n, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
					if err != nil {
						b.Fatalf("%q: %v", out, err)
					}
					return n
				}
				run := func(flags ...string) []string {
					return slices.Concat([]string{binary, "run", "-q", "--budget", "100"}, flags, []string{"--"}, bot("pump", strconv.Itoa(c.calls), strconv.Itoa(c.words)))
				}
				plain, sandboxed := inTurn(b, env, 9, perSecond, run(), run("--sandbox=require"))
				b.ReportMetric(median(plain), "calls/s-without")
				b.ReportMetric(median(sandboxed), "calls/s-with")
				b.ReportMetric(100*median(each(sandboxed, plain, func(s, p float64) float64 { return s / p })), "%-of-without")
			}
		})
	}
}

// pump makes so many calls, four at a time, and prints how many that was a second.
func pump(args []string) int {
	calls, _ := strconv.Atoi(args[0])
	words, _ := strconv.Atoi(args[1])
	body := chatBody(200, words)
	if status, err := call(body); status != 200 {
		fmt.Println(status, err)
		return 1
	}
	began := time.Now()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range calls / 4 {
				if status, err := call(body); status != 200 {
					fmt.Println(status, err)
				}
			}
		})
	}
	all.Wait()
	fmt.Printf("%.1f\n", float64(calls)/time.Since(began).Seconds())
	return 0
}
