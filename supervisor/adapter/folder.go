package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// A Folder holds what leads the agents of one run: launchers, and the files of
// their settings with the run's token. It is below aex's home, for this user
// only, and goes with the run; that of a run whose aex was killed goes when the
// next one opens its own. Whoever holds the lock beside it owns it.
type Folder struct {
	path string
	lock *os.File
	plan launch
}

const (
	folders   = "launch"      // below home
	launchers = "bin"         // below a folder
	launched  = "ran"         // likewise: a file for each agent that a launcher started; launchers make it
	plan      = "launch.json" // likewise, for launchers
)

// Open makes the folder of a run, and sweeps those that nobody owns any more.
func Open(home, run string) (*Folder, error) {
	all := filepath.Join(home, folders)
	if err := owned.MkdirAll(all, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the run's agents: %w", err)
	}
	sweep(all)
	path := filepath.Join(all, run)
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("taking the folder of the run's agents: %w", err)
	}
	f := &Folder{path: path, lock: lock}
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("making the folder of the run's agents: %w", err), f.Close())
	}
	return f, nil
}

// Path is where the folder is.
func (f *Folder) Path() string { return f.path }

// Close removes the folder.
func (f *Folder) Close() error {
	return errors.Join(os.RemoveAll(f.path), os.Remove(f.path+".lock"), f.lock.Close())
}

// takeLock makes a file and locks it. The file may go between the two, by the
// sweep of another aex: then it is made anew.
func takeLock(path string) (*os.File, error) {
	for {
		f, err := owned.Open(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		mine, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// sweep removes the folders whose lock is free. What cannot be removed is there
// for the next one.
func sweep(all string) {
	entries, err := os.ReadDir(all)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, isLock := strings.CutSuffix(e.Name(), ".lock")
		if !isLock {
			if _, err := os.Stat(filepath.Join(all, e.Name()+".lock")); !errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		lock, err := takeLock(filepath.Join(all, name+".lock"))
		if err != nil {
			continue // its owner lives
		}
		_ = (&Folder{path: filepath.Join(all, name), lock: lock}).Close()
	}
}

// launch is what a launcher needs to know, in the folder's plan.
type launch struct {
	URL   string            `json:"url"`
	Token string            `json:"token"`
	Run   string            `json:"run"`
	Set   [][2]string       `json:"set"`            // variables that lead to the gateway
	Own   map[string]string `json:"own,omitempty"`  // what the caller had for some of them
	Lost  []string          `json:"lost,omitempty"` // those that the caller did not have
}

// Lead prepares the folder for every agent that may run, and the environment that leads
// them there. If the files for an agent cannot be made, tell is called, and that agent is
// only led by the environment.
func (f *Folder) Lead(child environ.Child, to environ.Gateway, tell func(string, ...any)) ([]string, error) {
	p := newPlace(child.Env, to, f.path, "")
	for i := range adapters {
		a := &adapters[i]
		if a.lead == nil {
			continue
		}
		p.dir = filepath.Join(f.path, a.Name)
		if err := a.lead(p); err != nil {
			tell("%s cannot be led by its own settings: %v", a.Name, err)
		}
	}
	l := launch{URL: to.URL, Token: to.Token, Run: to.Run, Set: slices.Clone(child.Set), Own: p.own, Lost: sortedNames(p.lost)}
	for _, name := range slices.Concat(sortedNames(p.own), l.Lost) {
		if value, ok := p.get(name); ok {
			l.Set = append(l.Set, [2]string{name, value})
		}
	}
	f.plan = l
	err := f.link(p)
	return p.env, err
}

// link makes a launcher for each agent that is installed, with what launchers
// need to know, and puts them before all else in PATH.
func (f *Folder) link(p *Place) error {
	var installed []string
	for _, a := range adapters {
		if p.program(a.Name) != "" {
			installed = append(installed, a.Name)
		}
	}
	if len(installed) == 0 {
		return nil
	}
	b, err := json.Marshal(f.plan)
	if err != nil {
		return err
	}
	if err := owned.Write(filepath.Join(f.path, plan), b, 0o600); err != nil {
		return fmt.Errorf("writing what leads the agents: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding aex itself: %w", err)
	}
	dir := filepath.Join(f.path, launchers)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of launchers: %w", err)
	}
	for _, name := range installed {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("making a launcher: %w", err)
		}
	}
	path, _ := p.get("PATH") // there is one: the agents were found in it
	p.unset("PATH")
	p.env = append(p.env, "PATH="+dir+string(filepath.ListSeparator)+path)
	return nil
}

// Ran lists the agents that launchers have started.
func (f *Folder) Ran() (names []string) {
	entries, err := os.ReadDir(filepath.Join(f.path, launched))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Start adapts a program that is no launcher's: one that is called by its path,
// or fetched. told is what was done.
func (f *Folder) Start(a *Adapter, argv []string, at int, env []string, to environ.Gateway) (newArgv, newEnv, told []string, err error) {
	argv, at = apart(argv, at)
	s := f.plan.start(f.path, a, argv, at, env)
	if a.start != nil {
		if err := a.start(s); err != nil {
			return nil, nil, nil, fmt.Errorf("adapting %s: %w", a.Name, err)
		}
	}
	return s.argv, s.env, s.told, nil
}

func readPlan(folder string) (l launch, err error) {
	b, err := whole.ReadFile(filepath.Join(folder, plan), 4*maxSettings)
	if err != nil {
		return l, fmt.Errorf("reading what leads the agents: %w", err)
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return l, fmt.Errorf("reading what leads the agents: %w", err)
	}
	return l, nil
}

func (l launch) start(folder string, a *Adapter, argv []string, at int, env []string) *Start {
	p := newPlace(env, environ.Gateway{URL: l.URL, Token: l.Token, Run: l.Run}, folder, a.Name)
	p.own = map[string]string{}
	for name, value := range l.Own {
		p.own[name] = value
	}
	for _, name := range l.Lost {
		p.lost[name] = true
	}
	return &Start{Place: p, argv: slices.Clone(argv), at: at}
}
