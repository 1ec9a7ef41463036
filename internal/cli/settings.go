package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// settings are where things are and what the environment says, the caller's
// own before --env-file's before home's .env.
type settings struct {
	home       string
	ledgerPath string
	modelsFile string
	sources    []source
}

// source is one place that variables come from.
type source struct {
	name string // as people know it
	vars map[string]string
}

// homeMax bounds the path of home: SQLite takes 512 bytes for that of a file.
const homeMax = 400

// settings finds home and reads the environment files. Nothing is made.
func (a *app) settings(envFiles ...string) (*settings, error) {
	env := environment(a.environ)
	home := a.home
	if home == "" {
		home = env["AEX_HOME"]
	}
	if home == "" {
		dir := env["HOME"]
		if dir == "" {
			return nil, hinted(errors.New("HOME is not set, so there is no place for aex's files"), "set AEX_HOME or give --home DIR")
		}
		home = filepath.Join(dir, ".aex")
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, fmt.Errorf("finding home: %w", err)
	}
	if len(home) > homeMax {
		return nil, hinted(fmt.Errorf("aex's home has a path of %d bytes, more than the %d that SQLite and sockets leave room for", len(home), homeMax), "name a shorter one with AEX_HOME or --home, for example a symbolic link to it")
	}
	s := &settings{home: home, ledgerPath: filepath.Join(home, "aex.db"), modelsFile: filepath.Join(home, "config", "models.yaml")}
	for _, name := range []string{"AEX_DB_PATH", "AEX_LEDGER"} { // the first is v1.2's
		p := env[name]
		if scheme, _, is := strings.Cut(p, "://"); is && isScheme(scheme) && (!ledger.OnServer(p) || name != "AEX_LEDGER") {
			return nil, hinted(fmt.Errorf("%s is a %s:// address, and aex keeps its ledger in a file or, with AEX_LEDGER=postgres://..., on a PostgreSQL server", name, scheme), "name a file on a local disk, or unset %s", name)
		}
		if p != "" && driverAddress().MatchString(p) { // which is not shown: it may have a password in it
			return nil, hinted(fmt.Errorf("%s is an address of PostgreSQL in a form that aex does not take", name), "write it like AEX_LEDGER=postgres://USER@HOST/DATABASE")
		}
		if p != "" {
			s.ledgerPath = p
		}
	}
	if dir := env["AEX_CONFIG_DIR"]; dir != "" {
		s.modelsFile = filepath.Join(dir, "models.yaml")
	}
	s.sources = []source{{"the environment", env}}
	for _, f := range envFiles {
		vars, err := readEnvFile(f)
		if err != nil {
			return nil, hinted(fmt.Errorf("reading --env-file %w", err), "it holds lines like OPENAI_API_KEY=sk-...")
		}
		s.sources = append(s.sources, source{f, vars})
	}
	file := filepath.Join(home, ".env")
	switch vars, err := readEnvFile(file); {
	case err == nil:
		s.sources = append(s.sources, source{file, vars})
	case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR): // that home is a file, the ledger tells
		hint := "it holds lines like OPENAI_API_KEY=sk-..."
		if errors.Is(err, os.ErrPermission) {
			hint = "make it readable to you: chown or chmod 600"
		}
		return nil, hinted(fmt.Errorf("reading %w", err), "%s", hint)
	}
	return s, nil
}

// driverAddress is an address as drivers of PostgreSQL take it, too: names with values, or
// a scheme without slashes.
var driverAddress = plain.Expression(`(?i)^\s*(postgres(ql)?:($|/?[^/]|//$)|(host|hostaddr|port|dbname|user|password|service|sslmode)\s*=)`)

