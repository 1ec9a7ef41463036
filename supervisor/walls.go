package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/joho/godotenv"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/tunnel"
	"github.com/Auro-rium/aex/v3/supervisor/environ"
	"github.com/Auro-rium/aex/v3/supervisor/process"
	"github.com/Auro-rium/aex/v3/supervisor/sandbox"
)

// SandboxSpec says what keeps a run's program in, and where it is let out to.
type SandboxSpec struct {
	Mode   sandbox.Mode
	Hosts  []tunnel.Rule
	Local  []uint16        // ports of this machine's loopback that appear inside
	Covers []sandbox.Cover // aex's own files, sockets, and what the user hides
	// KeyFiles are files of variables that keys were read from: path to text.
	// The program sees them without the keys.
	KeyFiles map[string]string
}

// enclosure is what a run's program is in; the zero value is nothing.
type enclosure struct {
	have    sandbox.Have
	inside  net.Listener   // of the gateway in there; nil: it listens out here
	tunnel  *tunnel.Tunnel // the way out; nil: there is none
	network *network
	ownHome string // for the folder of agents where aex's home is not seen
}

// enter waits for the sandbox, and says which level of it the machine gave.
func (r *session) enter() (err error) {
	if r.Sandbox.Mode == "" || r.Sandbox.Mode == sandbox.Off {
		return nil
	}
	have, inside, err := r.monitor.Sandbox()
	if err != nil {
		return err
	}
	r.have, r.inside = have, inside
	r.report.Sandbox = &SandboxReport{Level: string(have.Level), Missing: have.Missing, Open: have.Open}
	if line := have.Line(); line != "" {
		r.say("%s", line)
	}
	r.network = newNetwork()
	out := tunnel.New(tunnel.Options{
		Rules: r.Sandbox.Hosts, Watch: r.network.saw, Parent: parentProxy, Providers: r.providerHosts,
		Provider: func(host string, port uint16) bool { return policy.ServesModels(host, port, r.providers()) },
	})
	for _, port := range r.Sandbox.Local {
		if out.ServedHere(r.ctx, port) {
			return fmt.Errorf("--allow-local %d: a model provider answers there, and that is reached through aex alone", port)
		}
	}
	if r.Outer == nil && have.Level != sandbox.None {
		r.tunnel = out
	}
	return nil
}

// providerHosts are where aex itself may go: to providers that it has a key of, and to those of models.yaml.
func (r *session) providerHosts() (hosts []string) {
	for _, p := range r.providers() {
		u, err := url.Parse(p.BaseURL)
		if err != nil || r.Key(p) == "" && policy.HostOf(p.BaseURL) != nil {
			continue
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80"}[u.Scheme]
		}
		hosts = append(hosts, net.JoinHostPort(u.Hostname(), cmp.Or(port, "443")))
	}
	return hosts
}

// loopback is the socket of the run's gateway.
func (r *session) loopback() (net.Listener, error) {
	l := r.inside
	if l == nil {
		config := net.ListenConfig{}
		config.SetMultipathTCP(false)
		var err error
		if l, err = config.Listen(r.ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("listening on loopback: %w", err)
		}
	}
	r.url = "http://" + l.Addr().String()
	return l, nil
}

func (r *session) providers() []policy.Provider {
	if r.Registry == nil {
		return nil
	}
	return r.Registry.Providers()
}

// parentProxy is the proxy that aex itself reaches a host through.
func parentProxy(host string, port uint16) (*url.URL, error) {
	scheme := "https"
	if port == 80 {
		scheme = "http"
	}
	u := &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, strconv.Itoa(int(port)))}
	return http.ProxyFromEnvironment(&http.Request{URL: u})
}

// tunnelTo is the way out that the gateway offers, nil for none. (A nil *Tunnel would not
// be a nil http.Handler.)
func (r *session) tunnelTo() http.Handler {
	if r.tunnel == nil {
		return nil
	}
	return r.tunnel
}

// proxied are the variables by which programs find a proxy.
var proxied = []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"}

