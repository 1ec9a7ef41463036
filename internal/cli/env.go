package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/owned"
	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/supervisor/adapter"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

func (a *app) envCommand() *cobra.Command {
	ttl, scope := ttlFlag{}, scopeFlag{ledger.Execution}
	f := envFlags{shell: "sh"}
	cmd := &cobra.Command{
		Use: "env AGENT", Short: "mint a token and print the settings that lead a program to aex serve",
		Long: `env mints one more token of AGENT and prints the variables by which SDKs find
the server. With --shell github it appends them to GITHUB_ENV and masks the token.
With --for it prints what leads that agent program: its variables and, where it
reads none, the lines of its own configuration, which --write puts where they
belong if nothing is there yet.`,
		Example: "  eval \"$(aex env atlas)\"\n  aex env atlas --for codex --write\n  aex env atlas --shell dotenv > .env",
		Args:    exactly("AGENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.env(cmd.Context(), args[0], f, ttl, scope.scope)
		},
	}
	cmd.Flags().StringVar(&f.shell, "shell", f.shell, "what to print it for")
	cmd.Flags().StringVar(&f.url, "url", "", "where the server is (default: the running one, else http://127.0.0.1:9000)")
	cmd.Flags().StringVar(&f.program, "for", "", "the agent program that is to be led")
	cmd.Flags().BoolVar(&f.write, "write", false, "write the program's configuration where there is none yet")
	cmd.Flags().Var(&ttl, "ttl", "how long the token lives: hours (24, 0.5), 90m, 7d, none")
	cmd.Flags().Var(&scope, "scope", "what the token may do: execution, read-only")
	a.takes(cmd, map[string]kind{"shell": oneOfKind("sh", "fish", "dotenv", "github"), "url": takesURL, "for": oneOfKind(adapter.Names()...), "ttl": takesLife, "scope": takesScope})
	return a.arguments(cmd, false, takesAgent)
}

// envFlags are the flags of aex env, as typed.
type envFlags struct {
	shell, url, program string
	write               bool
}

func (a *app) env(ctx context.Context, agent string, f envFlags, ttl ttlFlag, scope ledger.Scope) (err error) {
	if f.shell, err = oneOf("--shell", f.shell, "sh", "fish", "dotenv", "github"); err != nil {
		return err
	}
	program, err := f.adapter()
	if err != nil {
		return err
	}
	file := environment(a.environ)["GITHUB_ENV"]
	if f.shell == "github" && file == "" {
		return &failure{err: errors.New("GITHUB_ENV is not set"), hint: "--shell github is for a step of GitHub Actions", code: exitUsage}
	}
	s, err := a.settings()
	if err != nil {
		return err
	}
	if f.url == "" {
		f.url = a.serverURL(ctx, s)
	}
	l, _, err := a.findAgent(ctx, agent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	token, _, err := a.mint(ctx, agent, ttl.d, scope, l.AddToken)
	if err != nil {
		return a.agentError(ctx, l, agent, err)
	}
	to := environ.Gateway{URL: strings.TrimRight(f.url, "/"), Token: token}
	pairs, files := to.Client(), []adapter.Snippet(nil)
	if program != nil {
		pairs, files = program.Serve(to)
	}
	if f.shell == "github" {
		err = a.githubEnv(file, token, pairs)
	} else {
		a.printSettings(f.shell, pairs)
	}
	return errors.Join(err, a.placeSnippets(files, f.write))
}

// adapter is that of the program that is to be led; nil where none is named.
func (f envFlags) adapter() (*adapter.Adapter, error) {
	if f.program == "" {
		if f.write {
			return nil, usageError("--write writes the configuration of a program: name it with --for")
		}
		return nil, nil
	}
	if _, err := oneOf("--for", f.program, adapter.Names()...); err != nil {
		return nil, err
	}
	program := adapter.Named(f.program)
	if why := program.Unled(); why != "" {
		return nil, &failure{err: fmt.Errorf("%s, so it cannot be led to aex", why), hint: "use an agent program that takes a key of your own: claude, codex, opencode ...", code: exitFailed}
	}
	return program, nil
}

func (a *app) printSettings(shell string, pairs [][2]string) {
	for _, p := range pairs {
		switch shell {
		case "fish":
			a.printf("set -gx %s %s", p[0], plain.Word(p[1]))
		case "dotenv":
			a.printf("%s=%s", p[0], p[1])
		default:
			a.printf("export %s=%s", p[0], plain.Word(p[1]))
		}
	}
}

// placeSnippets prints the configuration of a program as comments, which every
// shell passes over, or writes it where there is none.
func (a *app) placeSnippets(files []adapter.Snippet, write bool) error {
	for _, s := range files {
		if write {
			if err := a.placeSnippet(s); err != nil {
				return err
			}
			continue
		}
		a.printf("# in %s:", s.File)
		for line := range strings.Lines(s.Text) {
			a.printf("# %s", strings.TrimRight(line, "\n"))
		}
	}
	return nil
}

func (a *app) placeSnippet(s adapter.Snippet) error {
	path := s.File
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		path = filepath.Join(environment(a.environ)["HOME"], rest)
	}
	if err := owned.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing %s: %w", s.File, err)
	}
	f, err := owned.Open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hinted(fmt.Errorf("%s is there already", s.File), "put the lines into it yourself: they are printed without --write")
	}
	if err == nil {
		_, err = f.WriteString(s.Text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.File, err)
	}
	fmt.Fprintf(a.stderr, "aex: wrote %s\n", s.File)
	return nil
}

// serverURL is where this home's server is, or will be.
func (a *app) serverURL(ctx context.Context, s *settings) string {
	if v := a.lookAtDaemon(ctx, s); v.Running && v.URL != "" {
		return v.URL
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", defaultPort)
	fmt.Fprintf(a.stderr, "aex: no server is running yet; these lead to %s\naex: hint: start it with: aex daemon start\n", url)
	return url
}

// githubEnv hides the token from the job's log before anything can print it.
func (a *app) githubEnv(file, token string, pairs [][2]string) error {
	a.printf("::add-mask::%s", token)
	f, err := owned.Open(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("writing GITHUB_ENV: %w", err)
	}
	for _, p := range pairs {
		if _, err := fmt.Fprintf(f, "%s=%s\n", p[0], p[1]); err != nil {
			return errors.Join(fmt.Errorf("writing GITHUB_ENV: %w", err), f.Close())
		}
	}
	return f.Close()
}
