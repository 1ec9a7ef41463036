package policy

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// Host is what is known of one provider's API, beside its prices. A field that is zero is a
// fact that nobody has stated: then the careful assumption is made.
type Host struct {
	Name  string   // as in models.yaml and in the catalogue
	Hosts []string // host names; what stands below one counts too
	Port  string   // of a server on this machine that has no host name of its own
	Type  string   // the wires it speaks: "openai_compatible", "anthropic", "gemini"
	Base  string   // its base URL, as Provider.BaseURL; "" where each account has another
	Path  string   // what a base URL without a path gets, where it is not Base's
	Keys  []string // variables that its key is in, the usual one first

	KeyHeader string // the header that carries the key where Type's is not it
	Bearer    bool   // Anthropic's wire takes the key as a bearer token here

	Cap         string // what chat calls the output cap, where the client named none
	NoStreamOpt bool   // rejects stream_options; usage comes in the last chunk unasked
	Errors      []string
	Charged     []string // codes of its errors that it charges for
	Usage       []string // members of usage objects that are its own and change no price that is not known
	OwnCost     string   // the member of usage that is its own bill: see OwnCost...
	Stops       bool     // closing the connection of a stream ends the work, and the bill
	GoesOn      bool     // the opposite: a stream whose connection broke is made, and billed, to its end
	StopsFor    []string // of a router: Stops is true where the answer says that one of these served it
	Standard    string   // what service_tier says for the standard tier; "": there are no tiers, or none may be asked for
	SearchFee   bool     // search models cost a fee a call, which the catalogue has as per_request
	Pace        int64    // output tokens a second, the most that one output is made at; 0: see PaceOf
	Count       string   // the path, on its host, of a free route that counts a request's tokens
	Later       string   // where the cost of a call can be asked for afterwards: LaterResponse, LaterGeneration

	// Sources say where each fact is from, by the field's name.
	Sources map[string]string
}

// The shapes of errors, for Host.Errors. An error with none of the host's shapes may be
// from a proxy in between.
const (
	ErrorObject = "error"  // {"error":{...}}; Anthropic's and Google's too
	ErrorText   = "text"   // {"error":"..."}
	ErrorNamed  = "object" // {"object":"error","message":...}
	ErrorDetail = "detail" // {"detail":...}
	ErrorFlat   = "flat"   // {"message":...,"type":"..._error","code":...}
)

// The bills that answers carry, for Host.OwnCost.
const (
	// CostDollars is usage.cost, with is_byok and
	// cost_details.upstream_inference_cost: what the user's own key paid comes on top.
	CostDollars = "cost"
	// CostTicks is usage.cost_in_usd_ticks, 10^10 to the dollar.
	CostTicks = "cost_in_usd_ticks"
	// CostTotal is usage.cost.total_cost, in dollars.
	CostTotal = "cost.total_cost"
)

// Where a call's cost is told afterwards, for Host.Later.
const (
	LaterResponse   = "response"   // GET /responses/{id} of a stored response
	LaterGeneration = "generation" // GET /generation?id=
)

// unknownPace stands in where nobody has stated a pace, in output tokens a second: the
// fastest provider on the market makes some 3,000.
const unknownPace = 5000

// PaceOf is the most output tokens a second that one output is made at here.
func (h *Host) PaceOf() int64 {
	if h.Pace > 0 {
		return h.Pace
	}
	return unknownPace
}

// StopsServing reports whether closing the connection of a stream ends its
// bill. served is who the answer says made it, where the host is a router.
func (h *Host) StopsServing(served string) bool {
	if len(h.StopsFor) > 0 {
		return slices.ContainsFunc(h.StopsFor, func(s string) bool { return strings.EqualFold(s, served) })
	}
	return h.Stops
}

// path is what follows the host name in a base URL of this host.
func (h *Host) path() string {
	if h.Path != "" || h.Port != "" {
		return cmp.Or(h.Path, "/v1")
	}
	u, err := url.Parse(h.Base)
	if err != nil {
		return "/v1"
	}
	return u.Path
}

// usual is what is assumed of an unknown host, by the wires that it speaks.
var usual = map[string]*Host{
	TypeOpenAI:    {Type: TypeOpenAI, Cap: "max_tokens", Errors: []string{ErrorObject, ErrorNamed}},
	TypeAnthropic: {Type: TypeAnthropic, Errors: []string{ErrorObject}},
	TypeGemini:    {Type: TypeGemini, Errors: []string{ErrorObject}},
}

// HostOf is the row of the host that a base URL leads to; nil where there is
// none.
func HostOf(base string) *Host {
	u, err := url.Parse(base)
	if err != nil {
		return nil
	}
	name := strings.ToLower(u.Hostname())
	for i := range hosts {
		h := &hosts[i]
		if h.Port != "" && h.Port == u.Port() && loopback(base) {
			return h
		}
		for _, known := range h.Hosts {
			if name == known || strings.HasSuffix(name, "."+known) {
				return h
			}
		}
	}
	return nil
}

// HostNamed is the row of a name, "" for none.
func HostNamed(name string) *Host {
	for i := range hosts {
		if hosts[i].Name == name {
			return &hosts[i]
		}
	}
	return nil
}

// Own is the row of the provider that a base URL stands for, even if the user has moved the
// base URL of a known provider to a gateway of their own. It is never nil.
func (p Provider) Own() *Host {
	if h := p.Host(); h.Name != "" {
		return h
	}
	if h := HostNamed(p.Name); h != nil && h.Type == p.Type {
		return h
	}
	return p.Host()
}

// IsAzure tells whether the base URL leads to Azure OpenAI.
func (p Provider) IsAzure() bool { return p.Host().Name == azure }

// Host is what is known of where the provider's base URL leads. It is never nil.
func (p Provider) Host() *Host {
	if p.host != nil {
		return p.host
	}
	return hostFor(p)
}

// located is the provider with what is known of where its base URL leads. A registry
// looks that up once for each provider, as every call asks for it several times.
func (p Provider) located() Provider {
	p.host, p.builtin = hostFor(p), leadsToBuiltin(p.BaseURL)
	return p
}

func hostFor(p Provider) *Host {
	if h := HostOf(p.BaseURL); h != nil {
		return h
	}
	if h := usual[p.Type]; h != nil {
		return h
	}
	return usual[TypeOpenAI]
}
