package policy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/internal/whole"
)

// Errors of Resolve.
var (
	ErrUnknownModel = errors.New("unknown model")
	ErrUnpriced     = errors.New("no price for this model")
)

// maxFileBytes bounds every file that is read.
const maxFileBytes = 16 << 20

// Model is a model a call resolves to: where it goes, under which name, and
// what it costs and can do there.
type Model struct {
	Name      string // as asked
	Sent      string // the name sent upstream
	Provider  Provider
	Price     Price
	MaxOutput int64 // the most it can put out in one answer, tokens
	Context   int64 // its context window, tokens
	Cap       int64 // limits.max_tokens of models.yaml, which the provider is told; 0: not said
	OpenAI    bool  // Sent is one of OpenAI's own
	Listed    bool  // Sent stands in the price list
	Aliased   bool  // Name != Sent by models.yaml: the answer's model is put back to Name

	// Thinks says when it makes output that its answer does not show.
	Thinks Reasoning

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
	BaseFrom   map[string]string // provider name -> where that is from, for errors: OPENAI_BASE_URL of the environment
	// LocalPrices says whether calls of an upstream on this machine that needs no
	// key cost what the catalogue says: LocalAuto (also ""), LocalOn, LocalOff.
	LocalPrices string
	HasKey      map[string]bool // provider name, or variable name (MY_API_KEY) -> a key is known for it
}

// Registry knows providers, models and prices. It is immutable; a reload makes
// another one.
type Registry struct {
	// Warnings found while loading: prices far off the catalogue, ...
	Warnings []string

	providers    map[string]Provider // by name, environment applied: for models that the file does not name
	declared     map[string]Provider // by name, as models.yaml says: for those it names
	moved        map[string]bool     // providers whose base URL is from the environment
	hasKey       map[string]bool
	models       map[string]*namedModel
	defaultModel string
	routes       []Route
	prices       map[string]Price // --price
	given        *catalogue       // the file's; nil: the built-in one, read when a price is asked for
	localPrices  string           // Sources.LocalPrices
	resolved     resolved
}

// NewRegistry loads and checks the sources. Errors name file, line and column
// and what to do.
func NewRegistry(s Sources) (*Registry, error) {
	r := &Registry{
		providers: map[string]Provider{}, declared: map[string]Provider{}, moved: map[string]bool{},
		hasKey: maps.Clone(s.HasKey), models: map[string]*namedModel{}, prices: map[string]Price{},
	}
	err := checkLocalPrices(s.LocalPrices)
	if err != nil {
		return nil, err
	}
	r.localPrices = s.LocalPrices
	if r.given, err = loadCatalogue(s.Catalogue); err != nil {
		return nil, err
	}
	if err := r.loadPrices(s.Prices); err != nil {
		return nil, err
	}
	file := &modelsFile{}
	if data, err := readFile(s.ModelsFile); err != nil {
		return nil, fmt.Errorf("reading the models file: %w", err)
	} else if data != nil {
		if file, err = parseModelsFile(s.ModelsFile, data); err != nil {
			return nil, err
		}
	}
	if err := r.loadProviders(file, s); err != nil {
		return nil, err
	}
	r.Warnings = append(r.Warnings, file.warnings...)
	r.defaultModel = file.defaultModel
	for _, entry := range file.byLine() {
		r.models[entry.name] = entry
		if err := r.compare(yamlFile{name: s.ModelsFile}, entry); err != nil {
			return nil, err
		}
	}
	for _, route := range file.routes {
		route.Provider = r.providers[route.provider]
		r.routes = append(r.routes, route)
	}
	return r, nil
}

// catalogue is the price list of this registry.
func (r *Registry) catalogue() *catalogue {
	if r.given != nil {
		return r.given
	}
	return builtinCatalogue()
}

// loadCatalogue is nil where there is no file.
func loadCatalogue(path string) (*catalogue, error) {
	data, err := readFile(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the price catalogue: %w", err)
	case data == nil:
		return nil, nil
	}
	c, err := parseCatalogue(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; remove it to use the built-in catalogue", path, err)
	}
	return c, nil
}

// CheckCatalogue reports whether data is a catalogue that Sources.Catalogue
// would accept, its date, and how many models it holds.
func CheckCatalogue(data []byte) (date string, models int, err error) {
	c, err := parseCatalogue(data)
	if err != nil {
		return "", 0, err
	}
	for provider := range c.shelves {
		rows, _ := c.of(provider)
		models += len(rows)
	}
	return c.date, models, nil
}

// readFile reads a file that need not exist.
func readFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := whole.ReadFile(path, maxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, err
}

