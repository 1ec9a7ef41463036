package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// synonyms are words that people try, and the command that does it.
var synonyms = map[string]string{
	"ps": "runs", "list": "runs", "ls": "runs", "history": "runs", "exec": "run",
	"stop": "runs stop RUN", "kill": "runs stop RUN", "show": "runs show RUN",
	"create": "agent create NAME BUDGET RPM", "new": "agent create NAME BUDGET RPM", "pause": "agent pause NAME", "resume": "agent resume NAME",
	"spend": "report", "spending": "report", "cost": "report", "costs": "report", "usage": "report", "bill": "report",
	"price": "models price MODEL", "prices": "models list", "pricing": "models list",
	"log": "events", "logs": "events", "trail": "events", "verify": "audit", "check": "doctor",
	"start": "daemon start", "server": "serve", "gateway": "serve", "proxy": "serve", "top": "metrics", "stats": "metrics",
	"ui": "dashboard", "web": "dashboard", "backup": "ledger backup FILE", "prune": "ledger prune --before 180d",
	"why": "events --action deny", "refused": "events --action deny", "refusals": "events --action deny", "denied": "events --action deny", "denials": "events --action deny",
	"balance": "agent inspect NAME", "inspect": "agent inspect NAME", "info": "agent inspect NAME", "agents": "agent list", "groups": "group list", "team": "group create NAME", "teams": "group list",
	"delete": "agent delete NAME", "remove": "agent delete NAME", "rotate": "agent rotate-token NAME", "set": "agent set NAME", "limit": "agent set NAME",
	"config": "init", "token": "agent token NAME", "top-up": "topup", "budget": "topup",
}

// synonymsBelow are the same for the commands below one.
var synonymsBelow = map[string]map[string]string{
	"runs":   {"list": "", "ls": "", "kill": "stop RUN", "end": "stop RUN", "inspect": "show RUN", "info": "show RUN", "get": "show RUN"},
	"agent":  {"show": "inspect NAME", "info": "inspect NAME", "get": "inspect NAME", "new": "create NAME BUDGET RPM", "add": "create NAME BUDGET RPM", "ls": "list", "update": "set NAME", "edit": "set NAME", "limit": "set NAME", "budget": "set NAME --budget 5.00", "rm": "delete NAME", "remove": "delete NAME", "rotate": "rotate-token NAME", "stop": "pause NAME", "unpause": "resume NAME"},
	"group":  {"show": "inspect GROUP", "info": "inspect GROUP", "get": "inspect GROUP", "new": "create GROUP", "add": "create GROUP", "ls": "list", "update": "set GROUP", "edit": "set GROUP", "limit": "set GROUP", "budget": "set GROUP --budget 100/month", "rm": "delete GROUP", "remove": "delete GROUP", "stop": "pause GROUP", "unpause": "resume GROUP", "top-up": "topup GROUP DOLLARS"},
	"daemon": {"restart": "stop; aex daemon start", "run": "start", "up": "start", "down": "stop", "kill": "stop", "logs": "status"},
	"ledger": {"export": "backup FILE", "copy": "backup FILE", "check": "", "verify": ""},
	"models": {"show": "price MODEL", "get": "price MODEL", "ls": "list", "prices": "list", "refresh": "update", "cost": "price MODEL"},
	"policy": {"show": "check", "validate": "check", "new": "init", "create": "init", "lint": "check"},
}

// flagSynonyms are flags that people try, and the ones that do it.
var flagSynonyms = map[string]string{
	"daily": "--window daily", "weekly": "--window weekly", "monthly": "--window monthly", "per-day": "--window daily", "period": "--window daily",
	"models": "--allowed-models", "allow": "--allowed-models", "deny": "--denied-models", "tools": "--allowed-tool-names", "limit": "--budget, --rpm or --max-output-tokens",
	"name": "--agent", "max-cost": "--budget", "max-budget": "--budget", "usd": "--budget", "rate": "--rpm", "requests-per-minute": "--rpm", "expires": "--ttl",
	"host": "--listen", "address": "--listen", "bind": "--listen", "output": "--json", "from": "--since", "to": "--until", "last": "-n", "top": "--sort spent -n 10",
}

// unknownCommand suggests what may have been meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	hint := "see: " + cmd.CommandPath() + " --help"
	if meant := closest(name, commandNames(cmd)); meant != "" {
		hint = "did you mean: " + cmd.CommandPath() + " " + meant
	} else if topic := closestTopic(cmd, name); topic != "" {
		hint = "did you mean: aex help " + topic
	} else if meant := synonyms[strings.ToLower(name)]; meant != "" && !cmd.HasParent() {
		hint = "did you mean: aex " + meant
	} else if meant, known := synonymsBelow[cmd.Name()][strings.ToLower(name)]; known {
		hint = strings.TrimSpace("did you mean: " + cmd.CommandPath() + " " + meant)
		if cmd.Name() == "ledger" && meant == "" {
			hint = "did you mean: aex audit"
		}
	}
	if looksLikeRun(name) && cmd.Name() == "runs" {
		hint = "for one run: aex runs show " + name
	}
	return &failure{err: fmt.Errorf("unknown command %q", name), hint: hint, code: exitUsage}
}

// closestTopic is what aex help tells of beside commands, where it is much like
// the name that was typed.
func closestTopic(cmd *cobra.Command, name string) string {
	help, _, err := cmd.Root().Find([]string{"help"})
	if err != nil || cmd.HasParent() {
		return ""
	}
	return closest(name, commandNames(help))
}

