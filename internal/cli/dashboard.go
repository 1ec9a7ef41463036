package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/dashboard"
)

func (a *app) dashboardCommand() *cobra.Command {
	noOpen, port := false, 0
	cmd := a.jsonFlag(&cobra.Command{
		Use: "dashboard", Short: "open the page that shows where the money goes", Args: none,
		Long: `dashboard prints a link to the running server's dashboard, and opens it where
there is a screen. The link lets one browser in, once, within five minutes.

When no server runs, dashboard serves the pages itself, for reading only, on
loopback, until it is interrupted.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.dashboard(cmd.Context(), !noOpen, port) },
	})
	cmd.Flags().BoolVar(&noOpen, "no-open", false, "print the link only")
	cmd.Flags().IntVarP(&port, "port", "p", 0, "port where dashboard serves by itself; 0 picks a free one")
	return cmd
}

func (a *app) dashboard(ctx context.Context, open bool, port int) error {
	if err := checkPort(port); err != nil {
		return err
	}
	s, err := a.settings()
	if err != nil {
		return err
	}
	if v := a.lookAtDaemon(ctx, s); !v.Running {
		return a.serveDashboard(ctx, s, open, port)
	} else if v.URL == "" {
		return hinted(errors.New("the server is starting"), "try again in a moment, or look: aex daemon status")
	} else if a.inside() {
		return a.refusedInside("aex dashboard of a server, whose pages can change budgets,")
	} else {
		var link struct {
			Path string `json:"path"`
		}
		if err := a.ask(ctx, http.MethodPost, "/dashboard/link", &link); err != nil {
			return err
		}
		return a.showLink(ctx, v.URL+link.Path, open)
	}
}

// showLink prints the link, for people or programs, and opens it.
func (a *app) showLink(ctx context.Context, link string, open bool) error {
	if a.json {
		return a.printJSON(map[string]string{"url": link})
	}
	a.printf("%s", link)
	if open && isTerminal(a.stdout.file) {
		a.openBrowser(ctx, link)
	}
	return nil
}

// openBrowser shows a page where there is a screen to show it on. Where that
// does not work the link was printed.
func (a *app) openBrowser(ctx context.Context, link string) {
	env := environment(a.environ)
	program := "open"
	if runtime.GOOS != "darwin" {
		if env["DISPLAY"] == "" && env["WAYLAND_DISPLAY"] == "" {
			return
		}
		program = "xdg-open"
	}
	within, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := exec.CommandContext(within, program, link).Run(); err != nil {
		fmt.Fprintf(a.stderr, "aex: no browser opened by itself; follow the link\n")
	}
}

// serveDashboard serves the pages for reading until it is interrupted.
func (a *app) serveDashboard(ctx context.Context, s *settings, open bool, port int) (err error) {
	if err := s.elsewhere(); err != nil {
		return err
	}
	l, err := ledger.OpenReadOnly(ctx, s.ledgerOptions())
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return hinted(errors.New("there is nothing to show yet"), "start a run: aex run --budget 0.50 -- PROGRAM")
	case err != nil:
		return fmt.Errorf("opening the ledger: %w", err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	logf := (&serverLog{file: a.stderr, now: a.now}).printf
	pages, err := dashboard.New(dashboard.Options{
		Ledger: l, Token: rand.Text() + rand.Text(), ReadOnly: true, Version: Version, Now: a.now,
		Logf: logf,
	})
	if err != nil {
		return err
	}
	defer pages.Close()
	lc := net.ListenConfig{}
	listener, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	if err != nil {
		return hinted(fmt.Errorf("listening: %w", err), "choose another --port, or none")
	}
	server := &http.Server{
		Handler: pages, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: plain.ServerLog(logf),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if err := a.showLink(ctx, "http://"+listener.Addr().String()+pages.Link(), open); err != nil {
		return errors.Join(err, server.Close(), closed(<-served))
	}
	if !a.json {
		fmt.Fprintln(a.stderr, "aex: no server runs, so this one only shows; end it with Ctrl-C")
	}
	select {
	case err := <-served:
		return closed(err)
	case <-ctx.Done():
	}
	pages.Close() // its streams would keep the server
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	return errors.Join(ignoreDeadline(server.Shutdown(within)), server.Close(), closed(<-served))
}

// closed leaves out the error that says that a server was closed.
func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// ignoreDeadline: who is still connected after it is cut off.
func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
