package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	toWrite = 20 * time.Second // until who wants to change something has done so or is told who is in the way
	toRead  = 10 * time.Second // who only reads needs nobody's turn
)

// stopped stops a busy aex, or one that comes and goes, with SIGSTOP at random
// instants: others either have the ledger or are told within ten seconds, who
// reads reads, and all goes on with it.
func (a *attacker) stopped(r *row) error {
	return a.apart(r, a.sizes.stops, perPlace{10, 2}, plainly(10), func(b *batch) error {
		if out, code := b.do("agent", "create", "x", richly, "none"); code != 0 {
			return errors.New(out)
		}
		page, err := b.dashboard()
		if err != nil {
			return err
		}
		if b.first/10%2 == 0 {
			err = b.stopBusy(page)
		} else {
			page.stop()
			err = b.stopBrief()
		}
		page.stop()
		b.survivors(20 * time.Second)
		b.books("x", 1<<60)
		return err
	})
}

// stopBusy stops a run that makes calls without end.
func (b *batch) stopBusy(page *dashboard) error {
	busy := b.aex(append(withPrices("run", "--agent", "x", "--budget", "none", "--grace", "100ms", "--"), bot("loop", "8")...)...)
	if err := busy.Start(); err != nil {
		return err
	}
	time.Sleep(time.Second) // until it calls
	for range b.n {
		if b.a.over() {
			break
		}
		b.row.add(&b.row.tried, 1)
		time.Sleep(time.Duration(b.random.IntN(100_000)) * time.Microsecond)
		b.besideStopped(busy, page)
	}
	_ = busy.Process.Signal(syscall.SIGTERM) // it may have ended, which the end tells
	b.ends(busy)
	return nil
}

// stopBrief stops commands that open the ledger, change it, and close it as the
// last that has it.
func (b *batch) stopBrief() error {
	for range b.n {
		if b.a.over() {
			break
		}
		b.row.add(&b.row.tried, 1)
		brief := b.aex("topup", "x", "0.01")
		if err := brief.Start(); err != nil {
			return err
		}
		time.Sleep(time.Duration(5000+b.random.IntN(60_000)) * time.Microsecond)
		b.besideStopped(brief, nil)
		b.ends(brief)
	}
	return nil
}

// besideStopped has others at work while one is stopped.
func (b *batch) besideStopped(who *exec.Cmd, page *dashboard) {
	_ = who.Process.Signal(syscall.SIGSTOP) // it may have ended
	defer func() { _ = who.Process.Signal(syscall.SIGCONT) }()
	var others sync.WaitGroup
	others.Go(func() {
		if out, code := b.finish(b.aex("topup", "x", "0.01"), toWrite); code != 0 && (code != 125 || !strings.Contains(out, "has held it")) {
			b.row.fault("topup: exit %d: %.300s", code, out)
		}
	})
	for _, command := range []string{"status", "runs", "audit"} {
		others.Go(func() {
			if out, code := b.finish(b.aex(command), toRead); code != 0 {
				b.row.fault("%s: exit %d: %.300s", command, code, out)
			}
		})
	}
	if page != nil {
		others.Go(func() {
			if err := page.read(); err != nil {
				b.row.add(&b.row.hangs, 1)
				b.row.fault("the dashboard: %v", err)
			}
		})
	}
	others.Wait()
}

// dashboard is aex's page, and somebody who looks at it.
type dashboard struct {
	cmd    *exec.Cmd
	link   string
	client *http.Client
	once   sync.Once
	ends   func(*exec.Cmd)
}

func (b *batch) dashboard() (*dashboard, error) {
	d := &dashboard{cmd: b.aex("dashboard", "--no-open"), ends: b.ends}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	d.client = &http.Client{Jar: jar, Timeout: toRead}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for d.link == "" && lines.Scan() {
		if at := strings.Index(lines.Text(), "http://"); at >= 0 {
			d.link = strings.TrimSpace(lines.Text()[at:])
		}
	}
	if d.link == "" {
		return nil, errors.New("aex dashboard gave no link")
	}
	if err := d.get(d.link); err != nil {
		return nil, err
	}
	d.link = d.link[:strings.Index(d.link, "/dashboard")]
	return d, nil
}

// read looks at two pages.
func (d *dashboard) read() error {
	return errors.Join(d.get(d.link+"/dashboard"), d.get(d.link+"/dashboard/runs"))
}

func (d *dashboard) get(url string) error {
	resp, err := d.client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

func (d *dashboard) stop() {
	d.once.Do(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		d.ends(d.cmd)
	})
}