// looksLikeRun tells of what may be the beginning of a run's id.
func looksLikeRun(s string) bool {
	return len(s) >= 3 && strings.Trim(s, "0123456789abcdef") == ""
}

// commandNames are the names and aliases of the commands below one.
func commandNames(cmd *cobra.Command) (names []string) {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			names = append(append(names, sub.Name()), sub.Aliases...)
		}
	}
	return names
}

// closest is the name that a slip of the fingers would make into typed: one
// that begins so, or one letter, or two letters of a long one, away, and
// rather one of the same length. It is "" where none is near, or two are.
func closest(typed string, names []string) string {
	typed = strings.ToLower(typed)
	var begins []string
	for _, n := range names {
		if len(typed) > 1 && strings.HasPrefix(strings.ToLower(n), typed) {
			begins = append(begins, n)
		}
	}
	if len(begins) > 0 {
		return slices.MinFunc(begins, func(a, b string) int { return len(a) - len(b) })
	}
	best, least := "", 3
	for _, n := range names {
		allowed := 1
		if min(len(n), len(typed)) > 4 {
			allowed = 2
		}
		switch d := slips(typed, strings.ToLower(n)); {
		case d > allowed || len(typed) < 2:
		case d < least || d == least && len(n) == len(typed) && len(best) != len(typed):
			best, least = n, d
		case d == least && (len(n) == len(typed)) == (len(best) == len(typed)):
			best = ""
		}
	}
	return best
}

// slips is the number of single slips between two words: a letter added, left
// out, changed, or two that changed places.
func slips(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			d[i][j] = min(change, d[i-1][j]+1, d[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// flagError words what is wrong with a flag, and what is expected.
func flagError(cmd *cobra.Command, err error) error {
	hint := "see: " + cmd.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		hint, err = unknownShort(cmd, unknown)
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		err = fmt.Errorf("unknown flag: --%s", name)
		if meant := closest(name, flagNames(cmd)); meant != "" {
			hint = "did you mean: --" + meant
		} else if meant := flagSynonyms[name]; meant != "" && hasFlag(cmd, meant) {
			hint = "did you mean: " + meant
		} else if cmd.Name() == "run" {
			hint = "the program's own flags stand behind its name: " + cmd.CommandPath() + " -- PROGRAM --" + name
		}
	case errors.As(err, &empty):
		f := empty.GetFlag()
		kind, _ := pflag.UnquoteUsage(f)
		err = fmt.Errorf("--%s needs a value: --%s %s", f.Name, f.Name, flagKind(f, kind))
	case errors.As(err, &invalid):
		err = errors.New(strings.TrimSuffix(err.Error(), invalid.Unwrap().Error()) + invalidCause(invalid).Error())
	}
	return &failure{err: err, hint: hint, code: exitUsage}
}

// unknownShort words an unknown flag of one letter, and a negative number that
// was taken for one.
func unknownShort(cmd *cobra.Command, unknown *pflag.NotExistError) (hint string, err error) {
	given := unknown.GetSpecifiedShortnames()
	hint = "see: " + cmd.CommandPath() + " --help"
	if example := firstExample(cmd); example != "" {
		hint = "for example: " + example
	}
	if given[0] >= '0' && given[0] <= '9' || given[0] == '.' {
		return hint, fmt.Errorf("-%s is negative: %s takes amounts and numbers of 0 or more", given, cmd.CommandPath())
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Shorthand != "" && !f.Hidden {
			known = append(known, "-"+f.Shorthand+" (--"+f.Name+")")
		}
	})
	name := "-" + string([]rune(unknown.GetSpecifiedName())[:1])
	if "-"+given != name {
		name += " in -" + given
	}
	return hint, fmt.Errorf("unknown flag %s; %s has %s", name, cmd.CommandPath(), strings.Join(known, ", "))
}

// hasFlag tells whether the command has the first flag of a text.
func hasFlag(cmd *cobra.Command, text string) bool {
	name := strings.Trim(strings.Fields(text)[0], "-,")
	return cmd.Flags().Lookup(name) != nil || len(name) == 1 && cmd.Flags().ShorthandLookup(name) != nil
}

func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// firstExample is the first line of a command's examples; "" for none.
func firstExample(cmd *cobra.Command) string {
	line, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	return line
}

// exactly checks the number of arguments. Names are as they stand in the usage.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint := "see: " + cmd.CommandPath() + " --help"
		if example := firstExample(cmd); example != "" {
			hint = "for example: " + example
		}
		takes := strings.Join(names, " ")
		switch {
		case len(args) < len(names):
			return &failure{err: fmt.Errorf("%s takes %s; %s missing", cmd.CommandPath(), takes, missing(names[len(args):])), hint: hint, code: exitUsage}
		case len(args) > len(names):
			return &failure{err: fmt.Errorf("%s takes %s; %q is one too many", cmd.CommandPath(), takes, args[len(names)]), hint: hint, code: exitUsage}
		}
		return nil
	}
}

// missing is "RPM is", "BUDGET and RPM are".
func missing(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last] + " are"
}

// none is for commands without arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &failure{err: fmt.Errorf("%s takes no arguments, not %q", cmd.CommandPath(), args[0]), hint: "see: " + cmd.CommandPath() + " --help", code: exitUsage}
}
