// Package dashboard is the operator's pages: what is spent, by whom, and what
// can be done about it. All of its figures are the ledger's.
package dashboard

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy"
)

// Options are what the operator's pages work with. Ledger and Token
// are required.
type Options struct {
	Ledger *ledger.Ledger
	// Token is the operator's. Who shows it, or has a session that a one-time
	// link began, sees everything.
	Token string
	// Live lists this process's own calls on their way; nil: it makes none.
	// The calls of other processes are known by their holds alone.
	Live func() []proxy.LiveCall
	// ReadOnly leaves out every action: the pages then name the command.
	ReadOnly bool
	Hosts    []string // host names accepted beside loopback
	Version  string
	Logf     func(format string, args ...any) // told of faults; never of content
	Now      func() time.Time                 // nil: time.Now
}

// Dashboard serves the operator's pages below /dashboard. All of its figures are
// the ledger's.
type Dashboard struct {
	o        Options
	ledger   *ledger.Ledger
	hosts    proxy.Hosts
	pages    *template.Template
	routes   *http.ServeMux
	sessions sessions
	streams  atomic.Int64
	audit    auditState

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup
}

//go:embed assets
var files embed.FS

// New makes the operator's pages. Close ends what they have begun.
func New(o Options) (*Dashboard, error) {
	if o.Token == "" {
		return nil, errors.New("the dashboard needs the operator's token")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	d := &Dashboard{o: o, ledger: o.Ledger, hosts: proxy.NewHosts(o.Hosts)}
	var err error
	if d.pages, err = template.New("").Funcs(pageFuncs).ParseFS(files, "assets/*.html"); err != nil {
		return nil, err
	}
	d.sessions.now = o.Now
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.route()
	return d, nil
}

// Close ends the live streams and an audit under way, and waits for them.
func (d *Dashboard) Close() {
	d.stop()
	d.running.Wait()
}

func (d *Dashboard) route() {
	d.routes = http.NewServeMux()
	for _, name := range []string{"style.css", "tables.js", "live.js", "icon.svg"} {
		d.routes.HandleFunc("GET /dashboard/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, files, "assets/"+name)
		})
	}
	d.routes.HandleFunc("GET /dashboard/login", d.enter)
	d.routes.HandleFunc("POST /dashboard/login", d.enterByToken)
	d.routes.HandleFunc("POST /dashboard/link", d.serveLink)
	for pattern, page := range map[string]pageFunc{
		"GET /dashboard":           d.overview,
		"GET /dashboard/{$}":       d.overview,
		"GET /dashboard/agents":    d.agentsPage,
		"GET /dashboard/agent":     d.agentPage,
		"GET /dashboard/groups":    d.groupsPage,
		"GET /dashboard/group":     d.groupPage,
		"GET /dashboard/runs":      d.runsPage,
		"GET /dashboard/run":       d.runPage,
		"GET /dashboard/events":    d.eventsPage,
		"GET /dashboard/audit":     d.auditPage,
		"GET /dashboard/chart.svg": d.serveChart,
		"GET /dashboard/stream":    d.stream,
		"GET /dashboard/act":       d.confirm,
		"POST /dashboard/act":      d.act,
		"POST /dashboard/logout":   d.leave,
	} {
		d.routes.HandleFunc(pattern, d.guarded(page))
	}
}

// ServeHTTP answers for /dashboard and all below it.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if !d.hosts.Ours(r.Host) {
		http.Error(w, "requests for this host are refused; allow it with --allow-host", http.StatusForbidden)
		return
	}
	d.routes.ServeHTTP(w, r)
}

// secure keeps a page from loading, running or sending anything that is not
// its own, and everybody else from showing it.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make the Origin of our own forms null
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// pageFunc answers a request of the operator. What it returns is shown as a
// page with its status.
type pageFunc func(w http.ResponseWriter, r *http.Request, s *session) error

// problem is an error that the operator is shown.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// guarded lets only the operator through, and posts only from our own pages.
func (d *Dashboard) guarded(page pageFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := d.operator(r)
		if s == nil {
			d.turnAway(w, r, "")
			return
		}
		if r.Method == http.MethodPost {
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
			if !s.mayPost(r) {
				d.fail(w, r, s, &problem{http.StatusForbidden, "This request did not come from a page of this dashboard. Go back, reload the page and try again."})
				return
			}
		}
		if err := page(w, r, s); err != nil {
			d.fail(w, r, s, err)
		}
	}
}

// fail shows an error as a page.
func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, s *session, err error) {
	var p *problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, ledger.ErrNotFound):
		p = &problem{http.StatusNotFound, "There is no such agent, group or run."}
	case errors.Is(err, ledger.ErrInvalid), errors.Is(err, ledger.ErrAmbiguous):
		p = &problem{http.StatusBadRequest, err.Error()}
	case r.Context().Err() != nil:
		return // nobody listens
	default:
		d.o.Logf("dashboard: %s: %v", plain.Stored(plain.Discreet(r.URL.Path)), err)
		p = &problem{http.StatusInternalServerError, "The ledger cannot be read: " + err.Error()}
	}
	d.render(w, p.status, "problem.html", &page{Title: http.StatusText(p.status), Session: s, Data: p.text})
}

// turnAway tells how to get in.
func (d *Dashboard) turnAway(w http.ResponseWriter, r *http.Request, why string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="aex"`)
	if r.Header.Get("Accept") == "text/event-stream" {
		http.Error(w, "the operator's token is needed: Authorization: Bearer $(cat ~/.aex/operator.token)", http.StatusUnauthorized)
		return
	}
	d.render(w, http.StatusUnauthorized, "enter.html", &page{Title: "Sign in", Data: why})
}
