package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/Auro-rium/aex/v3/internal/whole"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/memory"
	"github.com/Auro-rium/aex/v3/supervisor/process"
)

// defaultPort is where v1.2 listened.
const defaultPort = 9000

// serveFlags are the flags of aex serve and aex daemon start.
type serveFlags struct {
	port      int
	listen    string
	hosts     []string
	cert, key string
	plaintext bool
	noClamp   bool
	caFile    string
	prices    []string

	localPrices string
	envFiles    []string
	drain       time.Duration
	memory      int64 // MiB
	verbose     bool

	logFile string // of a daemon: hidden
	readyFD int    // likewise: told when ready
}

func (f *serveFlags) register(a *app, cmd *cobra.Command) {
	fl := cmd.Flags() // each has a variable, AEX_PORT for --port
	fl.IntVarP(&f.port, "port", "p", defaultPort, "port; 0 picks a free one")
	fl.StringVar(&f.listen, "listen", "127.0.0.1", "address, with a port if you like: 0.0.0.0, 127.0.0.1:8080, :8080 (loopback); beyond loopback it needs TLS or --allow-plaintext")
	fl.StringArrayVar(&f.hosts, "allow-host", nil, "host name by which clients may call it, beside loopback")
	fl.StringVar(&f.cert, "tls-cert", "", "certificate, PEM `FILE`")
	fl.StringVar(&f.key, "tls-key", "", "its key, PEM `FILE`")
	fl.BoolVar(&f.plaintext, "allow-plaintext", false, "listen beyond loopback without TLS: tokens and prompts can then be read on the way")
	fl.BoolVar(&f.noClamp, "no-clamp", false, "refuse a call rather than lower its output cap to fit the budget")
	fl.StringVar(&f.caFile, "ca-file", "", "trust the certificates of this file upstream, too")
	fl.StringArrayVar(&f.prices, "price", nil, "price of a model: `MODEL=IN/OUT` in dollars per million tokens")
	fl.StringVar(&f.localPrices, "local-prices", policy.LocalAuto, localPricesUsage)
	fl.StringArrayVar(&f.envFiles, "env-file", nil, "read keys and base URLs from this file too")
	fl.DurationVar(&f.drain, "drain", 30*time.Second, "how long calls in flight may take at the end")
	fl.Int64Var(&f.memory, "memory", memory.Default>>20, "`MIB` that request bodies and answers may take together while they are held; calls beyond wait, then get 503")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "tell more")
	cmd.Annotations = map[string]string{withVariables: "yes"}
	a.takes(cmd, fileFlags("tls-cert", "tls-key", "ca-file", "env-file"))
	a.takes(cmd, map[string]kind{
		"allow-host": takesHost, "price": takesPrice, "local-prices": localPricesKind, "listen": {name: "ADDRESS", complete: words("127.0.0.1", "0.0.0.0", ":9000")},
	})
}

func (a *app) serveCommand() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use: "serve", Short: "serve the gateway to many agents, in the foreground",
		Long: `serve is the gateway of aex run, long-lived and shared: agents reach it with
the tokens that aex agent create and aex agent token print.

SIGHUP reads models.yaml and .env again; SIGTERM ends it when the calls in
flight are booked, a second one at once, and ten seconds later whatever hangs.`,
		Example: "  aex serve\n  aex serve --listen :8080\n  aex serve --listen 0.0.0.0 --allow-host gate.example.com --tls-cert cert.pem --tls-key key.pem",
		Args:    none,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, f) },
	}
	f.register(a, cmd)
	cmd.Flags().StringVar(&f.logFile, "log-file", "", "")
	cmd.Flags().IntVar(&f.readyFD, "ready-fd", 0, "")
	for _, name := range []string{"log-file", "ready-fd"} {
		if err := cmd.Flags().MarkHidden(name); err != nil {
			panic(err) // a flag registered above
		}
	}
	return cmd
}

// checkPort refuses what is no port.
func checkPort(port int) error {
	if port < 0 || port > 65535 {
		return usageError("--port is from 0 to 65535, not %d", port)
	}
	return nil
}

// checkWait refuses a time that is over before it began.
func checkWait(wait time.Duration) error {
	if wait <= 0 {
		return usageError("--wait is more than 0, not %s", wait)
	}
	return nil
}

// splitListen takes the port out of --listen. A port alone stays on loopback:
// what is reached from elsewhere is asked for by its address.
func (f *serveFlags) splitListen(portTyped bool) error {
	if f.listen == "" {
		return usageError("--listen is an address of this machine, not \"\"")
	}
	ip := net.ParseIP(strings.Trim(f.listen, "[]"))
	if ip != nil || !strings.Contains(f.listen, ":") {
		return nil
	}
	host, text, err := net.SplitHostPort(f.listen)
	port, portErr := strconv.Atoi(text)
	switch {
	case err != nil || portErr != nil || port < 0 || port > 65535:
		return usageError("--listen is an address, HOST:PORT or :PORT with a port from 0 to 65535, not %q", f.listen)
	case portTyped && port != f.port:
		return usageError("--listen %s and --port %d exclude each other", f.listen, f.port)
	case host == "":
		host = "127.0.0.1"
	}
	f.listen, f.port = host, port
	return nil
}

