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

// TestTooLittleRoom: where Go could not start, or aex not work, aex says so in a
// line; where it can, it does.
func TestTooLittleRoom(t *testing.T) {
	aex := filepath.Join(t.TempDir(), "aex")
	build := exec.Command("go", "build", "-ldflags", begins, "-o", aex, "github.com/Auro-rium/aex/v3")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const space = "aex: the address space is limited to less than the 1.5 GiB that aex needs; raise it: ulimit -v unlimited\n"
	const files = "aex: open files are limited to fewer than the 64 that aex needs; raise it: ulimit -n 1024\n"
	for limit, want := range map[string]string{
		"-v 100000": space, "-v 500000": space, "-v 1200000": space, "-v 1572863": space, "-v 1572864": "", "-v unlimited": "",
		"-n 4": files, "-n 6": files, "-n 20": files, "-n 63": files, "-n 64": "", "-S -n 6": "",
	} {
		cmd := exec.Command("sh", "-c", "ulimit "+limit+` && exec "$0" version`, aex)
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		err := cmd.Run()
		var exit *exec.ExitError
		code := 0
		if want != "" {
			code = 125
		}
		if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s: %v\n%.500s", limit, err, said.String())
			continue
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
