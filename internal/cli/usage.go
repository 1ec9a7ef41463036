package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageWidth is what the help of a flag is wrapped to.
const usageWidth = 100

// prettyUsage gives every command's help the flags as flagUsages writes them.
func prettyUsage(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		var b strings.Builder
		write := func(title, text string) {
			if text = strings.TrimRight(text, "\n"); text != "" {
				fmt.Fprintf(&b, "\n%s:\n%s\n", title, text)
			}
		}
		b.WriteString("Usage:\n")
		if cmd.Runnable() && !onlyGroups(cmd) {
			fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
		}
		if cmd.HasAvailableSubCommands() {
			fmt.Fprintf(&b, "  %s COMMAND\n", cmd.CommandPath())
		}
		write("Examples", cmd.Example)
		var commands strings.Builder
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&commands, "  %-*s %s\n", cmd.NamePadding(), sub.Name(), sub.Short)
			}
		}
		write("Commands", commands.String())
		write("Flags", flagUsages(cmd.LocalFlags()))
		write("Global flags", flagUsages(cmd.InheritedFlags()))
		if cmd.HasAvailableSubCommands() {
			fmt.Fprintf(&b, "\n%s COMMAND --help tells more of a command.\n", cmd.CommandPath())
		}
		_, err := io.WriteString(cmd.OutOrStderr(), b.String())
		return err
	})
}

// onlyGroups tells whether a command does nothing by itself.
func onlyGroups(cmd *cobra.Command) bool {
	return cmd.HasAvailableSubCommands() && strings.HasSuffix(cmd.Use, cmd.Name()) && cmd.Annotations["group"] != ""
}

// flagUsages lists flags: what to type, what it does, what holds without it.
func flagUsages(flags *pflag.FlagSet) string {
	type line struct{ typed, text string }
	var lines []line
	widest := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, text := pflag.UnquoteUsage(f)
		typed := "      --" + f.Name
		if f.Shorthand != "" {
			typed = "  -" + f.Shorthand + ", --" + f.Name
		}
		if f.Value.Type() != "bool" && kind != "" {
			typed += " " + flagKind(f, kind)
		}
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "0s" && d != "[]" && f.Value.Type() != "bool" && !strings.Contains(text, "(default") {
			text += " (default " + d + ")"
		}
		lines = append(lines, line{typed, text})
		if n := len(typed); n <= 34 {
			widest = max(widest, n)
		}
	})
	var b strings.Builder
	for _, l := range lines {
		indent := strings.Repeat(" ", widest+3)
		if len(l.typed) > widest {
			fmt.Fprintf(&b, "%s\n%s", l.typed, indent)
		} else {
			fmt.Fprintf(&b, "%-*s", widest+3, l.typed)
		}
		b.WriteString(strings.Join(wrap(l.text, usageWidth-widest-3), "\n"+indent) + "\n")
	}
	return b.String()
}

// flagKind is what stands for a flag's value in its help.
func flagKind(f *pflag.Flag, kind string) string {
	switch kind {
	case "int":
		return "N"
	case "duration":
		return "DURATION"
	case "string", "strings", "stringArray":
		if k := f.Annotations["kind"]; len(k) == 1 {
			return k[0]
		}
		return "TEXT"
	}
	return kind
}

// wrap breaks a text between words into lines of at most width bytes.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
