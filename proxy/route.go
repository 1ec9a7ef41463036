package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// route is where a request goes: to a metered wire, or to a free answer.
type route struct {
	wire *wire.Wire
	free string // name of the free answer; "" for a metered call
	rest string // what stands after the fixed part of the path
	id   string // of the stored answer that it is about; "": none
	at   string // the provider that the path names; "": none

	deployment string // that an Azure path names; "": none
}

// freeHello is the route by which a client finds out whether anybody is there.
// Alone of all it needs no token.
const freeHello = "hello"

// freeToken is the route by which a CI's token becomes one of an agent. It needs
// no token of this gateway.
const freeToken = "token"

// reads tells whether a token that may only read may ask for this. A count
// costs nothing, but it calls a model.
func (rt route) reads() bool {
	return rt.free != "" && rt.free != wire.CountTokens && rt.free != wire.Relayed && rt.free != "runs" && rt.free != freeToken
}

// find looks a request up in the allow-list: what is not in it is refused,
// because a route that is not governed is a hole.
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

// find looks the route up in the allow-list.
func (c *call) find() error {
	var ok bool
	if c.route, ok = c.g.find(c.r.Method, c.r.URL.Path); (!ok || c.route.wire != nil && c.route.wire.Form) && !c.findOpened() && !ok {
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

// provider takes the part of a path that names a provider off it. /p/mistral/v1
// leads to Mistral, with the path of Mistral's own base URL after it or without;
// /openai/v1 is where the Groq SDK asks, and Azure's, and /v1beta/openai where Google speaks
// OpenAI's dialects.
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
