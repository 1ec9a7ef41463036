package proxy

import (
	"strings"

	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// route is where a request goes: to a metered wire, or to a free answer.
type route struct {
	wire *wire.Wire
	free string // name of the free answer; "" for a metered call
	rest string // what stands after the fixed part of the path
	groq bool   // below /openai/v1, as the Groq SDK asks
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
		rt.free = "hello"
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

// dialectOf is the wire whose refusals a caller on an unknown path expects.
func (g *Gateway) dialectOf(path string) *wire.Wire {
	for _, w := range g.wires {
		if w.Owns != nil && w.Owns(path) {
			return w
		}
	}
	return wire.Chat
}
