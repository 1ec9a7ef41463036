package policy

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// The types of providers.
const (
	typeOpenAI    = "openai_compatible"
	typeAnthropic = "anthropic"
	typeGemini    = "gemini"
)

// The providers that a call goes to by its wire.
const (
	openAI    = "openai"
	anthropic = "anthropic"
	google    = "google"
	groqName  = "groq"
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
}

// builtin is a provider that needs no models.yaml.
type builtin struct {
	Provider
	keyEnvs []string // the first is KeyEnv
	hosts   []string // whose rows the catalogue has; subdomains count
}

// builtins are in the order in which they are listed.
var builtins = []builtin{
	known1(openAI, typeOpenAI, "https://api.openai.com/v1", "OPENAI_API_KEY"),
	known1(anthropic, typeAnthropic, "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
	known1(google, typeGemini, "https://generativelanguage.googleapis.com", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
	known1(groqName, typeOpenAI, "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
	known1("mistral", typeOpenAI, "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
	known1("deepseek", typeOpenAI, "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
	known1("xai", typeOpenAI, "https://api.x.ai/v1", "XAI_API_KEY"),
	known1("together", typeOpenAI, "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
	known1("fireworks", typeOpenAI, "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
	known1("cerebras", typeOpenAI, "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
	known1("openrouter", typeOpenAI, "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
}

// moreHosts are further hosts of the built-in providers.
var moreHosts = map[string]string{
	"googleapis.com":  google,
	"api.together.ai": "together",
}

func known1(name, kind, base string, keyEnvs ...string) builtin {
	u, err := url.Parse(base)
	if err != nil {
		panic(err) // a constant
	}
	return builtin{
		Provider: Provider{Name: name, Type: kind, BaseURL: base, KeyEnv: keyEnvs[0], PriceAs: name},
		keyEnvs:  keyEnvs,
		hosts:    []string{u.Hostname()},
	}
}

func builtinNamed(name string) (builtin, bool) {
	for _, b := range builtins {
		if b.Name == name {
			return b, true
		}
	}
	return builtin{}, false
}

// priceHost is the provider whose catalogue rows are right for a host; "" for
// a host that nobody knows.
func priceHost(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	on := func(known string) bool { return host == known || strings.HasSuffix(host, "."+known) }
	for _, b := range builtins {
		for _, known := range b.hosts {
			if on(known) {
				return b.Name
			}
		}
	}
	for known, name := range moreHosts {
		if on(known) {
			return name
		}
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
		return "", fmt.Errorf("%q is not a URL", raw)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", fmt.Errorf("%q is not an http or https URL with a host", raw)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("a base URL has no user, query or fragment")
	}
	path := strings.TrimRight(u.Path, "/")
	switch {
	case kind == typeAnthropic:
		path = strings.TrimSuffix(path, "/v1")
	case kind == typeGemini:
		path = strings.TrimSuffix(strings.TrimSuffix(path, "/v1beta"), "/v1")
	case name == groqName && (path == "" || path == "/openai"):
		path = "/openai/v1" // the Groq SDK's base URL ends before its /openai
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
