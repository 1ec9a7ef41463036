// Command mutants changes one operator, one statement or one condition of a
// package at a time, and tells which changes no test notices.
//
// All changes are compiled into one test binary, where an environment variable
// turns one of them on: a change costs the time of the tests that reach it, not
// a compilation. A change that does the same as what it changes is listed in
// equivalent.txt with the reason.
//
//	go run ./clients/mutants [-sample N] [-within 9m] [-least 85] ./ledger account.go settle.go
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

// options are what the flags say.
type options struct {
	sample           int
	seed             uint64
	least            float64
	within           time.Duration
	skip, equivalent string
	talks            bool
}

func main() {
	var o options
	flag.IntVar(&o.sample, "sample", 0, "how many of the changes are tried; 0: all")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().Unix()), "picks the sample")
	flag.Float64Var(&o.least, "least", 85, "the share that must be noticed, in percent")
	flag.DurationVar(&o.within, "within", 24*time.Hour, "no change is begun after this time; what was tried until then is reported")
	flag.StringVar(&o.skip, "skip", "", "tests that are not run, as -test.skip")
	flag.StringVar(&o.equivalent, "equivalent", "clients/mutants/equivalent.txt", "changes that change nothing")
	flag.BoolVar(&o.talks, "v", false, "a line for each change as soon as it was tried")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: mutants [flags] ./package [file.go ...]")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Args()[1:], o); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(pkg string, files []string, o options) error {
	end := time.Now().Add(o.within)
	same, err := readEquivalent(o.equivalent)
	if err != nil {
		return err
	}
	p, err := load(pkg, files)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(memory(), "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil { // some tests start themselves as another user
		return err
	}
	t, err := build(p, work, o.skip)
	if err != nil {
		return err
	}
	t.talks = o.talks
	chosen := choose(p, same, o)
	fmt.Printf("%s: %d changes, %d are tried (seed %d)\n", pkg, len(p.mutants), len(chosen), o.seed)
	if err := t.cover(); err != nil {
		return err
	}
	t.tryAll(chosen, end)
	return report(chosen, o.least)
}

// choose leaves out what is listed as equivalent, and takes a sample. They come
// in no order, so that a run that ends early has tried a sample, too. A line of
// the list that fits no change any more is told.
func choose(p *loaded, same map[string]bool, o options) (chosen []*mutant) {
	for _, m := range p.mutants {
		if same[m.key()] {
			delete(same, m.key())
			continue
		}
		chosen = append(chosen, m)
	}
	for key := range same {
		file, _, _ := strings.Cut(key, " ")
		if pkg, name, _ := strings.Cut(file, "/"); pkg == p.name && p.files[name] != nil {
			fmt.Printf("%s lists a change that is not made: %s\n", o.equivalent, key)
		}
	}
	r := rand.New(rand.NewPCG(o.seed, 0))
	r.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	if o.sample > 0 {
		chosen = chosen[:min(o.sample, len(chosen))]
	}
	return chosen
}

// memory is a directory whose files are in memory, where the system has one:
// tests of a ledger wait for the disk most of their time.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// report prints what survived, and fails where that is too much.
func report(chosen []*mutant, least float64) error {
	tried, killed, hung := 0, 0, 0
	sort.Slice(chosen, func(i, j int) bool { return chosen[i].id < chosen[j].id })
	for _, m := range chosen {
		switch {
		case !m.tried:
			continue
		case m.killed:
			killed++
			if m.hung {
				hung++
			}
		case m.tests == 0:
			fmt.Printf("%s:%d: no test gets there: %s\n", m.file, m.line, m.key())
		default:
			fmt.Printf("%s:%d: no test notices: %s\n", m.file, m.line, m.key())
		}
		tried++
	}
	share := 100 * float64(killed) / float64(max(1, tried))
	fmt.Printf("killed %d of %d: %.1f%%, %d of them because a test hung; %d were not tried\n", killed, tried, share, hung, len(chosen)-tried)
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
