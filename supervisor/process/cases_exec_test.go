//go:build linux

package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What execvp(3) starts, aex starts: a script without a first line, and a program found without any PATH. What cannot
// start for what it needs says so.
func TestStartLikeExecvp(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"bare": `echo "bare $1"; exit 4`, "lost": "#!/no/such/interpreter -x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, errs, ws := run(t, "", filepath.Join(dir, "bare"), "arg"); out != "bare arg\n" || exitCode(ws) != 4 {
		t.Errorf("%q, %q, %v", out, errs, ws)
	}
	if _, errs, ws := run(t, "", filepath.Join(dir, "lost")); !strings.Contains(errs, "/no/such/interpreter") || exitCode(ws) != 127 {
		t.Errorf("%q, %v", errs, ws)
	}
	cmd := aexCommand(t, "true")
	cmd.Env = slices.DeleteFunc(cmd.Env, func(entry string) bool { return strings.HasPrefix(entry, "PATH=") })
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("without PATH: %q, %v", out, err)
	}
}

// A working directory that was removed, and a descriptor above the limit of now, are the program's as they would be
// without aex.
func TestStartWhereMuchIsMissing(t *testing.T) {
	for _, c := range []struct{ before, program, out string }{
		{`mkdir "$D/gone" && cd "$D/gone" && rmdir "$D/gone"`, `echo ran`, "ran\n"},
		{`exec 200</dev/null; ulimit -n 64`, `readlink /proc/self/fd/200`, "/dev/null\n"},
	} {
		cmd := aexCommand(t)
		cmd.Env = append(cmd.Env, "D="+t.TempDir())
		cmd.Path, cmd.Args = "/bin/bash", []string{"bash", "-c", c.before + ` && exec "$AEX" sh -c '` + c.program + `'`}
		if out, err := cmd.CombinedOutput(); !strings.HasSuffix(string(out), c.out) || err != nil { // the shell, too, has a word to say
			t.Errorf("%s: %q, %v", c.before, out, err)
		}
	}
}
