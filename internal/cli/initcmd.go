package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/Auro-rium/aex/v3/internal/owned"
)

// firstModels is the models.yaml that init writes: what v1.2's was, but with
// the catalogue's prices, which v1.2's own were a thousand times off.
const firstModels = `# Providers and models that aex knows beside the built-in ones; every key is
# told in docs/models.md. A price that is left out is the catalogue's:
# aex models list shows it.
version: 1

providers:
  groq:
    base_url: https://api.groq.com/openai/v1
    type: openai_compatible

default_model: gpt-oss-20b

models:
  gpt-oss-20b:
    provider: groq
    provider_model: llama-3.1-8b-instant
    limits:
      max_tokens: 8192
    capabilities:
      reasoning: true
      tools: true
      vision: false
`

// firstEnv is the .env that init writes.
const firstEnv = `# Provider API keys. The environment of aex goes first, then --env-file, then
# this file. Programs that aex runs never see them.
#OPENAI_API_KEY=
#ANTHROPIC_API_KEY=
#GEMINI_API_KEY=
#GROQ_API_KEY=
`

func (a *app) initCommand() *cobra.Command {
	noInput := false
	cmd := a.jsonFlag(&cobra.Command{
		Use: "init", Short: "make aex's home, with a models.yaml and a .env to fill in", Args: none,
		Long: `init makes what is not there yet and leaves the rest. No command needs it: home is
made on first use. With a terminal it asks for keys; without one it never waits.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), noInput) },
	})
	cmd.Flags().BoolVar(&noInput, "no-input", false, "ask nothing")
	return cmd
}

func (a *app) init(ctx context.Context, noInput bool) (err error) {
	s, err := a.settings()
	if err != nil {
		return err
	}
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	made := []string{}
	files := []struct {
		path, text string
		ask        bool
	}{{s.modelsFile, firstModels, false}, {filepath.Join(s.home, ".env"), firstEnv, true}}
	for _, f := range files {
		if _, err := os.Stat(f.path); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return fmt.Errorf("looking at %s: %w", f.path, err)
			}
			continue
		}
		text := f.text
		if f.ask && !noInput && !a.json && isTerminal(a.stdin) {
			keys, err := a.askKeys()
			if err != nil {
				return err
			}
			text += keys
		}
		if err := owned.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
			return fmt.Errorf("making %s: %w", filepath.Dir(f.path), err)
		}
		if err := writeWhole(f.path, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
			return err
		}
		made = append(made, f.path)
	}
	if a.json {
		return a.printJSON(map[string]any{"home": s.home, "made": made, "ledger": s.ledgerPath})
	}
	for _, path := range made {
		a.printf("made %s", printable(path))
	}
	a.printf("AEX initialized in %s", printable(s.home))
	a.printf("Next: put a provider key into %s, then: aex run --budget 0.50 -- PROGRAM", printable(filepath.Join(s.home, ".env")))
	return nil
}

// askKeys asks for keys without showing them; an empty line is none.
func (a *app) askKeys() (lines string, err error) {
	for _, k := range [][2]string{{"OpenAI", "OPENAI_API_KEY"}, {"Anthropic", "ANTHROPIC_API_KEY"}, {"Groq", "GROQ_API_KEY"}} {
		fmt.Fprintf(a.stderr, "Enter your %s API key (optional, not shown): ", k[0])
		key, err := term.ReadPassword(int(a.stdin.Fd()))
		fmt.Fprintln(a.stderr)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return "", fmt.Errorf("reading a key: %w", err)
		}
		text := strings.TrimSpace(string(key))
		if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '\'' || r == '"' || r == '#' || r == '$' }) {
			return "", usageError("that is not a key: it has characters that keys do not have")
		}
		if text != "" {
			lines += k[1] + "=" + text + "\n"
		}
	}
	return lines, nil
}
