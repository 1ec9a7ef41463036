package policy

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// The types of providers.
const (
	TypeOpenAI    = "openai_compatible"
	TypeAnthropic = "anthropic"
	TypeGemini    = "gemini"
)

// The providers that a call goes to by its wire.
const (
	openAI    = "openai"
	anthropic = "anthropic"
	google    = "google"
	groqName  = "groq"
	azure     = "azure"
)

// Provider is an upstream API.
type Provider struct {
	Name string // "openai", "groq", "anthropic", "google", or a name from models.yaml
	Type string // "openai_compatible", "anthropic", "gemini"
	// BaseURL is what a wire's path is appended to. An OpenAI-compatible one has
	// the version segment (https://api.openai.com/v1, then /chat/completions);
	// the others have not (https://api.anthropic.com, then /v1/messages;
	// https://generativelanguage.googleapis.com, then /v1beta/models/...).
	BaseURL string
	KeyEnv  string // the variable its key is read from: OPENAI_API_KEY
	Keyless bool   // no key is needed
	Local   bool   // a loopback upstream without a key: counted, priced $0
	Headers map[string]string
	Proxy   string // "": the environment's
	CAFile  string
	PriceAs string // catalogue provider whose rows are used; "": of an unknown host
	// NoStreamUsage: the upstream rejects stream_options.include_usage.
	NoStreamUsage bool

	host    *Host // what is known of where BaseURL leads; nil: to be looked up
	builtin bool  // what Builtin tells, where host is known
}

// builtins are the providers that need no models.yaml, in the order in which
// they are listed: the hosts that have one base URL for all.
var builtins = builtinProviders()

func builtinProviders() (list []Provider) {
	for i := range hosts {
		if h := &hosts[i]; h.Base != "" {
			list = append(list, Provider{Name: h.Name, Type: h.Type, BaseURL: h.Base, KeyEnv: h.Keys[0], PriceAs: h.Name, host: h, builtin: true})
		}
	}
	return list
}

func builtinNamed(name string) (Provider, bool) {
	for _, b := range builtins {
		if b.Name == name {
			return b, true
		}
	}
	return Provider{}, false
}

// priceHost is the provider whose catalogue rows are right for a host; "" for
// a host that nobody knows, and for servers that sell nothing.
func priceHost(base string) string {
	if h := HostOf(base); h != nil && h.Port == "" {
		return h.Name
	}
	return ""
}

// normalBase brings a base URL as programs write it (with and without the
// version segment, with and without a slash) into the form of
// Provider.BaseURL. A path of its own is kept.
func normalBase(name, kind, raw string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is not a URL", withoutUser(raw))
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", fmt.Errorf("%q is not an http or https URL with a host", withoutUser(raw))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("a base URL has no user, query or fragment")
	}
	path := strings.TrimRight(u.Path, "/")
	host := HostOf(raw)
	switch {
	case kind == TypeAnthropic:
		path = strings.TrimSuffix(path, "/v1")
	case kind == TypeGemini:
		path = strings.TrimSuffix(strings.TrimSuffix(path, "/v1beta"), "/v1")
	case (name == groqName || host != nil && host.Name == groqName) && (path == "" || path == "/openai"):
		path = "/openai/v1" // the Groq SDK's base URL ends before its /openai
	case path == "" && host != nil && host.Type == kind:
		path = host.path()
	case path == "":
		path = "/v1"
	}
	u.Path, u.RawPath = path, ""
	return u.String(), nil
}

// loopback reports whether a base URL stays on this machine.
func loopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// withoutUser is an address to show: what stands before an @ may be a password.
func withoutUser(raw string) string {
	if at := strings.LastIndex(raw, "@"); at >= 0 {
		return "…" + raw[at:]
	}
	return raw
}
