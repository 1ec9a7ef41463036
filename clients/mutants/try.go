package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed switch.go.txt
var switches string

// tests are the compiled tests of the changed package.
type tests struct {
	p      *loaded
	work   string
	binary string
	skip   string
	talks  bool // of each change
	took   map[string]time.Duration
	of     map[int][]string // change -> tests that get there

	mu         sync.Mutex
	ran, found map[string]int // how often a test ran, and was the one that failed
}

// build compiles the package with all its changes in place of the files.
func build(p *loaded, work, skip string) (*tests, error) {
	replace := map[string]string{}
	p.texts[filepath.Join(p.dir, "mutant_switch.go")] = []byte(strings.Replace(switches, "PACKAGE", p.name, 1))
	for path, text := range p.texts {
		to := filepath.Join(work, filepath.Base(path))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return nil, err
		}
		replace[path] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return nil, err
	}
	t := &tests{p: p, work: work, binary: filepath.Join(work, "changed.test"), skip: skip, took: map[string]time.Duration{}, of: map[int][]string{}, ran: map[string]int{}, found: map[string]int{}}
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", path, "-o", t.binary, p.pattern).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the changes: %w\n%s", err, out)
	}
	return t, nil
}

// run runs tests with a change turned on, and tells whether they pass and
// whether they went beyond the limit. Their files are where the binary is.
func (t *tests) run(names []string, limit time.Duration, env ...string) (ok, hung bool, out []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, t.binary, append([]string{"-test.failfast", "-test.run", "^(" + strings.Join(names, "|") + ")$", "-test.skip", t.skip}, t.p.flags...)...)
	files, err := os.MkdirTemp(t.work, "files")
	if err != nil {
		return false, false, []byte(err.Error())
	}
	defer os.RemoveAll(files)
	if err := os.Chmod(files, 0o755); err != nil { // some tests start themselves as another user
		return false, false, []byte(err.Error())
	}
	c.Dir, c.Env, c.WaitDelay = t.p.dir, append(append(os.Environ(), "TMPDIR="+files), env...), time.Second
	out, err = c.CombinedOutput()
	return err == nil, ctx.Err() != nil, out
}

// cover runs each test by itself, unchanged, and notes which changes it reaches.
func (t *tests) cover() error {
	list, err := exec.Command(t.binary, "-test.list", "^(Test|Fuzz|Example)").Output()
	if err != nil {
		return err
	}
	skip, err := regexp.Compile(t.skip)
	if err != nil {
		return err
	}
	for i, name := range strings.Fields(string(list)) {
		if t.skip != "" && skip.MatchString(name) {
			continue
		}
		log := filepath.Join(t.work, "reached"+strconv.Itoa(i))
		start := time.Now()
		if ok, _, out := t.run([]string{name}, 10*time.Minute, "AEX_MUTANT_LOG="+log); !ok {
			return fmt.Errorf("%s fails without a change:\n%s", name, out)
		}
		t.took[name] = time.Since(start)
		if t.talks {
			fmt.Printf("%6.1fs %s\n", t.took[name].Seconds(), name)
		}
		reached, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, id := range strings.Fields(string(reached)) {
			if n, err := strconv.Atoi(id); err == nil {
				t.of[n] = append(t.of[n], name)
			}
		}
	}
	return nil
}

// tryAll tries changes, two at a time, until the end.
func (t *tests) tryAll(all []*mutant, end time.Time) {
	work := make(chan *mutant)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for m := range work {
				if time.Now().After(end) {
					continue
				}
				start := time.Now()
				t.try(m)
				m.tried = true
				if t.talks {
					fmt.Printf("%v %6.1fs %d tests %s\n", m.killed, time.Since(start).Seconds(), m.tests, m.key())
				}
			}
		})
	}
	for _, m := range all {
		work <- m
	}
	close(work)
	wg.Wait()
}

// try runs the tests that reach a change until one of them fails: first those
// that found most changes for their time until now, a few at once, then more at
// once. Tests that take many times their time hang: that is noticed, too.
func (t *tests) try(m *mutant) {
	names := t.order(t.of[m.id])
	m.tests = len(names)
	for share := 200 * time.Millisecond; len(names) > 0 && !m.killed; share *= 4 {
		n, spent := 0, time.Duration(0)
		for ; n < len(names) && (n == 0 || spent+t.took[names[n]] < share); n++ {
			spent += t.took[names[n]]
		}
		ok, hung, out := t.run(names[:n], 5*time.Second+10*spent, "AEX_MUTANT="+strconv.Itoa(m.id))
		m.killed, m.hung = !ok, hung
		t.learn(names[:n], out)
		names = names[n:]
	}
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// learn notes which of the tests that were run has failed.
func (t *tests) learn(names []string, out []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		t.ran[name]++
	}
	if found := failed.FindSubmatch(out); found != nil {
		t.found[string(found[1])]++
	}
}

// order sorts tests by what they found for their time.
func (t *tests) order(names []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	worth := map[string]float64{}
	for _, name := range names {
		worth[name] = float64(t.found[name]+1) / float64(t.ran[name]+2) / (t.took[name] + 20*time.Millisecond).Seconds()
	}
	names = slices.Clone(names)
	sort.SliceStable(names, func(i, j int) bool { return worth[names[i]] > worth[names[j]] })
	return names
}