// isScheme tells whether what stands before :// makes an address of it, which
// may have a password in it.
func isScheme(text string) bool {
	return text != "" && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

func environment(list []string) map[string]string {
	env := map[string]string{}
	for _, entry := range list {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}

// lookup finds the first of the names that is set, and where.
func (s *settings) lookup(names ...string) (value, name, from string) {
	for _, src := range s.sources {
		for _, n := range names {
			if v := src.vars[n]; v != "" {
				return v, n, src.name
			}
		}
	}
	return "", "", ""
}

// without leaves out the variables that drop says, and lists them.
func (s *settings) without(drop func(name, value string) bool) (dropped []string) {
	for i, src := range s.sources {
		kept := map[string]string{}
		for name, value := range src.vars {
			if value != "" && drop(name, value) {
				dropped = append(dropped, name)
				continue
			}
			kept[name] = value
		}
		s.sources[i].vars = kept
	}
	slices.Sort(dropped)
	return dropped
}

// sameAddress tells whether two URLs lead to one port of this machine.
func sameAddress(x, y string) bool {
	a, errA := url.Parse(x)
	b, errB := url.Parse(y)
	if errA != nil || errB != nil || a.Port() != b.Port() {
		return false
	}
	here := func(host string) bool {
		ip := net.ParseIP(host)
		return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
	}
	return a.Hostname() == b.Hostname() || here(a.Hostname()) && here(b.Hostname())
}

// key is the real key for a provider, "" for none.
func (s *settings) key(p policy.Provider) string {
	value, _, _ := s.lookup(environ.KeyNames(p)...)
	return value
}

// keysInFiles are the variables of keys that are set, but not in the caller's
// own environment.
func (s *settings) keysInFiles(r *policy.Registry) (names []string) {
	for _, p := range r.Providers() {
		for _, name := range environ.KeyNames(p) {
			for _, src := range s.sources[1:] {
				if src.vars[name] != "" && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// addStored takes the keys that the logins of agents have stored for keys that
// are nowhere else. Each is told of: nobody has given it to aex.
func (a *app) addStored(f *runFlags, s *settings, args []string) {
	for _, k := range adapter.Stored(a.environ, args) {
		if s.keyed(k.Variable) {
			continue
		}
		s.sources = append(s.sources, source{k.Agent + "'s own login", map[string]string{k.Variable: k.Value}})
		if !f.quiet {
			fmt.Fprintf(a.stderr, "aex: %s is the key that %s's own login has stored\n", k.Variable, k.Agent)
		}
	}
}

// keyed tells whether the provider of this variable has a key.
func (s *settings) keyed(variable string) bool {
	for _, p := range policy.BuiltinProviders() {
		if slices.Contains(environ.KeyNames(p), variable) {
			return s.key(p) != ""
		}
	}
	return true // of no provider that aex knows
}

// registry loads prices and models. local is --local-prices, "" for its default.
func (s *settings) registry(prices []string, local string) (*policy.Registry, error) {
	for _, price := range prices {
		if err := policy.CheckPrice(price); err != nil {
			return nil, usageError("%w", err)
		}
	}
	sources := policy.Sources{
		ModelsFile: s.modelsFile, Catalogue: filepath.Join(s.home, "prices.json"), Prices: prices,
		BaseURLs: map[string]string{}, BaseFrom: map[string]string{}, HasKey: map[string]bool{}, LocalPrices: local,
	}
	for provider, names := range environ.Bases() {
		if v, name, from := s.lookup(names...); v != "" {
			sources.BaseURLs[provider], sources.BaseFrom[provider] = v, name+" of "+from
		}
	}
	for _, p := range policy.BuiltinProviders() {
		key := s.key(p)
		sources.HasKey[p.Name] = key != "" && !policy.PlaceholderKey(key)
	}
	for _, src := range s.sources { // providers of models.yaml are known by their variables
		for name, value := range src.vars {
			if value != "" && strings.ToUpper(name) == name && !policy.PlaceholderKey(value) {
				sources.HasKey[name] = true
			}
		}
	}
	r, err := policy.NewRegistry(sources)
	if _, wrong := errors.AsType[*policy.FileError](err); wrong {
		return nil, hinted(err, "correct it; every key is in: aex models init -")
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, hinted(err, "a part of this path is a file; name another place with AEX_HOME or --home")
	}
	return r, err
}

// ledgerOptions say where the ledger is.
func (s *settings) ledgerOptions() ledger.Options {
	return ledger.Options{Path: s.ledgerPath, Home: s.home}
}

// opener opens the ledger, as open and openToShow do.
type opener func(context.Context) (*ledger.Ledger, error)

// elsewhere refuses to act on a ledger where there is none because the runs of
// this machine are booked at a shared gateway: what was made or shown here would
// be taken for what is there.
func (s *settings) elsewhere() error {
	gateway, _, from := s.lookup("AEX_GATEWAY")
	if gateway == "" || s.ledgerPath != filepath.Join(s.home, "aex.db") {
		return nil
	}
	if _, err := os.Stat(s.ledgerPath); err == nil {
		return nil
	}
	return hinted(fmt.Errorf("the runs of this machine are booked at the gateway of AEX_GATEWAY (%s), and the ledger is there", from),
		"do this at the gateway; for a ledger of this machine's own: unset AEX_GATEWAY")
}

// open opens the ledger for a command that may change it.
func (a *app) open(ctx context.Context) (*ledger.Ledger, error) {
	return a.openWith(ctx, ledger.Open)
}

// openToShow opens it for a command that only reads, whoever holds it, and
// whether it can be written or not.
func (a *app) openToShow(ctx context.Context) (*ledger.Ledger, error) {
	return a.openWith(ctx, ledger.OpenToShow)
}

func (a *app) openWith(ctx context.Context, open func(context.Context, ledger.Options) (*ledger.Ledger, error)) (*ledger.Ledger, error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	if err := s.elsewhere(); err != nil {
		return nil, err
	}
	l, err := open(ctx, s.ledgerOptions())
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	a.opened.Store(l)
	for _, r := range l.Recovered() {
		fmt.Fprintf(a.stderr, "aex: settled %s in full for a call of run %.4s, whose aex died\n", r.Amount, r.Run)
	}
	return l, nil
}
