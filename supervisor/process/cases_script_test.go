//go:build linux

package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// A script around aex ends by Ctrl-C, and goes on after it, exactly as it does without aex.
func TestInterruptOfAScript(t *testing.T) {
	need.Tool(t, "make")
	dir := t.TempDir()
	makefile := filepath.Join(dir, "Makefile")
	text := "all: a b\na:\n\t$(RUN) sh -c 'echo round; exec sleep 1000'\nb:\n\t$(RUN) sh -c 'echo round; exec sleep 1000'\n"
	if err := os.WriteFile(makefile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		dies    = `sh -c 'echo round; exec sleep 1000'`
		handles = `sh -c 'trap "echo handled; exit 3" INT; echo round; while :; do sleep 0.05; done'`
		raw     = `sh -c 'stty -isig -icanon; echo round; head -c 1 >/dev/null; stty isig icanon; exit 0'`
	)
	loop := func(program string) []string {
		return []string{"for i in 1 2; do $RUN " + program + "; done; echo over"}
	}
	for name, script := range map[string][]string{
		"bash": append([]string{"bash", "-c"}, loop(dies)...), "dash": append([]string{"sh", "-c"}, loop(dies)...),
		"bash, handled": append([]string{"bash", "-c"}, loop(handles)...), "dash, handled": append([]string{"sh", "-c"}, loop(handles)...),
		"bash, a key": append([]string{"bash", "-c"}, loop(raw)...), "dash, a key": append([]string{"sh", "-c"}, loop(raw)...),
		"make": {"make", "-k", "-f", makefile, "all"},
		"python": {"python3", "-c", "import os, subprocess\nfor i in range(2):\n" +
			"  subprocess.call(os.environ['RUN'] + \" sh -c 'echo round; exec sleep 1000'\", shell=True)\nprint('over')"},
	} {
		t.Run(name, func(t *testing.T) {
			need.Tool(t, script[0])
			bare := interrupted(t, "", script)
			for _, run := range []string{os.Args[0], os.Args[0] + " -tty=never"} {
				if run != os.Args[0] && strings.Contains(name, "handled") {
					continue // the child alone has the terminal: only one that dies of the key tells that there was one
				}
				got := interrupted(t, run, script)
				for again := 0; got != bare && again < 3; again++ {
					bare = interrupted(t, "", script) // a shell that does not wait for its child yet takes the key for itself
				}
				if got != bare {
					t.Errorf("%s: without aex %s, with %s", run, bare, got)
				}
			}
		})
	}
}

// interrupted runs a script on a terminal, types Ctrl-C in each round, and tells how it went.
func interrupted(t *testing.T, run string, script []string) string {
	c := openConsole(t, func(cmd *exec.Cmd, _ *os.File) {
		cmd.Env = append(cmd.Env, "RUN="+run, "PYTHONUNBUFFERED=1")
		if run != "" {
			cmd.Env = append(cmd.Env, "AEX_TEST_MAIN=aex")
		}
	}, script[0], script[1:]...)
	rounds := 0
	for ; rounds < 2 && c.sees("round\r"); rounds++ {
		c.send("\x03")
	}
	ws := c.wait()
	how := []string{"ended"}
	if ws.Signaled() && script[0] != "make" { // which, a signal in hand, may lose its child to itself, and says so then
		how = append(how, "by "+ws.Signal().String())
	}
	if strings.Contains(c.text(), "over") {
		how = append(how, "after it was over")
	}
	return strings.Join(append(how, strings.Repeat("round ", rounds)), " ")
}

// A prompt inside $(...) of an interactive shell reads the terminal. bash ignores the stops of job control there.
func TestPromptInACommandSubstitution(t *testing.T) {
	c := shell(t)
	for _, read := range []string{"read -r l", "read -r l </dev/tty", "exec 3</dev/tty; read -r l <&3"} {
		c.send("x=$(\"$AEX\" bash -c 'echo asking >&2; " + read + "; echo \"rc $? <$l>\"'); echo \"got $x.\"\n")
		c.expect("got $x.")
		c.expect("asking")
		c.send("an answer\n")
		c.expect("got rc 0 <an answer>.")
		c.expect("ready> ")
	}
	if !c.canonical() {
		t.Error("the shell's terminal is raw")
	}
}
