package proxy

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// AdminOptions are what the operator's side of a gateway works with.
type AdminOptions struct {
	Token   string // the operator's; required
	Version string

	// Reload reads configuration and keys again, and keeps the old on error.
	Reload func(context.Context) error
	// Stop asks the server to drain and end. It returns at once.
	Stop func()
	// Metrics is what GET /metrics answers as JSON, as aex 1.2 did.
	Metrics func(context.Context) (any, error)

	// Prometheus answers GET /metrics for those who ask for its text format.
	// Nil: they get JSON too.
	Prometheus http.Handler
	// Pages answers below /dashboard. It authenticates by itself: a
	// browser comes with a cookie from a one-time link. Nil: there are none.
	Pages http.Handler
}

// admin answers the operator's routes and passes the rest to the gateway.
type admin struct {
	AdminOptions
	gateway *Gateway
	hash    [32]byte // of the token
}

// Front puts the operator's routes before the gateway. Call it before Serve.
//
//	GET  /health, /ready        anybody
//	GET  /metrics               the operator's token
//	POST /admin/reload_config   the operator's token
//	POST /admin/stop            the operator's token
//	GET  /                      a browser is sent to /dashboard
//	     /dashboard             Pages
func (g *Gateway) Front(o AdminOptions) {
	g.server.Handler = &admin{AdminOptions: o, gateway: g, hash: sha256.Sum256([]byte(o.Token))}
}

func (a *admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if path == "/" && a.Pages != nil && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && a.gateway.hosts.Ours(r.Host) {
		http.Redirect(w, r, "/dashboard", http.StatusSeeOther) // a browser; nothing else is at /
		return
	}
	pages := a.Pages != nil && (path == "/dashboard" || strings.HasPrefix(path, "/dashboard/"))
	if !pages && path != "/health" && path != "/ready" && path != "/metrics" && !strings.HasPrefix(path, "/admin/") {
		a.gateway.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if pages {
		if !a.gateway.hosts.Ours(r.Host) {
			detail(w, http.StatusForbidden, "requests for this host are refused; allow it with --allow-host")
			return
		}
		a.Pages.ServeHTTP(w, r)
		return
	}
	if err := a.gateway.local(r); err != nil {
		detail(w, http.StatusForbidden, refusal.As(err).Message)
		return
	}
	a.route(w, r)
}

// route answers what is the operator's own.
func (a *admin) route(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/health":
		if only(w, r, http.MethodGet) {
			write(w, http.StatusOK, map[string]string{"status": "ok", "version": a.Version})
		}
	case "/ready":
		if only(w, r, http.MethodGet) {
			a.ready(w, r)
		}
	case "/metrics":
		if only(w, r, http.MethodGet) && a.operator(w, r) {
			a.metrics(w, r)
		}
	case "/admin/reload_config":
		if only(w, r, http.MethodPost) && a.operator(w, r) {
			a.reload(w, r)
		}
	case "/admin/stop":
		if only(w, r, http.MethodPost) && a.operator(w, r) {
			write(w, http.StatusOK, map[string]string{"status": "ok", "message": "Stopping"})
			a.Stop()
		}
	default:
		detail(w, http.StatusNotFound, "Not Found")
	}
}

// operator refuses whoever does not have the operator's token.
func (a *admin) operator(w http.ResponseWriter, r *http.Request) bool {
	given := sha256.Sum256([]byte(headerToken(r))) // an address ends up in logs and histories
	if a.Token != "" && subtle.ConstantTimeCompare(given[:], a.hash[:]) == 1 {
		return true
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	detail(w, http.StatusUnauthorized, "this needs the operator's token: the text of operator.token in aex's home, as Authorization: Bearer")
	return false
}

// ready tells whether calls are let through: the ledger commits and is read.
func (a *admin) ready(w http.ResponseWriter, r *http.Request) {
	g := a.gateway
	g.mu.Lock()
	closing := g.closing
	g.mu.Unlock()
	problem := ""
	switch {
	case closing:
		problem = "shutting down"
	case g.failed.Load():
		problem = "a call could not be booked"
	default:
		select {
		case <-g.ledger.Broken():
			problem = "the ledger cannot commit"
		default:
			if _, err := g.ledger.End(r.Context()); err != nil {
				problem = "the ledger cannot be read"
			}
		}
	}
	if problem != "" {
		write(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "detail": problem})
		return
	}
	write(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (a *admin) metrics(w http.ResponseWriter, r *http.Request) {
	accept := r.Header.Get("Accept")
	if a.Prometheus != nil && (strings.Contains(accept, "openmetrics") || strings.Contains(accept, "text/plain")) {
		a.Prometheus.ServeHTTP(w, r)
		return
	}
	m, err := a.Metrics(r.Context())
	if err != nil {
		detail(w, http.StatusInternalServerError, err.Error())
		return
	}
	write(w, http.StatusOK, m)
}

func (a *admin) reload(w http.ResponseWriter, r *http.Request) {
	if err := a.Reload(r.Context()); err != nil {
		detail(w, http.StatusInternalServerError, "Invalid configuration (previous config retained): "+err.Error())
		return
	}
	write(w, http.StatusOK, map[string]string{"status": "ok", "message": "Configuration reloaded"})
}

// only refuses every method but one.
func only(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	detail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
	return false
}

// detail answers an error in the shape that aex 1.2 gave its own.
func detail(w http.ResponseWriter, status int, text string) {
	write(w, status, map[string]string{"detail": text})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte(`{"detail":"the answer cannot be written"}`)
	}
	_, _ = w.Write(append(ledger.PlainJSON(b), '\n')) // a client that is gone needs no answer
}
