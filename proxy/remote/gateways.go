// Package remote is a run's way to a shared gateway on another machine: it opens
// the run there, takes it to the next gateway when one is lost, and relays the
// program's calls. It has neither a ledger nor a provider's key.
package remote

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
	"github.com/Auro-rium/aex/v3/proxy/inner"
)

// ErrLost reports that no gateway of the list took the run in time.
var ErrLost = errors.New("no gateway answers for the run")

// ErrUnheard reports that a gateway has ended the run because it did not hear of
// it for too long.
var ErrUnheard = fmt.Errorf("the gateway has ended the run: it had not heard from here for %s", ledger.AttachWithin)

// Refused is what a gateway refused.
type Refused struct {
	Code    string // x-aex-code
	Message string
}

func (e *Refused) Error() string { return strings.TrimPrefix(e.Message, "aex: ") }

// ErrAway is a gateway that opened no run, and refused none.
var ErrAway = errors.New("the gateway does not answer")

// Bounds of what is read from a gateway, and how long it may not answer.
const (
	maxAnswer = 1 << 20
	patience  = 10 * time.Second       // three round trips over a slow network, and some more
	betweenIt = 500 * time.Millisecond // rounds of looking for a gateway
)

// Options are how a run finds its gateway.
type Options struct {
	URLs   []string                                            // in the order in which they are tried
	Token  string                                              // of an agent; "": Proof is exchanged for one
	Proof  func(context.Context, *http.Client) (string, error) // the token by which a CI vouches for its job
	RootCA *x509.CertPool
	Within time.Duration // how long a gateway is looked for; 0: ledger.AttachWithin
}

// Gateways are those that may have a run. One of them has it at a time.
type Gateways struct {
	o      Options
	ctx    context.Context
	stop   context.CancelFunc
	owners sync.WaitGroup
	secret string // the run's token
	ask    inner.Request

	mu     sync.Mutex
	run    ledger.RunID
	at     int          // of URLs
	moves  int          // how often the run was attached
	client *http.Client // its connections are no older than the last loss
	left   context.Context
	leave  context.CancelFunc // ends left, and with it the calls at a silent gateway
	lost   time.Time          // when the gateway was lost; zero: it is there
	silent bool               // it was lost because it did not answer
	search chan struct{}      // closed when the search for another is over; nil: there is none
	gone   error              // the run is over, or no gateway was found
	minted string             // what Proof was exchanged for
	final  *inner.Status
}

// New checks the list of gateways. Close ends what it starts.
func New(o Options) (*Gateways, error) {
	o.Within = cmp.Or(o.Within, ledger.AttachWithin)
	g := &Gateways{o: o, secret: ledger.NewSecret(ledger.SecretOfRun)}
	for _, u := range o.URLs {
		if err := CheckURL(u); err != nil {
			return nil, err
		}
	}
	if len(o.URLs) == 0 {
		return nil, errors.New("no gateway is named")
	}
	g.ctx, g.stop = context.WithCancel(context.Background())
	g.left, g.leave = context.WithCancel(g.ctx)
	g.client = newClient(o.RootCA)
	return g, nil
}

// unheard is how long the other end of a connection may be silent when it should not be.
// Then whatever is under way there is cut.
const unheard = ledger.AttachWithin

func newClient(roots *x509.CertPool) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	t.MaxIdleConnsPerHost, t.IdleConnTimeout, t.DisableCompression = 64, 30*time.Second, true
	t.TLSHandshakeTimeout = patience
	dialer := &net.Dialer{
		Timeout: 30 * time.Second, Control: bound, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: unheard / 4, Interval: unheard / 4, Count: 3},
	}
	t.DialContext = dialer.DialContext
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// connection is the client for what is asked now.
func (g *Gateways) connection() *http.Client {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.client
}

// afresh makes all further requests use new connections, because the existing ones may lead
// nowhere any more. Calls that are under way keep theirs. mu must be held.
func (g *Gateways) afresh() {
	g.client.CloseIdleConnections()
	g.client = newClient(g.o.RootCA)
}

