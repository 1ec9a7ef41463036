package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/Auro-rium/aex/v3/internal/zones"
)

// FileName is the policy file that a repository commits.
const FileName = "aex.yaml"

// File is a policy file. Limits of it and of the agent hold both; File's other
// settings stand behind flags and AEX_* variables, unless it is locked.
type File struct {
	Path   string
	Named  bool   // given by --policy, not found
	Agent  string // "": not said
	Group  string // that the agent is in, or in one inside it; "": not said
	Budget *int64 // micro-US-dollars; nil: not said
	// Capabilities are what the file allows. They hold beside the agent's, each
	// call must pass both.
	Capabilities Capabilities
	// Paces; 0: no limit.
	RequestsPerMinute, TokensPerMinute, Concurrency int64

	MaxCalls    int64         // 0: no limit
	Timeout     time.Duration // 0: none
	IdleTimeout time.Duration // 0: none
	OnExhausted string        // "kill", "refuse", "ask"; "": not said
	Sandbox     Sandbox
	Timezone    string // whose days the ledger is to have; "": not said
	Locked      bool   // flags and AEX_* may only tighten

	// CIUnknownAgents allows agents to be made where CI=true; nil: not said.
	CIUnknownAgents *bool

	// Only of a named file.
	Env        map[string]string
	EnvFile    string   // relative to the file's directory
	Gateways   []string // shared ones, in the order in which a run tries them
	ModelsFile string   // relative to the file's directory
}

// FindFile looks for the nearest aex.yaml from dir up to the root of its
// repository (where .git is); outside of a repository only in dir. It returns
// "" where there is none.
func FindFile(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", FileName, err)
	}
	exists := func(path string) (bool, error) {
		_, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	root := dir
	for at := dir; ; at = filepath.Dir(at) {
		repository, err := exists(filepath.Join(at, ".git"))
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return "", fmt.Errorf("looking for %s: %w", FileName, err)
		}
		if repository {
			root = at
			break
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	for at := dir; ; at = filepath.Dir(at) {
		path := filepath.Join(at, FileName)
		// What cannot be looked at is an error: a policy that is there holds.
		switch found, err := exists(path); {
		case err != nil:
			return "", fmt.Errorf("looking for %s: %w", FileName, err)
		case found:
			return path, nil
		case at == root:
			return "", nil
		}
	}
}

// LoadFile reads a policy file. named tells that the user gave its path; one
// that was only found may not set environment, providers, routes or keys.
func LoadFile(path string, named bool, checks Checks) (*File, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the policy file: %w", err)
	}
	if data == nil {
		return nil, fmt.Errorf("reading the policy file: %s: %w", path, fs.ErrNotExist)
	}
	return ParseFile(path, data, named, checks)
}

// onlyNamed are the keys that a file which was found may not set: whoever can
// commit to a repository would else decide where keys are sent.
var onlyNamed = []string{"env", "env_file", "models_file", "gateway", "providers", "routes", "keys"}

// ParseFile reads the text of a policy file strictly; errors name file, line
// and column.
func ParseFile(path string, data []byte, named bool, checks Checks) (*File, error) {
	f := yamlFile{path, data, fileKeySet, checks}
	file := &File{Path: path, Named: named, Capabilities: Open()}
	root, err := f.parse(data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, f.at(1, 1, "the file is empty; write version: 1")
	}
	var version int64
	set := file.Sandbox.fields(f, file.fields(f))
	set["version"] = f.version(&version)
	for _, key := range onlyNamed {
		if read, known := set[key]; !named || !known {
			set[key] = refuseKey(f, key, named)
		} else {
			set[key] = read
		}
	}
	if err := f.fields(root, "the file", set); err != nil {
		return nil, err
	}
	if version == 0 {
		return nil, f.errorf(root, "there is no version; write version: 1 as the first line")
	}
	return file, nil
}

func refuseKey(f yamlFile, key string, named bool) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if named {
			return f.errorf(n, "%s does not stand here; write models_file: FILE and put it there", key)
		}
		return f.errorf(n, "%s may not be set by a file that was only found; remove it, or name the file with --policy %s", key, f.name)
	}
}

