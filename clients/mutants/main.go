// Command mutants changes one operator, one statement or one condition of a
// package at a time, and tells which changes no test notices.
//
// All changes are compiled into one test binary, where an environment variable
// turns one of them on: a change costs the time of the tests that reach it, not
// a compilation. A change that does the same as what it changes is listed in
// equivalent.txt with the reason.
//
//	go run ./clients/mutants [-sample N] [-least 85] ./ledger account.go settle.go
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

func main() {
	sample := flag.Int("sample", 0, "how many of the changes are tried; 0: all")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "picks the sample")
	least := flag.Float64("least", 85, "the share that must be noticed, in percent")
	skip := flag.String("skip", "", "tests that are not run, as -test.skip")
	equivalent := flag.String("equivalent", "clients/mutants/equivalent.txt", "changes that change nothing")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: mutants [flags] ./package [file.go ...]")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Args()[1:], *sample, *seed, *least, *skip, *equivalent); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(pkg string, files []string, sample int, seed uint64, least float64, skip, equivalent string) error {
	same, err := readEquivalent(equivalent)
	if err != nil {
		return err
	}
	p, err := load(pkg, files)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	t, err := build(p, work, skip)
	if err != nil {
		return err
	}
	var tried []*mutant
	listed := 0
	for _, m := range p.mutants {
		if same[m.key()] {
			listed++
			continue
		}
		tried = append(tried, m)
	}
	if sample > 0 && sample < len(tried) {
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(tried), func(i, j int) { tried[i], tried[j] = tried[j], tried[i] })
		tried = tried[:sample]
	}
	fmt.Printf("%s: %d changes, %d of them listed as equivalent, %d are tried (seed %d)\n", pkg, len(p.mutants), listed, len(tried), seed)
	if err := t.cover(); err != nil {
		return err
	}
	t.tryAll(tried)
	return report(tried, least)
}

// report prints what survived, and fails where that is too much.
func report(tried []*mutant, least float64) error {
	killed := 0
	sort.Slice(tried, func(i, j int) bool { return tried[i].id < tried[j].id })
	for _, m := range tried {
		if m.killed {
			killed++
			continue
		}
		why := "no test notices"
		if m.tests == 0 {
			why = "no test gets there"
		}
		fmt.Printf("%s:%d: %s: %s\n", m.file, m.line, why, m.key())
	}
	share := 100 * float64(killed) / float64(max(1, len(tried)))
	fmt.Printf("killed %d of %d: %.1f%%\n", killed, len(tried), share)
	if share < least {
		return fmt.Errorf("%.1f%% are killed, at least %.0f%% should be", share, least)
	}
	return nil
}

// readEquivalent reads lines of a change's key, " | " and the reason.
func readEquivalent(path string) (map[string]bool, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	same := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, found := strings.Cut(line, " | ")
		if !found || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s: %q gives no reason", path, line)
		}
		same[strings.TrimSpace(key)] = true
	}
	return same, lines.Err()
}
