package proxy

import (
	"strings"

	"github.com/Auro-rium/aex/v3/internal/plain"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// route is where a request goes: to a metered wire, or to a free answer.
type route struct {
	wire *wire.Wire
	free string // name of the free answer; "" for a metered call
	rest string // what stands after the fixed part of the path
	groq bool   // below /openai/v1, as the Groq SDK asks
}

// freeHello is the route by which a client finds out whether anybody is there.
// Alone of all it needs no token.
const freeHello = "hello"

// reads tells whether a token that may only read may ask for this. A count
// costs nothing, but it calls a model.
func (rt route) reads() bool {
	return rt.free != "" && rt.free != wire.CountTokens && rt.free != "runs"
}

// find looks a request up in the allow-list: what is not in it is refused,
// because a route that is not governed is a hole.
func (g *Gateway) find(method, path string) (route, bool) {
	rt := route{}
	if rest, ok := strings.CutPrefix(path, "/openai/v1/"); ok {
		rt.groq, path = true, "/v1/"+rest
	}
	for _, w := range g.wires {
		if found, ok := w.Find(method, path); ok {
			rt.wire, rt.free, rt.rest = w, found.Free, found.Rest
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
	if c.route, ok = c.g.find(c.r.Method, c.r.URL.Path); !ok && !c.findOpened() {
		return refusef("endpoint_not_governed", "%s %s is not metered, so it is not passed on; models.yaml can open it under routes:",
			c.r.Method, plain.Clip(c.r.URL.Path, 200))
	}
	return nil
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
