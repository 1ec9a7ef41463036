package cli

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// TestGuardPatchesApply: each patch of clients/guards, which takes one guard away
// to show that a test goes red without it, fits the tree as it is. make guards
// takes minutes; a patch that no longer fits shows nothing, and is found here.
func TestGuardPatchesApply(t *testing.T) {
	git := need.Tool(t, "git")
	patches, err := filepath.Glob("../../clients/guards/*.patch")
	noError(t, err)
	if len(patches) < 19 {
		t.Errorf("only %d patches were found in clients/guards", len(patches))
	}
	for _, patch := range patches {
		path, err := filepath.Abs(patch)
		noError(t, err)
		try := exec.Command(git, "apply", "--check", "-C1", "--recount", path) // as clients/guards/run applies it
		try.Dir = "../.."
		if out, err := try.CombinedOutput(); err != nil {
			t.Errorf("%s does not fit the tree: %v\n%s", filepath.Base(patch), err, out)
		}
	}
}
