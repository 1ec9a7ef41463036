package proxy

import (
	"net/url"
	"strings"

	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// deploymentsPath is where Azure's SDKs ask: the path names a deployment, as the
// model, and api-version stands in the query.
const deploymentsPath = "/openai/deployments/"

// deployment takes the part of a path that names a deployment off it.
func deployment(path string) (name, rest string, ok bool) {
	_, below, ok := strings.Cut("/"+strings.TrimPrefix(wire.Unversioned(path), "/"), deploymentsPath)
	if !ok || !strings.HasPrefix(wire.Unversioned(path), deploymentsPath) {
		return "", "", false
	}
	name, rest, ok = strings.Cut(below, "/")
	return name, "/" + rest, ok && name != "" && rest != ""
}

// upstreamPath is where the call goes, below which base URL. A deployment is
// named in the path at Azure, and nowhere else.
func (c *call) upstreamPath() (base, path string) {
	base, path = strings.TrimSuffix(c.model.Provider.BaseURL, "/"), c.route.wire.Path(c.model, c.route.rest)
	if c.route.deployment == "" || !c.model.Provider.IsAzure() {
		return base, path
	}
	if u, err := url.Parse(base); err == nil {
		before, _, _ := strings.Cut(u.Path, "/openai") // what a gateway in front has of its own stays
		u.Path, u.RawPath = before, ""
		base = strings.TrimSuffix(u.String(), "/")
	}
	return base, deploymentsPath + url.PathEscape(c.model.Sent) + path
}