// confine completes what the program is launched with: the way out in its
// environment, and what the sandbox lets it reach.
func (r *session) confine(env []string) ([]string, error) {
	if r.have.Level == sandbox.None {
		return env, nil
	}
	gateway, err := url.Parse(r.url)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(gateway.Port(), 10, 16)
	if err != nil {
		return nil, fmt.Errorf("reading the gateway's port: %w", err)
	}
	walls := process.Walls{Ports: append([]uint16{uint16(port)}, r.Sandbox.Local...), Local: slices.Clone(r.Sandbox.Local)}
	if r.Outer != nil { // its gateway is outside, and has the same address in here
		walls.Local = append(walls.Local, uint16(port))
	} else {
		env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
			name, _, _ := strings.Cut(entry, "=")
			return slices.Contains(proxied, name) || strings.EqualFold(name, "NO_PROXY") || name == "NODE_USE_ENV_PROXY"
		})
		for _, name := range proxied {
			env = append(env, name+"="+r.url)
		}
		const local = "127.0.0.1,localhost,::1"
		env = append(env, "NO_PROXY="+local, "no_proxy="+local, "NODE_USE_ENV_PROXY=1")
	}
	env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return strings.HasPrefix(entry, "AEX_SANDBOX_LEVEL=") })
	env = append(env, "AEX_SANDBOX_LEVEL="+string(r.have.Level))
	folder := ""
	if r.folder != nil { // of aex's home the program sees what leads its agents
		if folder, err = filepath.EvalSymlinks(r.folder.Path()); err != nil {
			return nil, fmt.Errorf("finding the folder of the run's agents: %w", err)
		}
	}
	for _, c := range r.Sandbox.Covers {
		if folder != "" {
			c.Keep = append(slices.Clone(c.Keep), folder)
		}
		walls.Covers = append(walls.Covers, c)
	}
	for path, text := range r.Sandbox.KeyFiles {
		shown, err := r.withoutKeys(text, env)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		walls.Covers = append(walls.Covers, sandbox.Cover{Path: path, Text: shown, Must: true})
	}
	r.monitor.Walls = walls
	return env, nil
}

// withoutKeys is a file of variables as the program sees it. For a key, or the address of a
// provider, it has the same value as the program's environment, so that it makes no
// difference which of the two the program goes by.
func (r *session) withoutKeys(text string, env []string) ([]byte, error) {
	vars, err := godotenv.Unmarshal(text)
	if err != nil { // which shows the rest of the file
		return nil, errors.New("it has changed, and holds no lines like NAME=value any more")
	}
	now := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		now[name] = value
	}
	secret := map[string]bool{}
	for _, p := range r.providers() {
		if key := r.Key(p); key != "" {
			secret[key] = true
		}
	}
	for name, value := range vars {
		if environ.Taken(name, r.keys()) || secret[value] {
			vars[name] = now[name]
		}
	}
	shown, err := godotenv.Marshal(vars)
	return []byte(shown + "\n"), err
}

// relays serves the ports of this machine's loopback that appear inside.
func (r *session) relays() {
	for _, l := range r.proc.Local() {
		r.owned.Go(func() {
			stop := context.AfterFunc(r.ctx, func() { l.Close() })
			defer stop()
			relayLocal(r.ctx, l)
		})
	}
}

// relayLocal connects whoever comes to l with the same port of loopback out here.
func relayLocal(ctx context.Context, l net.Listener) {
	var served sync.WaitGroup
	defer served.Wait()
	port := l.Addr().(*net.TCPAddr).AddrPort().Port()
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed
		}
		served.Go(func() {
			defer conn.Close()
			host, err := dialLocal(ctx, port)
			if err != nil {
				return // as a port that nobody listens on, a moment later
			}
			defer host.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close(); host.Close() })
			defer stop()
			var back sync.WaitGroup
			back.Go(func() { halfCopy(conn, host) })
			halfCopy(host, conn)
			back.Wait()
		})
	}
}

func dialLocal(ctx context.Context, port uint16) (net.Conn, error) {
	var d net.Dialer
	var all error
	for _, addr := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
		if err == nil {
			return conn, nil
		}
		all = errors.Join(all, err)
	}
	return nil, all
}

// halfCopy copies one way and passes the end of file on.
func halfCopy(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}

// agentsHome is where the folder of the run's agents is made: aex's home, but for
// a run inside a sandbox, which does not see that.
func (r *session) agentsHome() (string, error) {
	if !slices.Contains(r.Environ, "AEX_SANDBOX_LEVEL="+string(sandbox.Full)) {
		return r.Ledger.Home, nil
	}
	var err error
	if r.ownHome == "" {
		if r.ownHome, err = os.MkdirTemp("", "aex-"); err != nil {
			return "", fmt.Errorf("making a folder for the run's agents: %w", err)
		}
	}
	return r.ownHome, nil
}
