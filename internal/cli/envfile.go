package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

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
		return vars, nil
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
