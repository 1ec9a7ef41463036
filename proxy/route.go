package proxy

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// route is where a request goes: to a metered wire, or to a free answer.
type route struct {
	wire *wire.Wire
	free string // name of the free answer; "" for a metered call
	rest string // what follows the fixed part of the path
	id   string // of the stored answer that it is about; "": none
	at   string // the provider that the path names; "": none

	deployment string // that an Azure path names; "": none
}

// freeHello is the route by which a client finds out whether anybody is there. It is
// the only one that needs no token at all.
const freeHello = "hello"

// freeToken is the route by which a CI's token becomes one of an agent. It needs
// no token of this gateway.
const freeToken = "token"

// reads tells whether a read-only token may ask for this. A count of tokens costs
// nothing, but it calls a model.
func (rt route) reads() bool {
	return rt.free != "" && rt.free != wire.CountTokens && rt.free != wire.Relayed && rt.free != "runs" && rt.free != freeToken
}

// find looks a request up in the allow-list. What is not in it is refused: a route that
// nobody meters would be a hole.
func (g *Gateway) find(method, path string) (route, bool) {
	rt := route{}
	if name, rest, ok := deployment(path); ok {
		rt.deployment, rt.at, path = name, g.registry.Load().AzureName(), rest
	} else {
		rt.at, path = g.provider(path)
	}
	for _, w := range g.wires {
		if found, ok := w.Find(method, path); ok && (!w.Form || rt.deployment == "") { // Azure's forms name no model
			rt.wire, rt.free, rt.rest, rt.id = w, found.Free, found.Rest, found.ID
			return rt, true
		}
	}
	path = wire.Unversioned(path)
	switch {
	case method == "HEAD" && (path == "/" || path == "/api/hello"):
		rt.free = freeHello
	case method == "GET" && path == "/models":
		rt.free = "models"
	case method == "GET" && strings.HasPrefix(path, "/models/"):
		rt.free, rt.rest = "model", strings.TrimPrefix(path, "/models/")
	case method == "GET" && path == "/aex/budget":
		rt.free = "budget"
	case method == "POST" && path == "/aex/token":
		rt.free = freeToken
	case path == "/aex/runs" || strings.HasPrefix(path, "/aex/runs/"):
		rt.free, rt.rest = "runs", strings.TrimPrefix(strings.TrimPrefix(path, "/aex/runs"), "/")
	default:
		return rt, false
	}
	return rt, true
}

// findRoute looks the request up in the allow-list and among the routes that
// models.yaml opens, which go first where a wire takes forms.
func (c *call) findRoute() error {
	var listed bool
	c.route, listed = c.g.find(c.r.Method, c.r.URL.Path)
	if listed && (c.route.wire == nil || !c.route.wire.Form) {
		return nil
	}
	if !c.findOpened() && !listed {
		return refusal.New("endpoint_not_governed", `%s is not metered, so it is not passed on; %s, or {usd_per_call: "0.04"} in place of free`,
			routeOf(c.r), opensAt(c.r, "free"))
	}
	return nil
}

func routeOf(r *http.Request) string { return plain.Clip(r.Method+" "+r.URL.Path, 200) }

// opensAt is the line of models.yaml that opens a request's route at a price.
func opensAt(r *http.Request, price string) string {
	return "a line in models.yaml opens it: routes: {" + wire.Quote(routeOf(r)) + ": " + price + "}"
}

// provider takes the part of a path that names a provider off it. /p/mistral/v1 leads
// to Mistral, with or without the path of Mistral's own base URL after it. The SDKs of
// Groq and Azure ask below /openai/v1, and below /v1beta/openai Google speaks OpenAI's
// dialects.
func (g *Gateway) provider(path string) (at, rest string) {
	if named, ok := strings.CutPrefix(path, "/p/"); ok {
		at, rest, _ = strings.Cut(named, "/")
		rest = "/" + rest
		for _, p := range g.registry.Load().Providers() {
			if p.Name == at {
				rest = strings.TrimPrefix(rest, prefixOf(p.BaseURL))
			}
		}
		return at, rest
	}
	if rest, ok := strings.CutPrefix(path, "/v1beta/openai/"); ok {
		return "google", "/v1/" + rest
	}
	for strings.HasPrefix(path, "/openai/v1/") {
		at, path = g.registry.Load().OpenAIPath(), strings.TrimPrefix(path, "/openai")
		path = "/" + strings.TrimPrefix(path, "/v1/")
	}
	return at, path
}

