package policy

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// Route is a route that models.yaml opens beyond the ones that are metered.
type Route struct {
	Method   string
	Path     string // of the gateway: /v1/files; ends in /* where what follows is open too
	Micros   int64  // what a call costs, micro-US-dollars, rounded up; 0: free
	Provider Provider

	provider string
}

// governed are the paths that are metered and cannot be opened.
var governed = []string{"/chat/completions", "/responses", "/completions", "/embeddings", "/messages", "/aex"}

func (m *modelsFile) readRoutes(f yamlFile, n *yaml.Node) error {
	return f.pairs(n, "routes", func(key, value *yaml.Node) error {
		method, path, both := strings.Cut(key.Value, " ")
		if !both || method == "" || strings.ToUpper(method) != method || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") || strings.Contains(path, "..") {
			return f.errorf(key, "%q is not a route; write it like \"POST /v1/files\"", key.Value)
		}
		bare := strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(path, "/*"), "/"), "/v1")
		if bare == "" {
			return f.errorf(key, "%q would open everything; name the route", key.Value)
		}
		for _, g := range governed {
			if bare == g || method == "POST" && strings.HasPrefix(bare, g+"/") && g != "/messages" || strings.Contains(path, ":") {
				return f.errorf(key, "%q is metered by its usage and cannot be opened at a fixed price", key.Value)
			}
		}
		route := Route{Method: method, Path: path, provider: openAI}
		if value.Kind == yaml.ScalarNode {
			var free string
			m.routes = append(m.routes, route)
			return f.oneOf(&free, "free")(value)
		}
		var price *Pico
		providerNode := value
		err := f.fields(value, "route "+key.Value, fieldSet{
			"usd_per_call": f.decimal(&price, fee),
			"provider":     func(v *yaml.Node) error { providerNode = v; return f.text(&route.provider)(v) },
		})
		if err != nil {
			return err
		}
		if price == nil {
			return f.errorf(value, "route %q has no price; write free, or usd_per_call: \"0.04\"", key.Value)
		}
		_, declared := m.providers[route.provider]
		if _, known := builtinNamed(route.provider); !declared && !known {
			return f.errorf(providerNode, "there is no provider %q; add it under providers, with its base_url", route.provider)
		}
		route.Micros = int64((*price + picoPerMicro - 1) / picoPerMicro)
		m.routes = append(m.routes, route)
		return nil
	})
}

// Route is the opened route that a request is for. The path must be clean.
func (r *Registry) Route(method, path string) (Route, bool) {
	for _, route := range r.routes {
		prefix, open := strings.CutSuffix(route.Path, "*")
		if route.Method == method && (path == route.Path || open && len(path) > len(prefix) && strings.HasPrefix(path, prefix)) {
			return route, true
		}
	}
	return Route{}, false
}
