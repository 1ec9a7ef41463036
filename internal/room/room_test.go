//go:build linux && (amd64 || arm64)

package room

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// begins is what the linker is told.
const begins = "-E github.com/Auro-rium/aex/v3/internal/room.entry"

// TestSmallAddressSpace: where Go could not start, aex says so in a line; where
// it can, it does.
func TestSmallAddressSpace(t *testing.T) {
	aex := filepath.Join(t.TempDir(), "aex")
	build := exec.Command("go", "build", "-ldflags", begins, "-o", aex, "github.com/Auro-rium/aex/v3")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for limit, code := range map[string]int{"100000": 125, "500000": 125, "1200000": 125, "1572863": 125, "1572864": 0, "unlimited": 0} {
		cmd := exec.Command("sh", "-c", `ulimit -v "$1" && exec "$2" version`, "sh", limit, aex)
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s: %v\n%.500s", limit, err, said.String())
			continue
		}
		want := "aex: the address space is limited to less than the 1.5 GiB that aex needs; raise it: ulimit -v unlimited\n"
		if code == 0 {
			want = ""
		}
		if said.String() != want || code == 0 && !strings.HasPrefix(out.String(), "AEX ") {
			t.Errorf("%s: %q %q", limit, out.String(), said.String())
		}
	}
}

// TestEveryBinaryBeginsHere: what make and the release build is told so.
func TestEveryBinaryBeginsHere(t *testing.T) {
	for _, file := range []string{"Makefile", "clients/package/binary.go"} {
		b, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil || !strings.Contains(string(b), begins) {
			t.Errorf("%s does not have %s: %v", file, begins, err)
		}
	}
}
