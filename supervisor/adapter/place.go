package adapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// maxSettings bounds what is read of an agent's own files.
const maxSettings = 4 << 20

// A Place is where an agent finds its settings: the user's home, the program's
// environment, and the run's own folder.
type Place struct {
	environ.Gateway
	home string            // the user's
	run  string            // the run's folder
	dir  string            // below it, where the agent wants a directory: lend makes it
	env  []string          // of the program
	own  map[string]string // what the caller had for the variables that were set
	lost map[string]bool   // of those, what the caller did not have at all
}

func newPlace(env []string, to environ.Gateway, run, agent string) *Place {
	p := &Place{Gateway: to, run: run, dir: filepath.Join(run, agent), env: slices.Clone(env), own: map[string]string{}, lost: map[string]bool{}}
	p.home, _ = p.get("HOME")
	return p
}

// inHome is a path below the user's home.
func (p *Place) inHome(elements ...string) string {
	return filepath.Join(append([]string{p.home}, elements...)...)
}

// dirOf is the directory that a variable names, else one below the user's home.
func (p *Place) dirOf(variable string, otherwise ...string) string {
	if dir, ok := p.get(variable); ok && dir != "" {
		return dir
	}
	return p.inHome(otherwise...)
}

func (p *Place) get(name string) (value string, found bool) {
	for _, entry := range p.env {
		if n, v, _ := strings.Cut(entry, "="); n == name {
			value, found = v, true
		}
	}
	return value, found
}

func (p *Place) has(name string) bool {
	value, _ := p.get(name)
	return value != ""
}

func (p *Place) set(name, value string) {
	if own, had := p.get(name); had {
		if _, again := p.own[name]; !again && !p.lost[name] {
			p.own[name] = own
		}
	} else {
		p.lost[name] = true
	}
	p.unset(name)
	p.env = append(p.env, name+"="+value)
}

func (p *Place) unset(name string) {
	p.env = slices.DeleteFunc(p.env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

// program finds a program in the PATH of the environment; "": there is none.
func (p *Place) program(name string) string {
	path, _ := p.get("PATH")
	return lookAfter(name, path, nil)
}

// write puts a file that only this user can read into the run's folder. The
// files of agents lie there together, under names of their own: a directory for
// each made a run slower by a millisecond and a half of 19.
func (p *Place) write(name string, content []byte) (path string, err error) {
	path = filepath.Join(p.run, name)
	return path, owned.Write(path, content, 0o600)
}

func (p *Place) writeJSON(name string, content any) (path string, err error) {
	b, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return "", err
	}
	return p.write(name, append(b, '\n'))
}

// lend makes a directory with everything in own except for what is left out, which the agent
// finds elsewhere or not at all. It first makes the subdirectories named in kept in own, so
// that what the agent puts there outlives the run.
func (p *Place) lend(own string, kept []string, without ...string) error {
	for _, name := range kept {
		if err := owned.MkdirAll(filepath.Join(own, name), 0o700); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := owned.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(without, e.Name()) {
			continue
		}
		if err := os.Symlink(filepath.Join(own, e.Name()), filepath.Join(p.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// read is a file's content; nil where there is none, or it is no file of a
// sane size.
func read(path string) []byte {
	b, err := whole.ReadFile(path, maxSettings)
	if err != nil {
		return nil
	}
	return b
}

// readJSON is the object in a file, which may have comments and commas at
// ends, as agents allow; empty where there is none that can be read.
func readJSON(path string) map[string]any {
	object := map[string]any{}
	if b := read(path); b != nil {
		if json.Unmarshal(plainJSON(b), &object) != nil {
			return map[string]any{}
		}
	}
	return object
}

// object is the member of an object that is itself one, made where it is not
// there.
func object(in map[string]any, names ...string) map[string]any {
	for _, name := range names {
		inner, ok := in[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			in[name] = inner
		}
		in = inner
	}
	return in
}

// text is a member that is text.
func text(in map[string]any, names ...string) string {
	var at any = in
	for _, name := range names {
		inner, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = inner[name]
	}
	s, _ := at.(string)
	return s
}

// onlyOurs leaves out the providers that aex does not lead, except for those on this machine:
// calls to them would go past the gateway, with a key that must not be copied.
func onlyOurs(providers map[string]any, ours func(id string) bool, base ...string) {
	for _, id := range sortedNames(providers) {
		entry, _ := providers[id].(map[string]any)
		u, err := url.Parse(text(entry, base...))
		local := err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
		if !local && !ours(id) {
			delete(providers, id)
		}
	}
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// A Snippet is a piece of an agent's configuration, for people to copy.
type Snippet struct {
	File string // where it goes
	Text string
}

// A Start is an agent's program on its way to be started.
type Start struct {
	*Place
	argv []string
	at   int      // where arguments for the program go
	told []string // what was done, for -v
}

// note keeps what was done, for -v.
func (s *Start) note(format string, args ...any) {
	s.told = append(s.told, fmt.Sprintf(format, args...))
}

// restore gives the program the caller's own value of a variable that lead had
// changed.
func (s *Start) restore(name string) {
	if s.lost[name] {
		s.unset(name)
		return
	}
	if own, changed := s.own[name]; changed {
		s.unset(name)
		s.env = append(s.env, name+"="+own)
	}
}

// args puts arguments before the program's own. None of them holds the token:
// other users can read them.
func (s *Start) args(list ...string) {
	s.argv = slices.Insert(s.argv, s.at, list...)
	s.note("is given %s", strings.Join(list, " "))
}

// given tells whether the user already passes one of these flags, and with
// which value.
func (s *Start) given(flags ...string) (value string, at int, found bool) {
	for i := s.at; i < len(s.argv); i++ {
		if s.argv[i] == "--" {
			break
		}
		name, value, joined := strings.Cut(s.argv[i], "=")
		if !slices.Contains(flags, name) {
			continue
		}
		if !joined && i+1 < len(s.argv) {
			value = s.argv[i+1]
		}
		return value, i, true
	}
	return "", 0, false
}
