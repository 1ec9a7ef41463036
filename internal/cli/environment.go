package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variable is a variable of the environment that aex looks at.
type variable struct{ name, text string }

// variables are those beside the ones of flags.
var variables = []variable{
	{"AEX_HOME", "where aex keeps its files; ~/.aex without it"},
	{"AEX_LEDGER", "the ledger's file; aex.db in home without it. AEX_DB_PATH, its name in v1.2, holds too. Or a PostgreSQL server: postgres://USER@HOST/DATABASE (docs/fleet.md)"},
	{"AEX_TOKEN", "an agent's token at the gateway of AEX_GATEWAY, for aex run; it may stand in .env in home"},
	{"AEX_OIDC_TOKEN", "without AEX_TOKEN: a CI's OIDC token, which the gateway exchanges for an agent's"},
	{"AEX_OIDC_AUDIENCE", "whom GitHub Actions is asked for such a token for; the gateway's address without it"},
	{"AEX_CONFIG_DIR", "where models.yaml and serve.yaml are; config in home without it"},
}

// given are variables that aex sets for the programs it runs, or prints for
// clients of aex serve; nobody sets them by hand.
var given = []variable{
	{"AEX_URL", "where the gateway of this run is"},
	{"AEX_AGENT_TOKEN", "the token that the gateway knows this run or agent by"},
	{"AEX_RUN_ID", "the run"},
	{"AEX_SANDBOX_LEVEL", "of a program in a sandbox: full or network"},
}

// silent are variables that are known and not told of: v1.2's name, the Python
// helper's, and aex's own.
var silent = []string{"AEX_DB_PATH", "AEX_MONITOR", "AEX_BIN"}

// withVariables marks a command whose flags can be given as variables.
const withVariables = "variables"

// variableOf is the variable of a flag: --max-calls is AEX_MAX_CALLS.
func variableOf(flag string) string {
	return "AEX_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagVariables visits the flags of a command that have a variable.
func flagVariables(cmd *cobra.Command, visit func(*pflag.Flag)) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && f.Name != "json" && f.Name != "home" && f.Name != "wait" {
			visit(f)
		}
	})
}

// commandsWithVariables are aex run, aex serve and aex daemon start.
func commandsWithVariables(root *cobra.Command) (all []*cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Annotations[withVariables] != "" {
			all = append(all, cmd)
		}
		all = append(all, commandsWithVariables(cmd)...)
	}
	return all
}

// readVariables gives flags that were not typed what their variables say. A
// list is separated by commas.
func (a *app) readVariables(cmd *cobra.Command) (err error) {
	if cmd.Annotations[withVariables] == "" {
		return nil
	}
	env := environment(a.environ)
	flagVariables(cmd, func(f *pflag.Flag) {
		value, name := env[variableOf(f.Name)], variableOf(f.Name)
		if err != nil || f.Changed || value == "" || fromKubernetes(name, value) {
			return
		}
		values := []string{value}
		if f.Value.Type() == "stringArray" {
			values = strings.Split(value, ",")
		}
		for _, v := range values {
			if e := cmd.Flags().Set(f.Name, v); e != nil {
				kind, _ := pflag.UnquoteUsage(f)
				err = &failure{
					err: fmt.Errorf("%s is %q, which is nothing for --%s: %w", name, value, f.Name, invalidCause(e)), code: exitUsage,
					hint: fmt.Sprintf("it takes what --%s takes: %s", f.Name, cmp.Or(flagKind(f, kind), "true or false")),
				}
				return
			}
		}
	})
	return err
}

// invalidCause is what is wrong with a value, without pflag's words around it.
func invalidCause(err error) error {
	if e, ok := err.(*pflag.InvalidValueError); ok { //nolint:errorlint // Set returns it as it is
		err = e.Unwrap()
	}
	if _, number := errors.AsType[*strconv.NumError](err); number { // of a list of numbers
		return errors.New("must be an integer")
	}
	return err
}

// fromKubernetes tells of the variables that a cluster sets for a service that
// is named aex.
func fromKubernetes(name, value string) bool {
	return strings.HasPrefix(name, "AEX_SERVICE_") || strings.HasPrefix(name, "AEX_PORT_") || name == "AEX_PORT" && strings.Contains(value, "://")
}

// knownVariables are all that aex knows.
func knownVariables(root *cobra.Command) []string {
	names := slices.Clone(silent)
	for _, v := range slices.Concat(variables, given) {
		names = append(names, v.name)
	}
	for _, cmd := range commandsWithVariables(root) {
		flagVariables(cmd, func(f *pflag.Flag) { names = append(names, variableOf(f.Name)) })
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// warnOfVariables tells of AEX_ variables that mean nothing: most are slips.
func (a *app) warnOfVariables(cmd *cobra.Command) {
	if f := cmd.Flag("quiet"); f != nil && f.Changed {
		return
	}
	known := knownVariables(cmd.Root())
	env := environment(a.environ)
	for _, entry := range a.environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "AEX_") || env[name] == "" || fromKubernetes(name, env[name]) ||
			strings.HasPrefix(name, "AEX_TEST_") || slices.Contains(known, name) {
			continue
		}
		hint := "see: aex help environment"
		if meant := closest(name, known); meant != "" {
			hint = "did you mean: " + strings.ToUpper(meant)
		}
		fmt.Fprintf(a.stderr, "aex: warning: %s is no variable of aex and is not used\naex: hint: %s\n", printable(name), hint)
	}
}

// withoutRunVariables is the environment less what flags of aex run can be
// given by: a run inside must not write the report of the one around it. What
// is passed on by name stays.
func withoutRunVariables(cmd *cobra.Command, environ, pass []string) (kept []string) {
	own := map[string]bool{}
	flagVariables(cmd, func(f *pflag.Flag) { own[variableOf(f.Name)] = !slices.Contains(pass, variableOf(f.Name)) })
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !own[name] {
			kept = append(kept, entry)
		}
	}
	return kept
}

// environmentText is what aex help environment prints.
func environmentText(root *cobra.Command) string {
	var b strings.Builder
	list := func(title string, all []variable) {
		fmt.Fprintf(&b, "\n%s\n\n", title)
		for _, v := range all {
			fmt.Fprintf(&b, "  %-22s %s\n", v.name, strings.Join(wrap(v.text, 74), "\n"+strings.Repeat(" ", 25)))
		}
	}
	b.WriteString("A flag that is typed goes before its variable, and that before aex.yaml. Lists are\nseparated by commas; a switch is true or false. A run's own program does not get\nthe variables of aex run's flags.\n")
	list("Every command:", variables)
	for _, cmd := range commandsWithVariables(root) {
		if cmd.Name() == "start" {
			continue // those of serve, and --wait
		}
		var own []variable
		flagVariables(cmd, func(f *pflag.Flag) {
			_, text := pflag.UnquoteUsage(f)
			own = append(own, variable{variableOf(f.Name), text})
		})
		title := cmd.CommandPath()
		if cmd.Name() == "serve" {
			title += ", aex daemon start"
		}
		list(title+":", own)
	}
	list("Set by aex for the programs it runs, and by aex env:", given)
	b.WriteString("\nProvider keys (OPENAI_API_KEY ...) and base URLs: docs/models.md\n")
	return b.String()
}

// environmentTopic is aex help environment.
func (a *app) environmentTopic() *cobra.Command {
	return &cobra.Command{
		Use: "environment", Short: "list the variables that aex looks at", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(a.stdout, environmentText(cmd.Root()))
			return err
		},
	}
}
