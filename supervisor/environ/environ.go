// Package environ knows the variables that lead programs to model providers,
// and makes of a caller's environment one that leads to the gateway.
package environ

import (
	"net/url"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/policy"
)

// Gateway is where a program is led to.
type Gateway struct {
	URL   string // http://127.0.0.1:PORT
	Token string // for every key
	Run   string // the run's id; "" for a gateway that is no run's
}

// Caller is what a program's environment is made of.
type Caller struct {
	Environ []string
	Pass    []string // names that stay as they are
	Set     []string // keys that the caller has in files instead of Environ
	Keys    []string // variables that hold a key beyond those of the table, as of models.yaml
}

// Child is a program's environment.
type Child struct {
	Env     []string
	Set     [][2]string // what leads to the gateway: names and values, all in Env
	Removed []string    // names whose value the program does not get, sorted
	Lost    []string    // those of them that are keys with no token in their place
}

// Names are the variables of a provider's keys; the first is the one that most
// programs read.
func Names(of string) []string {
	for _, p := range providers {
		if p.name == of {
			return names(p.keys)
		}
	}
	return nil
}

// KeyNames are the variables that a provider's key may be in: what models.yaml
// says, else all that programs read.
func KeyNames(p policy.Provider) []string {
	own := p.KeyEnvs()
	if len(own) == 1 && !slices.Contains(Names(p.Name), own[0]) {
		return own
	}
	for _, name := range Names(p.Name) {
		if len(own) > 0 && !slices.Contains(own, name) {
			own = append(slices.Clone(own), name)
		}
	}
	return own
}

// Bases lists, for each provider of the table, the variables of its base URL.
func Bases() map[string][]string {
	all := map[string][]string{}
	for _, p := range providers {
		all[p.name] = names(p.bases)
	}
	return all
}

// IsBase tells whether a variable leads programs to a provider.
func IsBase(name string) bool {
	return slices.ContainsFunc(providers, func(p provider) bool { return named(p.bases, name) })
}

// Base is the gateway's address as the programs want it that read a variable
// of a base URL; "" for another variable.
func (g Gateway) Base(name string) string {
	for _, p := range providers {
		for _, v := range p.bases {
			if v.name == name {
				return g.URL + p.root + v.tail
			}
		}
	}
	return ""
}

// Taken tells whether a program does not inherit a variable: a key of a
// provider, a base URL, or a switch past it. keys are names beyond the table's.
func Taken(name string, keys []string) bool {
	for _, p := range providers {
		if named(p.keys, name) || named(p.bases, name) {
			return true
		}
	}
	for _, t := range others {
		if prefix, ok := strings.CutSuffix(t, "*"); name == t || ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains(keys, name)
}

// PassesKey tells whether one of the names to be passed on is a provider's key
// or base URL: what is spent by it goes unmetered.
func PassesKey(pass, keys []string) bool {
	return slices.ContainsFunc(pass, func(name string) bool { return Taken(name, keys) })
}

// Lead is the caller's environment less what is taken, plus what leads to the
// gateway.
func (g Gateway) Lead(c Caller) Child {
	var child Child
	has := slices.Clone(c.Set) // keys that the caller has
	noProxy := map[string]string{"NO_PROXY": "", "no_proxy": ""}
	keys, outer := c.realKeys(), c.outer()
	lead := func(name, value string) {
		child.Set = append(child.Set, [2]string{name, value})
		child.Env = append(child.Env, name+"="+value)
	}
	for _, entry := range c.Environ {
		name, value, _ := strings.Cut(entry, "=")
		_, isNoProxy := noProxy[name]
		switch {
		case isNoProxy:
			noProxy[name] = value
		case slices.Contains(c.Pass, name):
			child.Env = append(child.Env, entry)
		case Taken(name, c.Keys):
			child.Removed = append(child.Removed, name)
			if value != "" {
				has = append(has, name)
			}
		case slices.Contains(keys, value): // under a name of the program's own
			child.Removed = append(child.Removed, name)
			lead(name, g.Token)
		default:
			if at := g.instead(value, outer); at != "" {
				child.Removed = append(child.Removed, name)
				lead(name, at)
				continue
			}
			child.Env = append(child.Env, entry)
		}
	}
	for _, s := range g.settings(has, c.Keys) {
		if !slices.Contains(c.Pass, s[0]) {
			lead(s[0], s[1])
		}
	}
	for _, s := range quiet {
		if !slices.ContainsFunc(c.Environ, func(entry string) bool { return strings.HasPrefix(entry, s[0]+"=") }) {
			child.Env = append(child.Env, s[0]+"="+s[1])
		}
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		child.Env = append(child.Env, name+"="+withLoopback(noProxy[name]))
	}
	slices.Sort(child.Removed)
	for _, name := range slices.Compact(slices.Clone(child.Removed)) {
		replaced := slices.ContainsFunc(child.Set, func(s [2]string) bool { return s[0] == name })
		if isKey(name) && !replaced && slices.Contains(has, name) {
			child.Lost = append(child.Lost, name)
		}
	}
	return child
}

// realKeys are the keys that the caller has in variables that are taken. It leaves out texts
// as short as a placeholder, which may stand in other variables by chance.
func (c Caller) realKeys() (values []string) {
	for _, entry := range c.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if slices.Contains(c.Pass, name) {
			continue // the program has it anyway, and may need it under both names
		}
		known := slices.Contains(c.Keys, name) || slices.ContainsFunc(providers, func(p provider) bool { return named(p.keys, name) })
		if known && len(value) >= leastKey && !policy.PlaceholderKey(value) {
			values = append(values, value)
		}
	}
	return values
}