func (r *Registry) loadPrices(flags []string) error {
	for _, flag := range flags {
		model, price, err := parsePriceFlag(flag)
		if err != nil {
			return err
		}
		if _, twice := r.prices[model]; twice {
			return fmt.Errorf("--price %q: %s has two prices; give one", flag, model)
		}
		r.prices[model] = price
		row := r.catalogue().dearest(model)
		if row != nil && price.confused(row.price) {
			return fmt.Errorf("--price %q: the catalogue says %s per million tokens (input/output) at %s: this one is in another unit; give dollars per million tokens",
				flag, row.price.inOut(), row.Provider)
		}
		if row != nil && price.farOff(row.price) {
			r.Warnings = append(r.Warnings, fmt.Sprintf("--price %s: %s per million tokens (input/output); the catalogue says %s at %s",
				model, price.inOut(), row.price.inOut(), row.Provider))
		}
	}
	return nil
}

// loadProviders puts the built-in providers, the file's and the environment's
// base URLs together.
func (r *Registry) loadProviders(file *modelsFile, s Sources) error {
	for _, p := range builtins {
		for _, variable := range p.Host().Keys {
			if r.hasKey[variable] {
				p.KeyEnv = variable
				break
			}
		}
		r.providers[p.Name] = r.finish(p)
	}
	for name, p := range file.providers {
		r.declared[name] = r.finish(p)
		r.providers[name] = r.declared[name]
	}
	for name, raw := range s.BaseURLs {
		p, known := r.providers[name]
		if !known || raw == "" {
			continue
		}
		base, err := normalBase(name, p.Type, raw)
		if err != nil {
			return fmt.Errorf("%s: %w; write it like %s", cmp.Or(s.BaseFrom[name], "base URL of "+name), err, p.BaseURL)
		}
		p.PriceAs = file.providers[name].PriceAs // only where it says so
		p.BaseURL, r.moved[name] = base, true
		r.providers[name] = r.finish(p)
	}
	return nil
}

// finish fills in what follows from the base URL and the keys.
func (r *Registry) finish(p Provider) Provider {
	p = p.located()
	if p.PriceAs == "" {
		p.PriceAs = priceHost(p.BaseURL)
	}
	p.Local = loopback(p.BaseURL) && (p.Keyless || !r.keyed(p))
	return p
}

func (r *Registry) keyed(p Provider) bool {
	return r.hasKey[p.Name] || slices.ContainsFunc(p.KeyEnvs(), func(name string) bool { return r.hasKey[name] })
}

// compare holds a price of models.yaml against the catalogue's: one that is far
// off is told, one in another unit is refused.
func (r *Registry) compare(f yamlFile, entry *namedModel) error {
	p := r.named(entry)
	if entry.price == nil || p.Local {
		return nil
	}
	row := r.catalogue().find(p.PriceAs, entry.sent)
	if row == nil {
		row = r.catalogue().dearest(entry.sent)
	}
	if row != nil && entry.price.confused(row.price) {
		return f.errorf(entry.at,
			"model %q is priced %s per million tokens (input/output); the catalogue says %s for %s at %s: it is in another unit; input_usd_per_mtok is dollars per million tokens, input_micro micro-dollars per token",
			entry.name, entry.price.inOut(), row.price.inOut(), row.ID, row.Provider)
	}
	if row != nil && entry.price.farOff(row.price) {
		r.Warnings = append(r.Warnings, f.errorf(entry.at,
			"model %q is priced %s per million tokens (input/output); the catalogue says %s for %s at %s: correct pricing, or remove it to use the catalogue's",
			entry.name, entry.price.inOut(), row.price.inOut(), row.ID, row.Provider).Error())
	}
	return nil
}

// named is the provider of a model that models.yaml names.
func (r *Registry) named(entry *namedModel) Provider {
	if p, declared := r.declared[entry.provider]; declared {
		return p
	}
	return r.providers[entry.provider]
}

// Providers lists the providers, by name.
func (r *Registry) Providers() []Provider {
	var all []Provider
	for _, name := range slices.Sorted(maps.Keys(r.providers)) {
		all = append(all, r.providers[name])
	}
	return all
}

// Models lists the models by name that models.yaml or --price names or, for
// each keyed provider, the catalogue knows. On a host of their own the built-in
// providers are taken to have their usual models.
func (r *Registry) Models() []Model {
	all := map[string]Model{}
	for _, name := range slices.Sorted(maps.Keys(r.providers)) {
		p := r.providers[name]
		if !r.keyed(p) {
			continue
		}
		rows, _ := r.catalogue().of(cmp.Or(p.PriceAs, name))
		for _, row := range rows {
			if _, taken := all[row.ID]; !taken {
				m := Model{Name: row.ID, Sent: row.ID, Provider: p}
				if r.fill(&m, nil) == nil {
					all[row.ID] = m
				}
			}
		}
	}
	for name := range r.prices {
		if m, err := r.Resolve(Dialect{Name: Chat, Type: TypeOpenAI, Provider: openAI}, name, false); err == nil {
			all[name] = m
		}
	}
	for name, entry := range r.models {
		if m, err := r.resolveNamed(entry); err == nil {
			all[name] = m
		}
	}
	var sorted []Model
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[name])
	}
	return sorted
}

// trimGemini takes the resource prefix off a Gemini model's name.
func trimGemini(name string) string { return strings.TrimPrefix(name, "models/") }
