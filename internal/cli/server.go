package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/proxy/dashboard"
	"github.com/Auro-rium/aex/v3/proxy/metrics"
	"github.com/Auro-rium/aex/v3/proxy/oidc"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
)

// server is a shared gateway at work.
type server struct {
	app      *app
	flags    *serveFlags
	log      *serverLog
	view     daemonView
	home     string
	lock     *os.File
	listener net.Listener
	ledger   *ledger.Ledger
	gateway  *proxy.Gateway
	pages    *dashboard.Dashboard
	settings atomic.Pointer[settings] // keys are looked up here, on every call
	issuers  atomic.Pointer[oidc.Issuers]

	reloading sync.Mutex
	stop      context.CancelCauseFunc
	stopped   context.Context
	owners    sync.WaitGroup
}

// errStopAsked is the cause of an end that somebody asked for.
var errStopAsked = errors.New("asked to stop")

// newServer opens everything in order; what it opened close closes in the
// opposite order.
func (a *app) newServer(ctx context.Context, f *serveFlags, set *settings, log *serverLog) (s *server, err error) {
	opening := &server{app: a, flags: f, log: log, home: set.home}
	s = opening
	s.stopped, s.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, opening.close(ctx))
		}
	}()
	options := set.ledgerOptions()
	options.Held = func(h *ledger.Holder) { log.printf("%v; what is to be booked waits for it: %s", h, h.Hint()) }
	if s.ledger, err = ledger.Open(ctx, options); err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	a.opened.Store(s.ledger)
	for _, r := range s.ledger.Recovered() {
		log.printf("settled %s in full for a call of agent %s, whose aex died", r.Amount, r.Agent)
	}
	if err = s.claim(ctx, set); err != nil {
		return nil, err
	}
	if s.listener, s.view.URL, err = f.bind(ctx); err != nil {
		return nil, err
	}
	registry, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	token, err := makeOperatorToken(set.home)
	if err != nil {
		return nil, err
	}
	if err = s.start(token, registry); err != nil {
		return nil, err
	}
	s.warn(registry)
	return s, nil
}

// load reads settings, models and prices. What cannot be read changes nothing.
//
// The server's own address and tokens are no provider's, though a shell that
// was set up for its clients has them where a provider's would be: the server
// would call itself.
func (s *server) load(ctx context.Context) (*policy.Registry, error) {
	set, err := s.app.settings(s.flags.envFiles...)
	if err != nil {
		return nil, err
	}
	dropped := set.without(func(name, value string) bool {
		if strings.HasSuffix(name, "_API_KEY") {
			_, err := s.ledger.Authenticate(ctx, ledger.HashToken(value))
			return err == nil || errors.Is(err, ledger.ErrExpired)
		}
		return environ.IsBase(name) && sameAddress(value, s.view.URL)
	})
	for _, name := range dropped {
		s.log.printf("%s leads to this server itself, so it is not used for a provider", name)
	}
	registry, err := set.registry(s.flags.prices, s.flags.localPrices)
	if err != nil {
		return nil, err
	}
	issuers, err := set.issuers(s.flags.caFile, s.app.now)
	if err != nil {
		return nil, err
	}
	s.issuers.Store(issuers)
	s.settings.Store(set)
	return registry, nil
}

// claim takes this home's lock, so that there is one server.
func (s *server) claim(ctx context.Context, set *settings) error {
	lock, taken, err := takeLock(ctx, lockPath(s.home))
	if err != nil {
		return err
	}
	if !taken {
		other := s.app.lookAtDaemon(ctx, set)
		return hinted(fmt.Errorf("a server of this home is running already (PID %d, %s)", other.PID, other.URL), "end it with: aex daemon stop")
	}
	s.lock = lock
	return removeQuietly(daemonPath(s.home)) // of a server that died
}

