//go:build linux

package process

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"
)

// A child that stops its monitor and ends: aex hears of the stop and continues the monitor.
func TestMonitorIsStoppedByItsChild(t *testing.T) {
	for _, args := range [][]string{nil, {"-tty=force"}} {
		_, errs, ws := run(t, "", append(args, "sh", "-c", "kill -STOP $PPID; exit 7")...)
		if exitCode(ws) != 7 || errs != "" {
			t.Errorf("%q: %v, %q", args, ws, errs)
		}
	}
}

// One that keeps its monitor stopped is ended all the same.
func TestMonitorIsKeptStopped(t *testing.T) {
	const script = `trap "" TERM; (trap "" TERM; exec >&- 2>&-; while :; do kill -STOP $PPID $(cat /proc/$$/status | sed -n 's/^PPid:.//p'); done) & echo up; while :; do sleep 0.05; done`
	cmd, _ := withMark(t, strings.ReplaceAll(script, "kill -STOP $PPID ", "kill -STOP "), "-grace", "100ms")
	gone := witness(t, cmd)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out := begin(t, cmd)
	cmd.Process.Signal(syscall.SIGTERM)
	io.Copy(io.Discard, out)
	cmd.Wait()
	gone()
	if errs.Len() > 0 {
		t.Error(errs.String())
	}
}