// outer is the address of the gateway that the caller is led to itself; "" for
// none.
func (c Caller) outer() string {
	for _, entry := range c.Environ {
		if at, ok := strings.CutPrefix(entry, "AEX_URL="); ok {
			return at
		}
	}
	return ""
}

// instead is the gateway's address in place of a provider's own, whose paths the
// gateway serves below it, or of the caller's gateway, under whatever name a program
// reads it; "" for all else.
func (g Gateway) instead(value, outer string) string {
	if rest, ok := strings.CutPrefix(value, outer); ok && outer != "" && (rest == "" || rest[0] == '/') {
		return g.URL + rest
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	host := policy.HostOf(value)
	if host == nil {
		return ""
	}
	for _, p := range providers {
		if p.name == host.Name {
			return g.URL + p.root + u.EscapedPath()
		}
	}
	return ""
}

// leastKey is the length in bytes of the shortest text that is taken for a key.
const leastKey = 16

// settings are the variables that lead to the gateway: every base URL, and the
// token under each key that the caller has. For providers without a path of their own the
// first key is set even if the caller has none, so that a key in aex's own files is enough.
func (g Gateway) settings(has, more []string) (set [][2]string) {
	for _, p := range providers {
		for _, v := range p.bases {
			set = append(set, [2]string{v.name, g.URL + p.root + v.tail})
		}
		given := slices.DeleteFunc(names(p.keys), func(name string) bool { return !slices.Contains(has, name) })
		if len(given) == 0 && p.root == "" {
			given = names(p.keys)[:1]
		}
		for _, name := range given {
			set = append(set, [2]string{name, g.Token})
		}
	}
	for _, name := range more {
		known := slices.ContainsFunc(providers, func(p provider) bool { return named(p.keys, name) })
		if !known && slices.Contains(has, name) {
			set = append(set, [2]string{name, g.Token})
		}
	}
	if g.Run != "" {
		set = append(set, [2]string{"AEX_RUN_ID", g.Run})
	}
	return append(set, [2]string{"AEX_URL", g.URL}, [2]string{"AEX_AGENT_TOKEN", g.Token})
}

// Client are the variables that lead a program to a gateway that is no run's,
// in the order in which people read them.
func (g Gateway) Client() (set [][2]string) {
	for _, p := range providers {
		if p.root != "" {
			continue
		}
		for _, v := range p.bases {
			if !strings.HasSuffix(v.name, "_HOST") {
				set = append(set, [2]string{v.name, g.Base(v.name)})
			}
		}
		set = append(set, [2]string{p.keys[0].name, g.Token})
	}
	return append(set, [2]string{"AEX_URL", g.URL}, [2]string{"AEX_AGENT_TOKEN", g.Token})
}

// Without is an environment less what a run put into it: its token, and what
// leads to its gateway.
func Without(environ []string) []string {
	var at, token string
	for _, entry := range environ {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "AEX_URL":
			at = value
		case "AEX_AGENT_TOKEN":
			token = value
		}
	}
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "AEX_") && Taken(name, nil) || token != "" && value == token ||
			at != "" && strings.HasPrefix(value, at)
	})
}

// isKey tells by its name whether a variable may hold a key: a switch or an address does not.
func isKey(name string) bool {
	return !strings.HasPrefix(name, "AEX_") && (strings.HasSuffix(name, "KEY") || strings.HasSuffix(name, "TOKEN") || name == "AWS_BEARER_TOKEN_BEDROCK")
}

func names(list []variable) (all []string) {
	for _, v := range list {
		all = append(all, v.name)
	}
	return all
}

func named(list []variable, name string) bool {
	return slices.ContainsFunc(list, func(v variable) bool { return v.name == name })
}

// withLoopback adds loopback to a NO_PROXY list: a caller's proxy is not asked
// for the way to the gateway.
func withLoopback(list string) string {
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		if !slices.Contains(strings.Split(list, ","), host) {
			list += "," + host
		}
	}
	return strings.TrimPrefix(list, ",")
}
