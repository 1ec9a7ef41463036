package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/joho/godotenv"

	"github.com/Auro-rium/aex/v3/internal/whole"
)

const (
	maxNamed = 16 << 20 // bytes of a file that a user names
	maxOwn   = 1 << 20  // of aex's own, of a few lines
)

// errEnvFile is a file of variables that cannot be understood.
var errEnvFile = errors.New("it is no NAME=value, or a quote in it does not end; it is not shown, because it may hold a key")

// readEnvFile reads a file of variables. What is wrong in it is told by its
// line alone: what the library says shows the rest of the file, keys and all.
func readEnvFile(file string) (map[string]string, error) {
	text, err := whole.Read(file, maxNamed)
	if at, is := errors.AsType[*fs.PathError](err); is {
		err = at.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	vars, err := godotenv.UnmarshalBytes(text)
	if err == nil {
		return vars, checkNames(file, string(text), vars)
	}
	good, lines := 0, strings.SplitAfter(string(text), "\n")
	for i := 1; i <= len(lines) && i-good < maxEntry; i++ {
		if _, err := godotenv.Unmarshal(strings.Join(lines[good:i], "")); err == nil {
			good = i
		}
	}
	return nil, fmt.Errorf("%s:%d: %w", file, good+1, errEnvFile)
}

// maxEntry bounds the lines that the value of one variable is looked for in.
const maxEntry = 200

// checkNames refuses a name that no variable has, as of a line OPENAI KEY=sk-...:
// what was meant would not be set, and nobody would be told.
func checkNames(file, text string, vars map[string]string) error {
	for name := range vars {
		if name != "" && !strings.ContainsFunc(name, unicode.IsSpace) {
			continue
		}
		at := slices.IndexFunc(strings.Split(text, "\n"), func(line string) bool {
			line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
			return strings.HasPrefix(line, name) && strings.HasPrefix(strings.TrimLeft(line[len(name):], " \t"), "=")
		})
		return fmt.Errorf("%s:%d: %w", file, max(at, 0)+1, errEnvFile)
	}
	return nil
}
