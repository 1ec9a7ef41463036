package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/supervisor"
)

func (a *app) ledgerTimezoneCommand() *cobra.Command {
	return a.arguments(a.jsonFlag(&cobra.Command{
		Use: "timezone [ZONE]", Short: "tell or choose whose days budgets and reports have",
		Long: `timezone tells whose days, weeks and months budgets and reports have, or makes
them those of ZONE. It is one setting of the ledger, for all who use it: UTC until
somebody chooses, here or by timezone: in an aex.yaml.

A budget by the day, week or month that is open when the zone changes goes on,
with what was spent of it, until the next begins in the new zone; nothing is given
anew. Reports show all days in the zone of now. A day begins with its first whole
hour of UTC, because sums are kept by these: in India at 00:30.`,
		Example: "  aex ledger timezone Europe/Berlin\n  aex ledger timezone",
		Args:    atMostOne("ZONE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.tellZone(cmd.Context())
			}
			return a.setZone(cmd.Context(), args[0])
		},
	}), false, kind{name: "ZONE", complete: completeZones})
}

func (a *app) tellZone(ctx context.Context) error {
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer l.Close() // reads; the ledger has nothing to lose
	zone, told, err := l.Zone(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"timezone": zone.String(), "chosen": told})
	}
	if !told {
		a.printf("%s, as nobody has chosen; choose with: aex ledger timezone Europe/Berlin", zone)
		return nil
	}
	a.printf("%s", zone)
	return nil
}

func (a *app) setZone(ctx context.Context, name string) (err error) {
	zone, err := ledger.ParseZone(name)
	if err != nil {
		return &failure{err: errors.New(strings.TrimPrefix(err.Error(), ledger.ErrInvalid.Error()+": ")), hint: zoneHint(name), code: exitUsage}
	}
	l, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	changed, err := l.SetZone(ctx, zone, false)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"timezone": zone.String(), "chosen": true, "changed": changed})
	}
	if !changed {
		a.printf("%s already", zone)
		return nil
	}
	a.printf("The days of budgets and reports are those of %s. A budget by the day, week or month that is open goes on until the next begins there.", zone)
	return nil
}

// zoneHint finds the zone whose name is near, or has the word at its end.
func zoneHint(name string) string {
	names := zoneNames()
	if meant := closest(name, names); meant != "" {
		return "did you mean: " + meant
	}
	word := strings.ReplaceAll(strings.ToLower(name), " ", "_")
	for _, n := range names {
		if _, city, _ := strings.Cut(strings.ToLower(n), "/"); word != "" && (city == word || strings.HasSuffix(city, "/"+word)) {
			return "did you mean: " + n
		}
	}
	return "for example: aex ledger timezone Europe/Berlin"
}

// zoneNames are those that this machine's own list of zones has: the one that
// is built in cannot be listed.
func zoneNames() (names []string) {
	for _, list := range []string{"zone1970.tab", "zone.tab"} {
		text, err := os.ReadFile(filepath.Join("/usr/share/zoneinfo", list))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) >= 3 && !strings.HasPrefix(line, "#") {
				names = append(names, fields[2])
			}
		}
		break
	}
	return append(names, "UTC")
}

func completeZones(*app, context.Context, string) []string { return zoneNames() }

// inZone makes the ledger's days those of a policy file, where nobody has chosen
// yet. Where somebody has, the file's would not be the days of the budgets.
func (a *app) inZone(ctx context.Context, spec *supervisor.Spec, file *policy.File, quiet bool) (err error) {
	if file == nil || file.Timezone == "" || spec.Outer != nil { // inside a run, the ledger is the outer one's
		return nil
	}
	zone, err := ledger.ParseZone(file.Timezone)
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, spec.Ledger)
	if err != nil {
		return fmt.Errorf("opening the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	changed, err := l.SetZone(ctx, zone, true)
	if errors.Is(err, ledger.ErrZoneTold) {
		has, _, err := l.Zone(ctx)
		if err != nil {
			return err
		}
		return hinted(fmt.Errorf("%s has timezone: %s, and the days of this ledger are those of %s", file.Path, zone, has),
			"make them the file's for all who use the ledger: aex ledger timezone %s; or leave the key out", zone)
	}
	if changed && !quiet {
		fmt.Fprintf(a.stderr, "aex: the days of budgets and reports are those of %s now, as %s says\n", zone, printable(file.Path))
	}
	return err
}
