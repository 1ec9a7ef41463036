package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
)

// written is a file that people write: how an example of it begins, and what
// comes next. Its keys are the parser's.
type written struct {
	name, command string
	head, next    string
	keys          []policy.Key
	place         func(*settings) string // where it is made when no FILE is named
}

const schemas = "https://raw.githubusercontent.com/Auro-rium/aex/main/docs/"

var (
	writtenPolicy = written{
		name: policy.FileName, command: "policy", keys: policy.FileKeys(),
		head: `yaml-language-server: $schema=` + schemas + `aex.schema.json

What runs in this repository may do and spend. aex run finds this file from any
directory below it; aex policy check tells what it says. Take away the # in front
of a key, and of the key that it stands below, to use it.`,
		next:  "aex policy check %s",
		place: func(*settings) string { return policy.FileName },
	}
	writtenModels = written{
		name: "models.yaml", command: "models", keys: policy.ModelsKeys(),
		head: `yaml-language-server: $schema=` + schemas + `models.schema.json

Providers, models and prices beside those that aex knows. aex models list tells
what it comes to. Take away the # in front of a key, and of the key that it
stands below, to use it.`,
		next:  "aex models list",
		place: func(s *settings) string { return s.modelsFile },
	}
)

// initFileCommand writes an example of the file.
func (a *app) initFileCommand(w written) *cobra.Command {
	cmd := &cobra.Command{
		Use: "init [FILE]", Short: "write an example of " + w.name + ", with every key and what it does",
		Long: fmt.Sprintf(`init writes FILE, or %s in its place, with every key and what it does; none of
them is in force until its # is taken away. What is there is left as it is. FILE
may be - for standard output.`, w.name),
		Example: fmt.Sprintf("  aex %s init\n  aex %s init -", w.command, w.command),
		Args:    atMostOne("FILE"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.writeExample(w, args) },
	}
	return a.arguments(cmd, false, takesFile)
}

func (a *app) writeExample(w written, args []string) error {
	text := policy.Example(w.keys, w.head)
	s, err := a.settings()
	if err != nil {
		return err
	}
	path := w.place(s)
	if len(args) == 1 {
		path = args[0]
	} else if filepath.IsAbs(path) { // in home, which is made on first use
		if err := owned.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("making %s: %w", filepath.Dir(path), err)
		}
	}
	if path == "-" {
		_, err := io.WriteString(a.stdout, text)
		return err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(a.dir, path)
	}
	made, err := makeFile(path, text)
	if err != nil {
		return err
	}
	if !made {
		return hinted(fmt.Errorf("there is a file %s already", path), "see an example with: aex %s init -", w.command)
	}
	a.printf("made %s", printable(path))
	next := w.next
	if strings.Contains(next, "%s") {
		next = fmt.Sprintf(next, plain.Word(printable(path)))
	}
	a.printf("Next: take away the # of what you want, then: %s", next)
	return nil
}

// schemaCommand prints the schema by which editors check the file.
func (a *app) schemaCommand(w written) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "print the JSON schema of " + w.name + ", for editors", Args: none,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(policy.Schema(w.keys, w.name+" of aex"))
			return err
		},
	}
}

// atMostOne is for commands with an argument that may be left out.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError("%s takes one %s or none; %q is one too many", cmd.CommandPath(), name, args[1])
		}
		return nil
	}
}

// makeFile writes a file that is not there yet; made is false where it is.
func makeFile(path, text string) (made bool, err error) {
	f, err := owned.Open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, hinted(fmt.Errorf("writing %s: %w", path, err), "name a file in a directory that exists and is yours")
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("writing %s: %w", path, err)
	}
	return true, nil
}
