package cli

import (
	"runtime/debug"
	"testing"
)

// TestFillVersion: what the linker set stands; else what Go recorded.
func TestFillVersion(t *testing.T) {
	version, commit, date := Version, Commit, Date
	t.Cleanup(func() { Version, Commit, Date = version, commit, date })
	tree := []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}}
	for name, c := range map[string]struct {
		linked, recorded, want string
	}{
		"release":    {"3.0.0", "(devel)", "3.0.0"},
		"go install": {"", "v3.1.0", "3.1.0"},
		"go build":   {"", "(devel)", developed},
		"nothing":    {"", "", developed},
	} {
		Version, Commit, Date = c.linked, "", ""
		fillVersion(&debug.BuildInfo{Main: debug.Module{Version: c.recorded}, Settings: tree})
		if Version != c.want || Commit != "abc" || Date != "2026-01-02T03:04:05Z" {
			t.Errorf("%s: %s %s %s", name, Version, Commit, Date)
		}
	}
	Version, Commit, Date = "3.0.0", "def", "today"
	fillVersion(&debug.BuildInfo{Settings: tree})
	if Commit != "def" || Date != "today" {
		t.Errorf("the linker's words are gone: %s %s", Commit, Date)
	}
}
