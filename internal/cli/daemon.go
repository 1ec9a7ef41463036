package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/owned"
)

func (a *app) daemonCommand() *cobra.Command {
	return group("daemon", "serve the gateway in the background", a.outsideOnly(a.daemonStartCommand()), a.outsideOnly(a.daemonStopCommand()), a.daemonStatusCommand())
}

func (a *app) daemonStartCommand() *cobra.Command {
	f := &serveFlags{}
	wait := 30 * time.Second
	cmd := a.jsonFlag(&cobra.Command{
		Use: "start", Short: "start the server and wait until it is ready", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.startDaemon(cmd, f, wait) },
	})
	f.register(a, cmd)
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait for it")
	return cmd
}

// startDaemon runs aex serve in a session of its own. It learns over a pipe
// that the server is ready; a pipe that closes before means that it failed.
func (a *app) startDaemon(cmd *cobra.Command, f *serveFlags, wait time.Duration) error {
	if err := errors.Join(f.check(cmd), checkWait(wait)); err != nil {
		return err
	}
	s, err := a.settings()
	if err != nil {
		return err
	}
	if v := a.lookAtDaemon(cmd.Context(), s); v.Running {
		return a.runningAlready(cmd, f, v)
	}
	log, before, err := openDaemonLog(s.home)
	if err != nil {
		return err
	}
	defer log.Close() // the daemon has its own copy
	ready, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer ready.Close() // only read
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding aex itself: %w", err)
	}
	child := exec.Command(self, daemonArgs(cmd, s)...)
	child.Args[0] = os.Args[0]
	child.Env, child.Dir, child.Stdout, child.Stderr = a.environ, a.dir, log, log
	child.ExtraFiles = []*os.File{theirs}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = child.Start()
	if err = errors.Join(err, theirs.Close()); err != nil {
		return fmt.Errorf("starting the daemon: %w", err)
	}
	var v daemonView
	line, err := readLine(cmd.Context(), ready, wait)
	if err == nil {
		err = json.Unmarshal(line, &v)
	}
	if err != nil && cmd.Context().Err() != nil {
		return interruptedStart(cmd.Context(), child)
	}
	if err != nil {
		return a.daemonFailed(child, before, s, err)
	}
	if err := child.Process.Release(); err != nil {
		return fmt.Errorf("letting go of the daemon: %w", err)
	}
	if a.json {
		return a.printJSON(v)
	}
	a.printf("Daemon started (PID %d) at %s", v.PID, v.URL)
	return nil
}

// runningAlready is no failure, as it was none in v1.2: what was asked for is
// there. That it is asked for elsewhere is one.
func (a *app) runningAlready(cmd *cobra.Command, f *serveFlags, v daemonView) error {
	if cmd.Flags().Changed("port") || cmd.Flags().Changed("listen") {
		if err := v.elsewhere(f.port); err != nil && v.URL != "" {
			return err
		}
	}
	if a.json {
		return a.printJSON(v)
	}
	a.printf("Daemon is already running (PID %d) at %s", v.PID, orText(v.URL, "an address it has not told yet"))
	if cmd.Flags().NFlag() > 0 {
		fmt.Fprintln(a.stderr, "aex: hint: it goes on as it was started; for other flags: aex daemon stop, then start")
	}
	return nil
}

// daemonArgs are this command's flags, for aex serve.
func daemonArgs(cmd *cobra.Command, s *settings) []string {
	args := []string{"serve", "--home", s.home, "--log-file", logPath(s.home), "--ready-fd", "3"}
	fl := cmd.Flags()
	for _, name := range []string{"port", "listen", "tls-cert", "tls-key", "allow-plaintext", "no-clamp", "ca-file", "drain", "memory", "verbose", "local-prices"} {
		if fl.Changed(name) {
			args = append(args, "--"+name+"="+fl.Lookup(name).Value.String())
		}
	}
	for _, name := range []string{"allow-host", "price", "env-file"} {
		values, err := fl.GetStringArray(name)
		if err != nil {
			panic(err) // registered as one
		}
		for _, v := range values {
			args = append(args, "--"+name+"="+v)
		}
	}
	return args
}

// openDaemonLog opens the log for appending and tells how long it is.
func openDaemonLog(home string) (f *os.File, size int64, err error) {
	if err := owned.MkdirAll(filepath.Dir(logPath(home)), 0o700); err != nil {
		return nil, 0, hinted(fmt.Errorf("making the directory of logs: %w", err), "make %s yours, or name another with AEX_HOME", home)
	}
	f, err = owned.Open(logPath(home), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// readLine waits for one line.
func readLine(ctx context.Context, f *os.File, wait time.Duration) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) }) // it only hastens the end
	defer stop()
	if err := f.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	return bufio.NewReader(io.LimitReader(f, 1<<16)).ReadBytes('\n')
}

// interruptedStart ends what nobody waits for any more, as a signal ends it: it may have begun to serve.
func interruptedStart(ctx context.Context, child *exec.Cmd) error {
	if err := child.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending the daemon that was about to start: %w", err)
	}
	_ = child.Wait() // that it did not stay is known
	return fmt.Errorf("the daemon did not start: %w", context.Cause(ctx))
}

// daemonFailed ends what did not come up and tells what it said.
func (a *app) daemonFailed(child *exec.Cmd, before int64, s *settings, cause error) error {
	if errors.Is(cause, os.ErrDeadlineExceeded) {
		if err := child.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("ending the daemon that did not become ready: %w", err)
		}
	}
	_ = child.Wait() // that it failed is known
	said, hint := lastSaid(logPath(s.home), before)
	if said == "" {
		said = cause.Error()
	}
	if hint == "" {
		hint = "its log is " + logPath(s.home)
	}
	return hinted(fmt.Errorf("the daemon did not start: %s", said), "%s", hint)
}

