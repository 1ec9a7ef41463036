package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// adapt leads known agents to the gateway: the run's program, if it is one, and
// those that the program may start. What is made for it goes with the run.
func (r *session) adapt(child environ.Child, to environ.Gateway) ([]string, error) {
	a, at, err := adapter.Find(r.Adapter, r.Argv)
	if err != nil || r.Adapter == adapter.None {
		return child.Env, err
	}
	if a != nil {
		if err := a.Keyed(r.Registry, r.Key); err != nil {
			return nil, err
		}
		r.report.Adapter = a.Name
	}
	home, err := r.agentsHome()
	if err != nil {
		return nil, err
	}
	if r.folder, err = adapter.Open(home, string(r.row.ID)); err != nil {
		return nil, err
	}
	env, err := r.folder.Lead(child, to, r.verbosely)
	if err != nil || a == nil || adapter.IsLauncher(r.Argv[0], env) {
		return env, err
	}
	if why := a.Unled(); why != "" {
		r.say("%s: what it spends is not metered", why)
	}
	argv, env, told, err := r.folder.Start(a, r.Argv, at, env, to)
	if err != nil {
		return nil, err
	}
	r.Argv = argv
	for _, line := range told {
		r.verbosely("%s: %s", a.Name, line)
	}
	return env, nil
}

func (r *session) verbosely(format string, args ...any) {
	if r.Verbose {
		r.say(format, args...)
	}
}

// unadapt begins to remove what was made for agents, and unadapted waits for the end of
// that. The ledger closes in between, because both wait for the disk: one after the other,
// they made `aex run -- true` take 55 ms instead of 40 on a machine with a busy disk.
func (r *session) unadapt() {
	if r.folder == nil {
		return
	}
	removed := make(chan error, 1)
	r.removed = removed
	go func() {
		err := r.folder.Close()
		if r.ownHome != "" {
			err = errors.Join(err, os.RemoveAll(r.ownHome))
		}
		removed <- err
	}()
}

func (r *session) unadapted() error {
	if r.removed == nil {
		return nil
	}
	if err := <-r.removed; err != nil {
		return fmt.Errorf("removing what led the run's agents: %w", err)
	}
	return nil
}

// How often the tree is looked at for agents: often while programs start.
const (
	agentsFirst = 100 * time.Millisecond
	agentsLast  = 2 * time.Second
)

// seeAgents notes which known agents run, also those that no launcher started,
// until ctx ends.
func (r *session) seeAgents(ctx context.Context) {
	every := agentsFirst
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			r.lookForAgents()
			every = min(2*every, agentsLast)
			timer.Reset(every)
		}
	}
}

func (r *session) lookForAgents() {
	for _, p := range r.proc.Tree() {
		line, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.PID), "cmdline"))
		if err != nil {
			continue // it has ended, or this is not Linux
		}
		if a := adapter.Running(strings.Split(string(line), "\x00")); a != nil {
			r.report.saw(a.Name)
		}
	}
}

// agentsCheck completes the list of agents that ran.
func (r *session) agentsCheck() {
	if r.folder == nil {
		return
	}
	for _, name := range r.folder.Ran() {
		r.report.saw(name)
	}
}

// saw notes an agent that ran.
func (p *Report) saw(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.Agents, name) {
		p.Agents = append(p.Agents, name)
		slices.Sort(p.Agents)
	}
}

// Unmetered names the known agents that ran although no call came to aex, not
// even one that was refused; "" where there is nothing to tell.
func (p *Report) Unmetered() string {
	if p.Calls > 0 || p.Refused > 0 {
		return ""
	}
	names := slices.Clone(p.Agents)
	if p.Adapter != "" && !slices.Contains(names, p.Adapter) {
		names = append(names, p.Adapter)
	}
	return strings.Join(names, ", ")
}

// meter decides whether the run was metered. It was not if a key was passed on, if a
// process was connected to a provider past aex, or if there was no call except to local
// models.
func (p *Report) meter() {
	p.Metered = p.Metered && p.Bypassed == "" && p.Calls > p.Local
}