// prefixOf is what a base URL's path has before its version segment:
// https://openrouter.ai/api/v1 -> /api.
func prefixOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/v1")
}

// dialectOf is the wire whose refusals a caller on an unknown path expects.
func (g *Gateway) dialectOf(path string) *wire.Wire {
	for _, w := range g.wires {
		if w.Owns != nil && w.Owns(path) {
			return w
		}
	}
	return wire.Chat
}

// findOpened looks the route up in models.yaml. It takes a path only in its simplest
// form: any other could lead to another place than it seems to.
func (c *call) findOpened() bool {
	p := c.r.URL.Path
	if path.Clean(p) != p || !plainPath(c.r.URL.EscapedPath()) {
		return false
	}
	opened, ok := c.g.registry.Load().Route(c.r.Method, p)
	if !ok {
		return false
	}
	c.opened = &opened
	at := c.r.URL.EscapedPath()
	if opened.Provider.Type == "openai_compatible" {
		at = strings.TrimPrefix(at, "/v1") // its base URL has the version
	}
	c.route = route{wire: wire.Opened(at)}
	price := policy.Pico(opened.Micros * 1_000_000)
	c.model = policy.Model{Name: p, Sent: p, Provider: opened.Provider}
	c.model.Price.PerRequest = &price
	c.model.Price.Source, c.model.Price.Version = "models.yaml", "models.yaml routes"
	return true
}

// plainPath tells whether a path means the same to every server. The provider's may
// undo escapes a second time, take a backslash for a slash, or leave out what follows a
// semicolon.
func plainPath(escaped string) bool {
	once, err := url.PathUnescape(escaped)
	return err == nil && !strings.ContainsAny(once, `\%;`) && !strings.Contains(once, "//")
}

// deploymentsPath is where Azure's SDKs ask: the path names a deployment, as the
// model, and api-version stands in the query.
const deploymentsPath = "/openai/deployments/"

// deployment takes the part of a path that names a deployment off it.
func deployment(path string) (name, rest string, ok bool) {
	below, ok := strings.CutPrefix(wire.Unversioned(path), deploymentsPath)
	if !ok {
		return "", "", false
	}
	name, rest, ok = strings.Cut(below, "/")
	return name, "/" + rest, ok && name != "" && rest != ""
}

// upstreamPath is the base URL that the call goes to, and the path below it. Only
// Azure's paths name a deployment.
func (c *call) upstreamPath() (base, path string) {
	base, path = strings.TrimSuffix(c.model.Provider.BaseURL, "/"), c.route.wire.Path(c.model, c.route.rest)
	if c.route.deployment == "" || !c.model.Provider.IsAzure() {
		return base, path
	}
	if u, err := url.Parse(base); err == nil {
		before, _, _ := strings.Cut(u.Path, "/openai") // the path of a gateway in front of Azure stays
		u.Path, u.RawPath = before, ""
		base = strings.TrimSuffix(u.String(), "/")
	}
	return base, deploymentsPath + url.PathEscape(c.model.Sent) + path
}

// readAsked reads what the body asks for. In an Azure path the deployment names the
// model.
func (c *call) readAsked() (err error) {
	c.asked, err = c.route.wire.Read(c.r, c.body, c.route.rest)
	if c.route.deployment != "" {
		c.asked.Model = c.route.deployment
	}
	return err
}

// dialect is the wire whose shape the answers to this call have.
func (c *call) dialect() *wire.Wire {
	if c.route.wire != nil {
		return c.route.wire
	}
	return c.g.dialectOf(c.r.URL.Path)
}

// Token finds the caller's token where any SDK puts its key.
func Token(r *http.Request) string {
	if t := headerToken(r); t != "" {
		return t
	}
	return r.URL.Query().Get("key")
}

// headerToken is the token in a header.
func headerToken(r *http.Request) string {
	if kind, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "bearer") {
		return strings.TrimSpace(value)
	}
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
		if v := r.Header.Get(name); v != "" {
			return v
		}
	}
	return ""
}
