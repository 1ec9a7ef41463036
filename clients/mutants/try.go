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
	took   map[string]time.Duration
	of     map[int][]string // change -> tests that get there, the quickest first
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
	t := &tests{p: p, work: work, binary: filepath.Join(work, "changed.test"), skip: skip, took: map[string]time.Duration{}, of: map[int][]string{}}
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", path, "-o", t.binary, p.pattern).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the changes: %w\n%s", err, out)
	}
	return t, nil
}

// run runs tests with a change turned on, and tells whether they pass.
func (t *tests) run(names []string, limit time.Duration, env ...string) (ok bool, out []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, t.binary, append([]string{"-test.failfast", "-test.run", "^(" + strings.Join(names, "|") + ")$", "-test.skip", t.skip}, t.p.flags...)...)
	c.Dir, c.Env, c.WaitDelay = t.p.dir, append(os.Environ(), env...), time.Second
	out, err := c.CombinedOutput()
	return err == nil, out
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
		if ok, out := t.run([]string{name}, 10*time.Minute, "AEX_MUTANT_LOG="+log); !ok {
			return fmt.Errorf("%s fails without a change:\n%s", name, out)
		}
		t.took[name] = time.Since(start)
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
	for _, names := range t.of {
		sort.Slice(names, func(i, j int) bool { return t.took[names[i]] < t.took[names[j]] })
	}
	return nil
}

// tryAll tries changes, two at a time.
func (t *tests) tryAll(all []*mutant) {
	work := make(chan *mutant)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for m := range work {
				t.try(m)
			}
		})
	}
	for _, m := range all {
		work <- m
	}
	close(work)
	wg.Wait()
}

// try runs the quickest tests that reach a change, then the others. Tests that
// take many times their time hang: that is noticed, too.
func (t *tests) try(m *mutant) {
	names := t.of[m.id]
	m.tests = len(names)
	for len(names) > 0 && !m.killed {
		n, limit := 0, 20*time.Second
		for spent := time.Duration(0); n < len(names) && (n == 0 || spent < 2*time.Second); n++ {
			spent += t.took[names[n]]
			limit += 10 * t.took[names[n]]
		}
		ok, _ := t.run(names[:n], limit, "AEX_MUTANT="+strconv.Itoa(m.id))
		m.killed = !ok
		names = names[n:]
	}
}