// fields are the keys of a policy file and what reads them.
func (file *File) fields(f yamlFile) fieldSet {
	caps := &file.Capabilities
	lists := func(what string, allow, deny *[]string) func(*yaml.Node) error {
		return func(n *yaml.Node) error {
			return f.fields(n, what, fieldSet{"allow": f.names(allow), "deny": f.names(deny)})
		}
	}
	count := func(to *int64) func(*yaml.Node) error { return f.integer(to, 1, maxTokensLimit) }
	return fieldSet{
		"agent":  f.checked(&file.Agent, "agent", f.checks.Agent),
		"group":  f.checked(&file.Group, "group", f.checks.Group),
		"budget": f.dollars(&file.Budget, "budget"),
		"models": lists("models", &caps.AllowedModels, &caps.DeniedModels),
		"tools":  lists("tools", &caps.AllowedTools, &caps.DeniedTools),
		"limits": func(n *yaml.Node) error {
			return f.fields(n, "limits", fieldSet{
				"max_input_tokens":       count(&caps.MaxInputTokens),
				"max_output_tokens":      count(&caps.MaxOutputTokens),
				"max_tokens_per_request": count(&caps.MaxTokensPerReq),
				"requests_per_minute":    count(&file.RequestsPerMinute),
				"tokens_per_minute":      count(&file.TokensPerMinute),
				"concurrency":            count(&file.Concurrency),
			})
		},
		"capabilities": func(n *yaml.Node) error {
			return f.fields(n, "capabilities", fieldSet{
				"streaming":        f.boolean(&caps.Streaming),
				"tools":            f.boolean(&caps.Tools),
				"function_calling": f.boolean(&caps.FunctionCalling),
				"vision":           f.boolean(&caps.Vision),
				"strict":           f.boolean(&caps.Strict),
				"hosted_tools":     f.oneOf(&caps.HostedTools, HostedAuto, HostedRefuse, HostedAllow),
			})
		},
		"locked":       f.boolean(&file.Locked),
		"timezone":     f.zone(&file.Timezone),
		"on_exhausted": f.oneOf(&file.OnExhausted, "kill", "refuse", "ask"),
		"timeout":      f.duration(&file.Timeout),
		"idle_timeout": f.duration(&file.IdleTimeout),
		"max_calls":    count(&file.MaxCalls),
		"ci": func(n *yaml.Node) error {
			return f.fields(n, "ci", fieldSet{"allow_unknown_agents": f.maybe(&file.CIUnknownAgents)})
		},
		"env":         func(n *yaml.Node) error { return file.readEnv(f, n) },
		"env_file":    f.text(&file.EnvFile),
		"gateway":     f.checkedNames(&file.Gateways, f.checks.Gateway),
		"models_file": f.text(&file.ModelsFile),
	}
}

// names reads a list of globs. An empty list would mean everything, which is
// not what it looks like.
func (f yamlFile) names(to *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := f.list(to)(n); err != nil {
			return err
		}
		if len(*to) == 0 {
			return f.errorf(n, "an empty list; name something, or leave the key out")
		}
		for _, name := range *to {
			if strings.TrimSpace(name) == "" {
				return f.errorf(n, "the list holds an empty name; remove it")
			}
		}
		return nil
	}
}

// dollars reads what one run may spend, to micro-dollars exactly.
func (f yamlFile) dollars(to **int64, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" && n.Tag != "!!int" && n.Tag != "!!float" {
			return f.errorf(n, "this is %s; write dollars like \"0.50\"", kindOf(n))
		}
		if amount, period, _ := strings.Cut(n.Value, "/"); slices.Contains(periods, period) {
			return f.errorf(n, "%s: it is for one run; write %q, and give the agent a budget by the %s: aex agent set NAME --budget %s", what, amount, period, n.Value)
		}
		micros, err := parseDecimal(strings.TrimPrefix(n.Value, "$"), 6)
		switch {
		case n.Value == "none":
			return f.errorf(n, "%s: leave the key out for no limit of a run's own", what)
		case err != nil:
			return f.errorf(n, "%s: %v", what, err)
		case micros == 0:
			return f.errorf(n, "%s: $0 allows no call; write an amount, or leave the key out for no limit of a run's own", what)
		}
		*to = &micros
		return nil
	}
}

// periods are what the budget of an agent may be for.
var periods = []string{"day", "week", "month"}

func (f yamlFile) duration(to *time.Duration) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		d, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || d <= 0 {
			return f.errorf(n, "this is not a length of time; write it like 90s or 30m")
		}
		*to = d
		return nil
	}
}

// zone reads the name of a time zone.
func (f yamlFile) zone(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := f.text(to)(n); err != nil {
			return err
		}
		if _, err := zones.Load(*to); err != nil || *to != "UTC" && !strings.Contains(*to, "/") {
			return f.errorf(n, "there is no time zone %q; write a name like Europe/Berlin, America/New_York or UTC", *to)
		}
		return nil
	}
}

func (file *File) readEnv(f yamlFile, n *yaml.Node) error {
	file.Env = map[string]string{}
	return f.pairs(n, "env", func(key, value *yaml.Node) error {
		if strings.ContainsFunc(key.Value, unicode.IsSpace) {
			return f.errorf(key, "%q is not the name of a variable; write NAME: value", key.Value)
		}
		if value.Kind != yaml.ScalarNode || strings.ContainsAny(key.Value, "=\x00") || strings.Contains(value.Value, "\x00") {
			return f.errorf(value, "this is %s; write NAME: value", kindOf(value))
		}
		file.Env[key.Value] = value.Value
		return nil
	})
}

// Allow reports whether a flag or an AEX_* variable may set a limit to asked
// where the file has set it to set; of a locked file it may only tighten. 0 is
// no limit for both.
func (file *File) Allow(flag string, asked, set int64) error {
	if !file.Locked || set == 0 || asked != 0 && asked <= set {
		return nil
	}
	return fmt.Errorf("%s is locked and %s would loosen it; ask for less, or change the file", file.Path, flag)
}

// Strictest is the smaller of two limits, where 0 is no limit.
func Strictest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