// start puts the gateway to work.
func (s *server) start(token string, registry *policy.Registry) (err error) {
	s.gateway = proxy.New(proxy.Options{
		Ledger: s.ledger, Registry: registry, NoClamp: s.flags.noClamp, CAFile: s.flags.caFile, Hosts: s.flags.lowerHosts(),
		Memory: s.flags.memory << 20,
		Key:    func(p policy.Provider) string { return s.settings.Load().key(p) },
		Broken: func(err error) { s.stop(fmt.Errorf("a call could not be booked: %w", err)) },
		Logf:   s.log.printf, Exchange: s.exchange,
	})
	s.pages, err = dashboard.New(dashboard.Options{
		Ledger: s.ledger, Token: token, Live: s.gateway.Live, Hosts: s.flags.lowerHosts(), Version: Version, Logf: s.log.printf, Now: s.app.now,
	})
	if err != nil {
		return err
	}
	s.gateway.Front(s.operatorOptions(token))
	s.owners.Go(func() {
		if err := s.gateway.Serve(s.listener); err != nil {
			s.stop(err)
		}
	})
	s.owners.Go(func() {
		select {
		case <-s.ledger.Broken():
			s.stop(ledger.ErrBroken)
		case <-s.stopped.Done():
		}
	})
	s.view = daemonView{PID: os.Getpid(), URL: s.view.URL, Started: s.app.now().UTC(), Version: Version, Log: s.flags.logFile, Running: true, Ready: true}
	if s.flags.cert != "" {
		if s.view.CAFile, err = filepath.Abs(s.flags.cert); err != nil {
			return err
		}
	}
	return nil
}

// operatorOptions are what the operator's routes do.
func (s *server) operatorOptions(token string) proxy.AdminOptions {
	return proxy.AdminOptions{
		Token: token, Version: Version,
		Reload:     s.reload,
		Stop:       func() { s.stop(errStopAsked) },
		Metrics:    func(ctx context.Context) (any, error) { return readMetrics(ctx, s.ledger, s.app.now()) },
		Prometheus: metrics.Prometheus(s.ledger, s.gateway.Holding), Pages: s.pages,
	}
}

// warn tells of what will fail later.
func (s *server) warn(r *policy.Registry) {
	for _, w := range r.Warnings {
		s.log.printf("warning: %s", w)
	}
	set := s.settings.Load()
	for _, p := range r.Providers() {
		if p.Local || p.Keyless || set.key(p) != "" {
			return
		}
	}
	s.log.printf("no provider key is set: calls will be refused until one is in the environment or %s", filepath.Join(s.home, ".env"))
}

// announce tells the world where the server is, once it listens.
func (s *server) announce(ctx context.Context, readyFD int) error {
	if err := answers(ctx, s.view, "/ready"); err != nil && s.flags.cert == "" {
		return fmt.Errorf("the gateway does not answer itself: %w", err)
	}
	view, err := json.Marshal(s.view)
	if err != nil {
		return err
	}
	err = writeWhole(daemonPath(s.home), 0o600, func(w io.Writer) error { _, err := w.Write(view); return err })
	if err != nil {
		return err
	}
	s.log.printf("serving on %s, home %s, pid %d", s.view.URL, s.home, s.view.PID)
	if err := tellReady(readyFD, append(view, '\n')); err != nil {
		s.log.printf("who started this server is gone: %v", err)
	}
	return nil
}

// wait returns when the server is asked to end, or cannot go on. Meanwhile it reloads when it is told to.
func (s *server) wait(ctx context.Context, reload, asked <-chan os.Signal) error {
	for {
		select {
		case <-reload:
			if err := s.reload(ctx); err != nil {
				s.log.printf("reloading: %v; what was loaded before stays", err)
			}
		case <-asked:
			return nil
		case <-s.stopped.Done():
			if err := context.Cause(s.stopped); !errors.Is(err, errStopAsked) {
				return hinted(fmt.Errorf("the server cannot go on: %w", err), "look at the disk and permissions of %s, then run: aex audit", s.home)
			}
			return nil
		}
	}
}

// reload reads models.yaml and the environment files again. What cannot be
// read changes nothing.
func (s *server) reload(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	registry, err := s.load(ctx)
	if err != nil {
		return err
	}
	s.gateway.SetRegistry(registry)
	s.log.printf("read %s and the environment files again", s.settings.Load().modelsFile)
	for _, w := range registry.Warnings {
		s.log.printf("warning: %s", w)
	}
	return nil
}

// makeOperatorToken reads the operator's token, or makes it.
func makeOperatorToken(home string) (string, error) {
	path := operatorTokenPath(home)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = writeWhole(path, 0o600, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, ledger.NewSecret(ledger.SecretOfOperator))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	token, err := operatorToken(home)
	if err == nil && len(token) < 32 {
		err = hinted(fmt.Errorf("%s holds no token", path), "remove the file; another is made")
	}
	return token, err
}

// drainWait is how long daemon stop waits beyond the draining.
const drainWait = 10 * time.Second
