package cli

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Version, Commit and Date say which release this binary is. The linker sets
// them; where it did not, what Go itself recorded stands in.
var (
	Version = "" // without a v: 3.0.0
	Commit  = "" // of the source, in hex
	Date    = "" // of the commit, RFC 3339: the same source gives the same binary
)

// developed is the version of a binary that says nothing else.
const developed = "3.0.0-dev"

func init() {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	fillVersion(info)
}

// fillVersion takes from info what the linker did not set: go install records
// the module's version, go build in a work tree the commit.
func fillVersion(info *debug.BuildInfo) {
	recorded := strings.TrimPrefix(info.Main.Version, "v")
	if recorded == "(devel)" {
		recorded = ""
	}
	Version = cmp.Or(Version, recorded, developed)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			Commit = cmp.Or(Commit, s.Value)
		case "vcs.time":
			Date = cmp.Or(Date, s.Value)
		}
	}
	Commit, Date = cmp.Or(Commit, "unknown"), cmp.Or(Date, "unknown")
}

func (a *app) versionCommand() *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "version", Short: "print the version", Args: none,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{
					"version": Version, "commit": Commit, "date": Date,
					"go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			a.printf("%s", versionText())
			return nil
		},
	})
}

// versionText begins with the line that scripts of v1.2 read.
func versionText() string {
	return "AEX " + Version + "\ncommit " + Commit + "\ndate " + Date +
		"\n" + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
