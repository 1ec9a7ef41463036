package adapter

import (
	"path/filepath"
	"slices"
	"strings"
)

// recognise finds a known program, also behind a program that fetches it, and
// tells where its own arguments begin.
func recognise(argv []string) (*Adapter, int) {
	name := filepath.Base(argv[0])
	if a := Named(name); a != nil {
		return a, 1
	}
	at := fetched(name, argv)
	if at == 0 || at >= len(argv) {
		return nil, 0
	}
	for i := range adapters {
		if argv[at] == adapters[i].Name || slices.Contains(adapters[i].packages, withoutVersion(argv[at])) {
			return &adapters[i], at + 1
		}
	}
	return nil, 0
}

// fetched is where the program that npx and the like run stands; 0: nowhere.
func fetched(runner string, argv []string) int {
	at := 1
	switch runner {
	case "npx", "bunx", "pnpx", "uvx":
	case "pnpm", "yarn", "bun", "uv", "pipx", "npm":
		if len(argv) < 2 || !slices.Contains([]string{"dlx", "x", "exec", "run"}, argv[1]) {
			return 0
		}
		at = 2
	case "python", "python3":
		if len(argv) < 3 || argv[1] != "-m" {
			return 0
		}
		return 2
	default:
		return 0
	}
	for at < len(argv) && strings.HasPrefix(argv[at], "-") {
		switch argv[at] {
		case "-p", "--package", "--from", "--with", "--python":
			at++ // its value
		}
		at++
	}
	return at
}

// apart keeps what is put after the program from the runner that fetches it:
// npx takes the word after an option that it does not know for that option's
// value, and then the program's flags for its own.
func apart(argv []string, at int) ([]string, int) {
	own := argv[1:max(1, at-1)]
	known := func(word string) bool { return slices.Contains([]string{"-y", "--yes", "-q", "--quiet"}, word) }
	unknown := func(word string) bool { return !known(word) }
	if filepath.Base(argv[0]) != "npx" || !slices.ContainsFunc(own, unknown) || own[len(own)-1] == "--" {
		return argv, at
	}
	return slices.Insert(slices.Clone(argv), at-1, "--"), at + 1
}

// withoutVersion is a package's name: @scope/name@1.2 -> @scope/name.
func withoutVersion(spec string) string {
	if i := strings.LastIndexByte(spec, '@'); i > 0 {
		return spec[:i]
	}
	return spec
}

// Running finds the agent that a process is, by its command line: by its own
// name, or by that of the script that an interpreter runs.
func Running(argv []string) *Adapter {
	for i, arg := range argv {
		if i > 2 || i > 0 && !strings.Contains(arg, "/") && strings.HasSuffix(filepath.Base(argv[0]), "sh") {
			break
		}
		if a := Named(strings.TrimPrefix(strings.TrimSuffix(filepath.Base(arg), ".js"), ".")); a != nil {
			return a
		}
		for j := range adapters {
			if slices.ContainsFunc(adapters[j].packages, func(name string) bool { return strings.Contains(arg, "/node_modules/"+name+"/") }) {
				return &adapters[j]
			}
		}
		if i == 0 && !interpreter(filepath.Base(arg)) {
			break
		}
	}
	return nil
}

// interpreter tells whether a program runs the script that it is given.
func interpreter(name string) bool {
	for _, known := range []string{"node", "python", "bun", "deno", "sh", "bash", "dash", "zsh"} {
		if strings.HasPrefix(name, known) {
			return true
		}
	}
	return false
}
