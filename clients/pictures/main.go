// Command pictures draws the terminal of README.md: it runs aex demo in a
// terminal of its own and writes what was seen there as an SVG.
package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/creack/pty"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pictures AEX FILE.svg")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func write(aex, path string) error {
	lines, err := watch(aex)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(draw(lines)), 0o644) //nolint:gosec // a picture for all
}

// columns is how wide the terminal is.
const columns = 124

var escape = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\a]*\a|\a`)

// watch runs the demo and returns the lines of its run, up to the end of it:
// what the demo then shows of the ledger is a page of its own.
func watch(aex string) ([]string, error) {
	cmd := exec.Command(aex, "demo")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 60, Cols: columns})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var seen strings.Builder
	_, err = io.Copy(&seen, f)
	if err != nil && !errors.Is(err, syscall.EIO) { // how a terminal ends on Linux
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("aex demo: %w\n%s", err, seen.String())
	}
	text := escape.ReplaceAllString(strings.ReplaceAll(seen.String(), "\r\n", "\n"), "")
	run, _, ok := strings.Cut(text, "\n$ aex runs show")
	if !ok {
		return nil, fmt.Errorf("aex demo showed no run:\n%s", text)
	}
	return fold("$ aex demo\n" + strings.TrimRight(run, "\n")), nil
}

// fold breaks lines where the terminal does.
func fold(text string) []string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		runes := []rune(line)
		for len(runes) > columns {
			lines, runes = append(lines, string(runes[:columns])), runes[columns:]
		}
		lines = append(lines, string(runes))
	}
	return lines
}

const (
	cell = 84 // tenths of a pixel, of a letter of 14
	line = 20
	edge = 18
	bar  = 34
)

// class is how a line is coloured, by what it is.
func class(text string) string {
	switch {
	case strings.HasPrefix(text, "$ "):
		return "typed"
	case strings.HasPrefix(text, "aex"):
		return "aex"
	case strings.Contains(text, ": 402 "):
		return "refused"
	}
	return "plain"
}

// draw is a window with the lines in it.
func draw(lines []string) string {
	width, height := columns*cell/10+2*edge, len(lines)*line+2*edge+bar
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">
<title>aex demo in a terminal</title>
<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; fill: #d6deeb }
.typed { fill: #ffffff; font-weight: bold } .aex { fill: #ffcb6b } .refused { fill: #ef8a80 }
</style>
<rect width="%d" height="%d" rx="10" fill="#10182a"/>
<circle cx="22" cy="20" r="6" fill="#ff5f57"/><circle cx="42" cy="20" r="6" fill="#febc2e"/><circle cx="62" cy="20" r="6" fill="#28c840"/>
`, width, height, width, height, width, height)
	for i, text := range lines {
		if text == "" {
			continue
		}
		fmt.Fprintf(&b, "<text class=%q x=\"%d\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", class(text), edge, bar+edge+(i+1)*line-5, html.EscapeString(text))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
