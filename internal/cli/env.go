package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
)

func (a *app) envCommand() *cobra.Command {
	ttl, scope := ttlFlag{}, scopeFlag{ledger.Execution}
	shell, url := "sh", ""
	cmd := &cobra.Command{
		Use: "env AGENT", Short: "mint a token and print the settings that lead a program to aex serve",
		Long: `env mints one more token of AGENT and prints the variables by which SDKs find
the server. With --shell github it appends them to GITHUB_ENV and masks the token.`,
		Example: "  eval \"$(aex env atlas)\"\n  aex env atlas --shell dotenv > .env",
		Args:    exactly("AGENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.env(cmd.Context(), args[0], shell, url, ttl, scope.scope)
		},
	}
	cmd.Flags().StringVar(&shell, "shell", shell, "what to print it for")
	cmd.Flags().StringVar(&url, "url", "", "where the server is (default: the running one, else http://127.0.0.1:9000)")
	cmd.Flags().Var(&ttl, "ttl", "how long the token lives: hours (24, 0.5), 90m, 7d, none")
	cmd.Flags().Var(&scope, "scope", "what the token may do: execution, read-only")
	a.takes(cmd, map[string]kind{"shell": oneOfKind("sh", "fish", "dotenv", "github"), "url": takesURL, "ttl": takesLife, "scope": takesScope})
	return a.arguments(cmd, false, takesAgent)
}

// clientSettings are the variables that lead a program to the gateway at url.
func clientSettings(url, token string) [][2]string {
	return [][2]string{
		{"OPENAI_BASE_URL", url + "/v1"}, {"OPENAI_API_KEY", token},
		{"ANTHROPIC_BASE_URL", url}, {"ANTHROPIC_API_KEY", token},
		{"GOOGLE_GEMINI_BASE_URL", url}, {"GEMINI_API_KEY", token},
		{"GROQ_BASE_URL", url}, {"GROQ_API_KEY", token},
		{"AEX_URL", url}, {"AEX_AGENT_TOKEN", token},
	}
}

func (a *app) env(ctx context.Context, agent, shell, url string, ttl ttlFlag, scope ledger.Scope) (err error) {
	shell, err = oneOf("--shell", shell, "sh", "fish", "dotenv", "github")
	if err != nil {
		return err
	}
	file := environment(a.environ)["GITHUB_ENV"]
	if shell == "github" && file == "" {
		return &failure{err: errors.New("GITHUB_ENV is not set"), hint: "--shell github is for a step of GitHub Actions", code: exitUsage}
	}
	s, err := a.settings()
	if err != nil {
		return err
	}
	if url == "" {
		url = a.serverURL(ctx, s)
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
	pairs := clientSettings(strings.TrimRight(url, "/"), token)
	if shell == "github" {
		return a.githubEnv(file, token, pairs)
	}
	for _, p := range pairs {
		switch shell {
		case "fish":
			a.printf("set -gx %s %s", p[0], quoteShell(p[1]))
		case "dotenv":
			a.printf("%s=%s", p[0], p[1])
		default:
			a.printf("export %s=%s", p[0], quoteShell(p[1]))
		}
	}
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
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
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

// quoteShell keeps what a shell would read into a value from being read.
func quoteShell(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
