package policy

import "errors"

// Errors of Resolve.
var (
	ErrUnknownModel = errors.New("unknown model")
	ErrUnpriced     = errors.New("no price for this model")
)

// Provider is an upstream API.
type Provider struct {
	Name    string // "openai", "groq", "anthropic", "google", or a name from models.yaml
	Type    string // "openai_compatible", "anthropic", "gemini"
	BaseURL string // with the version segment where the API has one: https://api.openai.com/v1
	KeyEnv  string // the variable its key is read from: OPENAI_API_KEY
	Keyless bool   // no key is needed
	Local   bool   // a loopback upstream without a key: counted, priced $0
	Headers map[string]string
	Proxy   string // "": the environment's
	CAFile  string
	PriceAs string // catalogue provider whose rows are used
	// NoStreamUsage: the upstream rejects stream_options.include_usage.
	NoStreamUsage bool
}

// Model is a model a call resolves to: where it goes, under which name, and
// what it costs and can do there.
type Model struct {
	Name      string // as asked
	Sent      string // the name sent upstream
	Provider  Provider
	Price     Price
	MaxOutput int64 // the most it can put out in one answer, tokens
	Context   int64 // its context window, tokens
	Aliased   bool  // Name != Sent by models.yaml: the answer's model is put back to Name

	// Capabilities from models.yaml; nil: not said, allowed.
	Tools, Vision, Reasoning *bool
	// MinOutput is min_output_tokens (1,024 unless set).
	MinOutput int64
	// Hidden prompt tokens that the provider adds.
	PerRequest, PerMessage, PerTool int64
}

// Sources are what a Registry is made of.
type Sources struct {
	ModelsFile string            // models.yaml; "" or missing: none
	Catalogue  string            // a downloaded catalogue that replaces the built-in one; "" or missing: built in
	Prices     []string          // --price MODEL=IN/OUT, dollars per million tokens
	BaseURLs   map[string]string // provider name -> base URL from the environment
	HasKey     map[string]bool   // provider name -> a key is known for it
}

// Registry knows providers, models and prices. It is immutable; a reload makes
// another one.
type Registry struct {
	// Warnings found while loading: prices far off the catalogue, ...
	Warnings []string
	_        Sources
}

// NewRegistry loads and checks the sources. Errors name file, line and column
// and what to do.
func NewRegistry(s Sources) (*Registry, error) { panic("contract") }

// Resolve finds the model a call on this wire, with this name, goes to. groq
// is set for the /openai/v1 routes of the Groq SDK. An empty name is the
// default model. Errors wrap ErrUnknownModel or ErrUnpriced, and say what line
// to add.
func (r *Registry) Resolve(wire, name string, groq bool) (Model, error) { panic("contract") }

// Served is the price for a model that the provider says it served, where that
// is another, dearer model than the one asked for; else m's own.
func (r *Registry) Served(m Model, served string) Price { panic("contract") }

// Providers lists the providers, by name.
func (r *Registry) Providers() []Provider { panic("contract") }

// Models lists the models by name that models.yaml names or, for each keyed
// provider, the catalogue knows.
func (r *Registry) Models() []Model { panic("contract") }
