package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/Auro-rium/aex/v3/internal/need"
)

// shells are how each is made ready at its prompt.
var shells = map[string]struct {
	start []string
	setup string
}{
	"bash": {[]string{"--norc", "--noprofile", "-i"}, ". /usr/share/bash-completion/bash_completion; . <(aex completion bash)"},
	"zsh":  {[]string{"-f", "-i"}, "autoload -U compinit; compinit -u -D; . <(aex completion zsh)"},
	"fish": {[]string{"--no-config", "-i"}, "aex completion fish | source"},
}

// TestCompletionInShells types at the prompt of each shell, with the Tab key.
func TestCompletionInShells(t *testing.T) {
	for shell := range shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path := need.Tool(t, shell)
			if shell == "bash" {
				if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); err != nil {
					need.Missing(t, "bash-completion is not installed")
				}
			}
			p := newPrompt(t, path)
			p.expect("agent inspect zepp", "zeppelin-7 ")
			p.expect("run --agent zepp", "zeppelin-7 ")
			p.expect("report --by prov", "provider ")
			p.expect("run --on-exhausted ref", "refuse ")
			p.expect("agent create x 1 30 --window mon", "monthly ")
			p.expect("run --policy unlike", "unlikely.yaml ")
		})
	}
}

// prompt is a shell at a terminal of its own.
type prompt struct {
	t    *testing.T
	tty  *os.File
	mu   sync.Mutex
	seen bytes.Buffer
	more chan struct{}
}

func newPrompt(t *testing.T, path string) *prompt {
	home := t.TempDir()
	env := append(os.Environ(), "HOME="+home, "AEX_HOME="+filepath.Join(home, "aex"), "TERM=xterm", "PS1=ready> ", "INPUTRC=/dev/null", "LC_ALL=C.UTF-8", "XDG_CONFIG_HOME="+home, "XDG_DATA_HOME="+home)
	create := exec.CommandContext(t.Context(), "aex", "agent", "create", "zeppelin-7", "5.00", "none")
	create.Env = env
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	noError(t, os.WriteFile(filepath.Join(home, "unlikely.yaml"), nil, 0o600))
	shell := shells[filepath.Base(path)]
	cmd := exec.CommandContext(t.Context(), path, shell.start...)
	cmd.Env, cmd.Dir = env, home
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 160})
	noError(t, err)
	p := &prompt{t: t, tty: tty, more: make(chan struct{}, 1)}
	var reader sync.WaitGroup
	reader.Go(p.read)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		_ = cmd.Wait()
		_ = tty.Close()
		reader.Wait()
	})
	p.send(shell.setup + "; echo is-re''ady\n")
	p.await("is-ready")
	return p
}

// read collects what the shell draws, and answers what a terminal is asked:
// where its cursor is, and what it is.
func (p *prompt) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.tty.Read(buffer)
		p.mu.Lock()
		p.seen.Write(buffer[:n])
		p.mu.Unlock()
		if bytes.Contains(buffer[:n], []byte("\x1b[6n")) {
			_, _ = p.tty.WriteString("\x1b[1;1R") // the shell may be gone
		}
		if bytes.Contains(buffer[:n], []byte("\x1b[c")) || bytes.Contains(buffer[:n], []byte("\x1b[0c")) {
			_, _ = p.tty.WriteString("\x1b[?62;c")
		}
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (p *prompt) send(keys string) {
	_, err := p.tty.WriteString(keys)
	noError(p.t, err)
}

// await waits until the shell has drawn a text.
func (p *prompt) await(text string) {
	p.t.Helper()
	end := time.After(60 * time.Second)
	for {
		p.mu.Lock()
		seen := p.seen.String()
		p.mu.Unlock()
		if strings.Contains(seen, text) {
			return
		}
		select {
		case <-p.more:
		case <-end:
			p.t.Fatalf("%q never came: %q", text, seen)
		}
	}
}

// expect types aex and a command, presses Tab, and waits until the last word
// stands there whole.
func (p *prompt) expect(typed, completed string) {
	p.t.Helper()
	p.mu.Lock()
	p.seen.Reset()
	p.mu.Unlock()
	p.send("aex " + typed + "\t")
	words := strings.Fields(typed)
	p.awaitWhole(words[len(words)-1], strings.TrimSpace(completed))
	p.send("\x15") // away with the line
}

// awaitWhole waits until what was typed of a word has become the whole of it.
func (p *prompt) awaitWhole(typed, whole string) {
	p.t.Helper()
	rest := strings.TrimPrefix(whole, typed)
	end := time.After(60 * time.Second)
	for {
		p.mu.Lock()
		seen := p.seen.String()
		p.mu.Unlock()
		if at := strings.Index(plainText(seen), typed); at >= 0 && strings.Contains(plainText(seen)[at:], rest) {
			return
		}
		select {
		case <-p.more:
		case <-end:
			p.t.Fatalf("%q was not completed to %q: %q", typed, whole, seen)
		}
	}
}

// plainText leaves out what moves the cursor and colours.
func plainText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != 0x1b {
			b.WriteByte(s[i])
			continue
		}
		for i++; i < len(s) && (s[i] == '[' || s[i] == '?' || s[i] == ';' || s[i] >= '0' && s[i] <= '9'); i++ {
		}
	}
	return b.String()
}