// lastSaid is the last error and hint in a log behind an offset.
func lastSaid(path string, offset int64) (said, hint string) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for a writer
	if err != nil {
		return "", ""
	}
	defer f.Close() // only read
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return "", ""
	}
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		_, text, ok := strings.Cut(lines.Text(), "aex: ")
		if !ok {
			continue
		}
		if h, ok := strings.CutPrefix(text, "hint: "); ok {
			hint = h
		} else {
			said = text
		}
	}
	return said, hint
}

func (a *app) daemonStopCommand() *cobra.Command {
	wait, port := 30*time.Second+drainWait, 0
	cmd := a.jsonFlag(&cobra.Command{
		Use: "stop", Short: "end the server when its calls are booked", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.stopDaemon(cmd.Context(), wait, port) },
	})
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait for its end")
	cmd.Flags().IntVar(&port, "port", 0, "only if this is where it listens")
	return cmd
}

// elsewhere is the error for a server that listens on another port than the one
// that was named; nil where none was.
func (v daemonView) elsewhere(port int) error {
	if port == 0 || strings.HasSuffix(v.URL, ":"+strconv.Itoa(port)) {
		return nil
	}
	return hinted(fmt.Errorf("the daemon of this home listens at %s, not on port %d", v.URL, port), "a home has one daemon; name another home with --home")
}

func (a *app) stopDaemon(ctx context.Context, wait time.Duration, port int) error {
	if err := errors.Join(checkPort(port), checkWait(wait)); err != nil {
		return err
	}
	s, err := a.settings()
	if err != nil {
		return err
	}
	late, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("waited %s", wait))
	defer cancel()
	v := a.lookAtDaemon(ctx, s)
	begun := func() bool { // one that begins is where it listens in a moment
		if v.Running && v.URL == "" {
			v = a.lookAtDaemon(ctx, s)
		}
		return !v.Running || v.URL != ""
	}
	if err := poll(late, begun); err != nil {
		return hinted(fmt.Errorf("a daemon is starting, and has not told yet where it listens: %w", err), "try it again; its log is %s", logPath(s.home))
	}
	if !v.Running {
		return hinted(errors.New("the daemon is not running"), "start it with: aex daemon start")
	}
	if err := v.elsewhere(port); err != nil {
		return err
	}
	if err := a.ask(ctx, "POST", "/admin/stop", nil); err != nil {
		return hinted(fmt.Errorf("asking the daemon to stop: %w", err), "if it hangs, end it: kill %d", v.PID)
	}
	ended := func() bool { // or another one runs by now
		return !held(lockPath(s.home)) || !slices.Contains([]int{0, v.PID}, toldDaemon(s.home).PID)
	}
	if err := poll(late, ended); err != nil {
		return hinted(fmt.Errorf("the daemon (PID %d) was asked to stop and has not ended yet: %w", v.PID, err), "it may be waiting for calls in flight; its log is %s", v.Log)
	}
	if a.json {
		return a.printJSON(map[string]any{"stopped": true, "pid": v.PID})
	}
	a.printf("Daemon stopped (PID %s).", strconv.Itoa(v.PID))
	return nil
}

func (a *app) daemonStatusCommand() *cobra.Command {
	port, health := 0, false
	cmd := a.jsonFlag(&cobra.Command{
		Use: "status", Short: "tell whether the server runs; exit 1 when not", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if health {
				return a.daemonHealth(cmd.Context())
			}
			return a.daemonStatus(cmd.Context(), port)
		},
	})
	cmd.Flags().BoolVar(&health, "health", false, "only whether it answers, for a container's health check: GET /health")
	cmd.Flags().IntVar(&port, "port", 0, "fail unless this is where it listens")
	return cmd
}

// daemonHealth asks less than status: a server whose ledger cannot commit for
// a while is not mended by being started again.
func (a *app) daemonHealth(ctx context.Context) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	v := a.lookAtDaemon(ctx, s)
	if !v.Running {
		return hinted(errors.New("no server runs"), "start one with: aex serve")
	}
	if err := answers(ctx, v, "/health"); err != nil {
		return hinted(fmt.Errorf("the server does not answer: %w", err), "its log is %s, or what aex serve printed", logPath(s.home))
	}
	if a.json {
		return a.printJSON(map[string]bool{"healthy": true})
	}
	a.printf("healthy")
	return nil
}

func (a *app) daemonStatus(ctx context.Context, port int) error {
	if err := checkPort(port); err != nil {
		return err
	}
	s, err := a.settings()
	if err != nil {
		return err
	}
	v := a.lookAtDaemon(ctx, s)
	if err := v.elsewhere(port); err != nil && v.Ready {
		return err
	}
	if !v.Running || !v.Ready {
		a.exit.Code = exitFailed
	}
	if a.json {
		return a.printJSON(v)
	}
	if !v.Running {
		a.printf("Daemon is NOT running")
		fmt.Fprintln(a.stderr, "aex: hint: start it with: aex daemon start")
		return nil
	}
	a.printf("Daemon is running (PID %d)", v.PID)
	if v.Ready {
		a.printf("  %-9s %s", "URL:", v.URL)
	} else {
		a.printf("  %-9s not ready", "URL:")
		fmt.Fprintln(a.stderr, "aex: hint: its log is "+logPath(s.home))
	}
	a.printf("  %-9s %s", "Config:", s.modelsFile)
	a.printf("  %-9s %s", "Database:", s.ledgerPath)
	a.printf("  %-9s %s", "Log:", logPath(s.home))
	return nil
}