// CheckURL refuses what a token should not be sent to.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if at := strings.LastIndexByte(text, '@'); at >= 0 { // what stands before it is a secret
		return fmt.Errorf("gateway %q: the address has a name or a password before it, where it has none; AEX_TOKEN opens runs", text[at+1:])
	}
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("gateway %q is not an address like https://gate.example.com", text)
	case u.Scheme == "https" || u.Scheme == "http" && proxy.NewHosts(nil).Ours(u.Host):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("gateway %q: a token and prompts do not go over the network in plain text; give https://%s", text, u.Host)
	}
	return fmt.Errorf("gateway %q: the address begins with https://", text)
}

// Close ends the search for gateways and closes connections.
func (g *Gateways) Close() {
	g.stop()
	g.owners.Wait()
	g.connection().CloseIdleConnections()
}

// URL is the gateway that has the run, or had it last.
func (g *Gateways) URL() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.o.URLs[g.at]
}

// Open opens the run at the first gateway that answers. A gateway that refuses
// it is the last one asked.
func (g *Gateways) Open(ctx context.Context, ask inner.Request) (inner.Opened, error) {
	ask.Token = g.secret
	g.ask = ask
	var all error
	for i, base := range g.o.URLs {
		var opened inner.Opened
		err := g.open(ctx, base, &opened)
		var refused *Refused
		switch {
		case err == nil:
			g.mu.Lock()
			g.run, g.at, g.moves = opened.RunID, i, 1
			g.mu.Unlock()
			return opened, nil
		case errors.As(err, &refused) && !elsewhere(refused.Code):
			return opened, err
		case ctx.Err() != nil:
			return opened, ctx.Err()
		}
		all = errors.Join(all, fmt.Errorf("%w: %s: %w", ErrAway, base, whyAway(err)))
	}
	return inner.Opened{}, all
}

// whyAway is why an exchange failed, without the request itself.
func whyAway(err error) error {
	if request, is := errors.AsType[*url.Error](err); is {
		return request.Err
	}
	return err
}

// open opens the run at one gateway, which may take as long as a busy ledger.
func (g *Gateways) open(ctx context.Context, base string, opened *inner.Opened) error {
	ctx, done := context.WithTimeout(ctx, inner.RemotePoll)
	defer done()
	return g.asAgent(ctx, base, "/runs", opened)
}

// elsewhere tells whether another gateway may answer what this one refused.
func elsewhere(code string) bool {
	return code == "shutting_down" || code == "ledger_unavailable" || code == "ledger_busy" || code == "rate_limited" || code == ""
}

// Status waits until the run's state is not after, or some seconds.
func (g *Gateways) Status(ctx context.Context, after string) (s inner.Status, err error) {
	path := ""
	if after != "" {
		path = "?after=" + url.QueryEscape(after)
	}
	return s, g.of(ctx, http.MethodGet, path, nil, &s)
}

// End ends the run.
func (g *Gateways) End(ctx context.Context, how inner.End) (s inner.Status, err error) {
	err = g.of(ctx, http.MethodPost, "/end", how, &s)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && g.final != nil { // the end was booked, and only the answer was lost
		return *g.final, nil
	}
	return s, err
}

// of asks the gateway that has the run, and the next one when that is lost.
func (g *Gateways) of(ctx context.Context, method, path string, body, answer any) error {
	for tries := 1; ; tries++ {
		at, err := g.ready(ctx)
		if err != nil {
			return err
		}
		short, done := context.WithTimeout(ctx, inner.RemotePoll+patience)
		err = g.tell(short, at.base, g.secret, method, "/runs/"+url.PathEscape(string(g.id()))+path, body, answer)
		done()
		var refused *Refused
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &refused) && (tries == maxTries || !elsewhere(refused.Code) && refused.Code != "invalid_token"):
			return err
		}
		g.lose(at, refused == nil)
	}
}

func (g *Gateways) id() ledger.RunID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.run
}

// tell asks one gateway.
func (g *Gateways) tell(ctx context.Context, base, token, method, path string, body, answer any) error {
	return Ask(ctx, g.connection(), base, token, method, path, body, answer)
}

// Ask asks a gateway about a run. What it refuses is a *Refused.
func Ask(ctx context.Context, client *http.Client, base, token, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+"/v1/aex"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct {
			Error struct{ Message string }
		}
		_ = json.Unmarshal(text, &refusal) // what is no refusal of aex has a status at least
		return &Refused{resp.Header.Get("X-Aex-Code"), cmp.Or(refusal.Error.Message, resp.Status)}
	}
	return json.Unmarshal(text, answer)
}
