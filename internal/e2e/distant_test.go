//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// callers makes a call for every line that it reads, at once, and tells how it
// went: "LINE 200", "LINE cut". A line that begins with stream is a stream, which
// also tells when it begins: "LINE-begins 200"; with large, more than a megabyte.
func callers(in io.Reader) int {
	var all sync.WaitGroup
	for lines := bufio.NewScanner(in); lines.Scan(); {
		name := lines.Text()
		all.Go(func() {
			body := chatBody(20, 50)
			switch {
			case strings.HasPrefix(name, "stream"):
				body = strings.Replace(body, "{", `{"stream":true,`, 1)
			case strings.HasPrefix(name, "large"):
				body = chatBody(3<<19, 50)
			}
			resp, err := post(body)
			if err == nil {
				defer resp.Body.Close()
				if _, err = resp.Body.Read(make([]byte, 1)); strings.HasPrefix(name, "stream") && err == nil {
					fmt.Println(name+"-begins", resp.StatusCode)
				}
			}
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			if err != nil {
				fmt.Println(name, "cut")
				return
			}
			fmt.Println(name, resp.StatusCode)
		})
	}
	all.Wait()
	return 0
}

// distant is a run of callers on another machine.
type distant struct {
	*stage // at the gateways
	h      *host
	gates  []*gate
	cmd    *exec.Cmd
	to     io.WriteCloser
	lines  *bufio.Scanner
	errs   strings.Builder
	told   map[string]string
}

// newDistant has its gateways, and the run open at the first of them: on another
// host, or on this one where the test needs no network. What stands before the
// gateways is started first.
func newDistant(t *testing.T, gates int, elsewhere bool, fronts ...func(*distant)) *distant {
	t.Helper()
	d := &distant{stage: newStage(t, fakeprovider.Options{})}
	d.do("agent", "create", "team", "5.00", "none")
	token := d.token("team", "--scope", "runs")
	for range gates {
		d.gates = append(d.gates, d.gate())
	}
	run := []string{"run", "--budget", "4", "--"}
	if elsewhere {
		d.h = d.newHost(token, d.gates)
	}
	for _, front := range fronts {
		front(d)
	}
	for _, g := range d.gates {
		g.start()
	}
	if elsewhere {
		d.cmd = d.h.aex(append(run, d.h.bot("callers")...)...)
	} else {
		d.cmd = d.runner(token, d.gates...).aex(append(run, bot("callers")...)...)
	}
	d.starts()
	return d
}

// starts the run, and has it make its first call.
func (d *distant) starts() {
	d.t.Helper()
	d.told = map[string]string{}
	out, err := d.cmd.StdoutPipe()
	must(d.t, err)
	d.to, err = d.cmd.StdinPipe()
	must(d.t, err)
	d.cmd.Stderr = &d.errs
	must(d.t, d.cmd.Start())
	d.t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	d.lines = bufio.NewScanner(out)
	d.calls("first")
	d.await("first 200")
}

// calls has the program make a call.
func (d *distant) calls(name string) {
	d.t.Helper()
	_, err := fmt.Fprintln(d.to, name)
	must(d.t, err)
}

// hangs has it make one whose answer begins and does not end until Release.
func (d *distant) hangs(name string) {
	d.t.Helper()
	d.provider.Next(fakeprovider.Behaviour{Fault: fakeprovider.FaultHang})
	d.calls(name)
	must(d.t, d.provider.Hung(d.t.Context(), 1))
}

// await reads how calls went until all of these went so.
func (d *distant) await(all ...string) {
	d.t.Helper()
	for _, line := range all {
		name, want, _ := strings.Cut(line, " ")
		if how := d.went(name); how != want {
			d.t.Errorf("the call %q went %q, not %q\n%s", name, how, want, d.errs.String())
		}
	}
}

// went reads how calls went until it knows of this one.
func (d *distant) went(name string) string {
	for d.told[name] == "" && d.lines.Scan() {
		told, how, _ := strings.Cut(d.lines.Text(), " ")
		d.told[told] = how
	}
	return d.told[name]
}

// ends closes the program's input, or waits until aex has ended it, and checks
// how aex ends.
func (d *distant) ends(code int, says string) {
	d.t.Helper()
	_ = d.to.Close() // the program may be gone
	for d.lines.Scan() {
	}
	_ = d.cmd.Wait()
	if got := d.cmd.ProcessState.ExitCode(); got != code || !strings.Contains(d.errs.String(), says) {
		d.t.Errorf("exit %d, not %d with %q\n%s", got, code, says, d.errs.String())
	}
}

// books checks what is in the ledger at the end: one run, which ended so after
// so many calls, nothing held, and what the provider bills. A call that never
// told what it used is booked for what it may have.
func (d *distant) books(outcome string, calls int, told bool) {
	d.t.Helper()
	d.audit()
	rows := d.runs()
	if len(rows) != 1 || rows[0].State != "ended" || rows[0].Outcome != outcome || rows[0].Calls != int64(calls) {
		d.t.Errorf("runs: %+v, not one that ended as %s after %d calls", rows, outcome, calls)
	}
	if spent, bill := spentOfAll(d.t, d.stage), billed(d.t, d.provider); spent < bill || told && spent != bill || bill == 0 {
		d.t.Errorf("booked %d, billed %d", spent, bill)
	}
}

// awaitEnd reads the gateway's events until the run's end.
func (d *distant) awaitEnd() {
	d.t.Helper()
	cmd := d.stage.aex("events", "-f", "--json")
	out, err := cmd.StdoutPipe()
	must(d.t, err)
	must(d.t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), `"run.end"`) {
			return
		}
	}
	d.t.Error("the run does not end")
}

// stops suspends aex, of a run on this machine, and waits until it is.
func (d *distant) stops() {
	d.t.Helper()
	must(d.t, d.cmd.Process.Signal(syscall.SIGSTOP))
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(d.cmd.Process.Pid, &ws, syscall.WUNTRACED, nil); err != nil || !ws.Stopped() {
		d.t.Fatalf("aex is not stopped: %v %v", ws, err)
	}
}