// check finds what cannot be meant.
func (f *serveFlags) check(cmd *cobra.Command) error {
	if err := errors.Join(checkPort(f.port), f.splitListen(cmd.Flags().Changed("port"))); err != nil {
		return err
	}
	switch {
	case (f.cert == "") != (f.key == ""):
		return usageError("--tls-cert and --tls-key go together")
	case f.drain < 0:
		return usageError("--drain is not negative, as %s is", f.drain)
	case f.memory < 1 || f.memory > 1<<20:
		return usageError("--memory is from 1 to %d MiB, not %d", 1<<20, f.memory)
	case f.readyFD < 0:
		return usageError("--ready-fd is a descriptor, not %d", f.readyFD)
	}
	if f.logFile != "" {
		if info, err := os.Stat(filepath.Dir(f.logFile)); err != nil || !info.IsDir() {
			return hinted(fmt.Errorf("--log-file %s: there is no directory %s", f.logFile, filepath.Dir(f.logFile)), "make it, or name another file")
		}
	}
	if err := checkCA(f.caFile); err != nil {
		return err
	}
	ip := net.ParseIP(strings.Trim(f.listen, "[]"))
	loopback := f.listen == "localhost" || ip != nil && ip.IsLoopback()
	if !loopback && f.cert == "" && !f.plaintext {
		return &failure{
			err:  fmt.Errorf("listening on %q would let the network read tokens and prompts", f.listen),
			hint: "give --tls-cert and --tls-key, or --allow-plaintext where something else encrypts", code: exitUsage,
		}
	}
	for _, h := range f.hosts {
		if h == "" || strings.ContainsAny(h, "/:* ") {
			return usageError("--allow-host is a plain host name like gate.example.com, not %q", h)
		}
	}
	return nil
}

// lowerHosts are the allowed hosts as they are compared.
func (f *serveFlags) lowerHosts() []string {
	return strings.Split(strings.ToLower(strings.Join(f.hosts, "\n")), "\n")
}

// tlsConfig reads the certificate; nil without one.
func (f *serveFlags) tlsConfig() (*tls.Config, error) {
	if f.cert == "" {
		return nil, nil
	}
	cert, certErr := whole.Read(f.cert, maxNamed)
	key, keyErr := whole.Read(f.key, maxNamed)
	pair, err := tls.Certificate{}, errors.Join(certErr, keyErr)
	if err == nil {
		pair, err = tls.X509KeyPair(cert, key)
	}
	if err != nil {
		return nil, hinted(fmt.Errorf("reading the certificate: %w", err), "--tls-cert and --tls-key are PEM files that belong together")
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

// bind opens the listener and tells the URL for clients.
func (f *serveFlags) bind(ctx context.Context) (l net.Listener, url string, err error) {
	config, err := f.tlsConfig()
	if err != nil {
		return nil, "", err
	}
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(false)
	address := net.JoinHostPort(strings.Trim(f.listen, "[]"), strconv.Itoa(f.port))
	l, err = lc.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, "", hinted(fmt.Errorf("port %d is in use", f.port), "end what listens there, or choose another: --port %d", f.port+1)
	case err != nil:
		return nil, "", hinted(fmt.Errorf("listening on %s: %w", address, err), "--listen is an address of this machine")
	}
	bound, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, "", errors.Join(fmt.Errorf("listening on %s: not TCP", address), l.Close())
	}
	host := bound.IP.String()
	if bound.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if config != nil {
		scheme, l = "https", tls.NewListener(l, config)
	}
	return l, scheme + "://" + net.JoinHostPort(host, strconv.Itoa(bound.Port)), nil
}

// serve does aex serve.
func (a *app) serve(cmd *cobra.Command, f *serveFlags) (err error) {
	ctx := cmd.Context()
	// From its beginning to its end a server outlives a reader of its log that leaves, and a request to read its settings again.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	if err := f.check(cmd); err != nil {
		return err
	}
	set, err := a.settings(f.envFiles...)
	if err != nil {
		return err
	}
	if err := set.elsewhere(); err != nil {
		return err
	}
	if f.logFile != "" {
		if err := set.refuseOwn("--log-file", f.logFile); err != nil {
			return err
		}
	}
	log := &serverLog{file: a.stderr, path: f.logFile, now: a.now}
	if f.logFile == "" {
		log.unhurried()
		defer log.end()
	}
	process.ReserveThreads() // its user's other programs do not end it by taking all processes
	s, err := a.newServer(ctx, f, set, log)
	if askedToEnd(ctx, err) {
		return nil
	}
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 2) // who catches them until now lets go of them at the first
	signal.Notify(asked, endSignals()...)
	defer func() { err = s.end(ctx, asked, err) }()
	if ctx.Err() != nil { // asked while it began
		return nil
	}
	if err := s.announce(ctx, f.readyFD); askedToEnd(ctx, err) {
		return nil
	} else if err != nil {
		return err
	}
	return s.wait(ctx, reload, asked)
}

// askedToEnd tells whether it is no failure that something did not come about: aex was asked to end meanwhile.
func askedToEnd(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
}

// tellReady writes the server's view to who started it.
func tellReady(fd int, view []byte) error {
	if fd == 0 {
		return nil
	}
	pipe := os.NewFile(uintptr(fd), "ready")
	_, err := pipe.Write(view)
	return errors.Join(err, pipe.Close())
}
