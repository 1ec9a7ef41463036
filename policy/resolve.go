package policy

import (
	"cmp"
	"fmt"
	"net/url"
)

// Resolve finds the model a call in this dialect, with this name, goes to. groq
// is set for the /openai/v1 routes of the Groq SDK. An empty name is the
// default model. Errors wrap ErrUnknownModel or ErrUnpriced, and say what line
// to add.
func (r *Registry) Resolve(d Dialect, name string, groq bool) (Model, error) {
	at := ""
	if groq {
		at = groqName
	}
	return r.ResolveAt(d, name, at)
}

// ResolveAt is Resolve for a call whose path names its provider, as those below
// /p/openrouter do. "" is no provider.
func (r *Registry) ResolveAt(d Dialect, name, at string) (Model, error) {
	q := asked{d.Name, name, at}
	if m, known := r.resolved.find(q); known {
		return m, nil
	}
	m, err := r.resolve(d, name, at)
	if err == nil {
		m.OpenAI = openAIModel(m.Sent)
		r.resolved.keep(q, m)
	}
	return m, err
}

func (r *Registry) resolve(d Dialect, name, at string) (Model, error) {
	if d.Name == Gemini {
		name = trimGemini(name)
	}
	if name == "" {
		if name = r.defaultModel; name == "" {
			return Model{}, fmt.Errorf("%w: the request names no model; name one, or set default_model in models.yaml", ErrUnknownModel)
		}
	}
	if entry, named := r.models[name]; named && (at == "" || at == groqName || entry.provider == at) {
		m, err := r.resolveNamed(entry)
		m.addHidden(d)
		if err == nil && d.Type != m.Provider.Type {
			err = fmt.Errorf("%w: %q is served by %s, which is of type %s and does not speak %s; use its own API, or give it another provider in models.yaml",
				ErrUnknownModel, name, m.Provider.Name, m.Provider.Type, d.Name)
		}
		return m, err
	}
	p, err := r.ProviderAt(d, at)
	if err != nil {
		return Model{}, err
	}
	m := Model{Name: name, Sent: name, Provider: p}
	m.addHidden(d)
	return m, r.fill(&m, nil)
}

// addHidden notes what the provider adds to a prompt of the dialect.
func (m *Model) addHidden(d Dialect) {
	m.PerRequest, m.PerMessage, m.PerTool = d.PerRequest, d.PerMessage, d.PerTool
}

// ProviderAt is the provider of a call in this dialect: the one that its path
// names, else the dialect's own. Google speaks OpenAI's dialects, too, below a
// path of its own.
func (r *Registry) ProviderAt(d Dialect, at string) (Provider, error) {
	p, known := r.providers[cmp.Or(at, r.home(d))]
	switch {
	case !known:
		return p, fmt.Errorf("%w: there is no provider %q; add it under providers in models.yaml, with its base_url", ErrUnknownModel, at)
	case p.Type == TypeGemini && d.Type == TypeOpenAI:
		p.Type, p.BaseURL = TypeOpenAI, p.BaseURL+"/v1beta/openai"
		p = p.located()
	case at != "" && p.Type != d.Type:
		return p, fmt.Errorf("%w: %s is of type %s and does not speak %s", ErrUnknownModel, at, p.Type, d.Name)
	}
	return p, nil
}

// AzureName is the provider whose base URL leads to Azure OpenAI: OpenAI's own
// where it was moved there, else the first; "" for none.
func (r *Registry) AzureName() string {
	if r.providers[openAI].IsAzure() {
		return openAI
	}
	for _, p := range r.Providers() {
		if p.IsAzure() {
			return p.Name
		}
	}
	return ""
}

// OpenAIPath is the provider of a call below /openai/v1, where the SDKs of Groq
// and of Azure ask: Azure only where it is known and there is no key for Groq.
func (r *Registry) OpenAIPath() string {
	if name := r.AzureName(); name != "" && !r.keyed(r.providers[groqName]) {
		return name
	}
	return groqName
}

// home is where a call goes if its model has no known provider. Whoever has only a key
// for Groq means Groq.
func (r *Registry) home(d Dialect) string {
	if d.Provider != openAI {
		return d.Provider
	}
	onlyGroq := r.keyed(r.providers[groqName]) && !r.keyed(r.providers[openAI]) && !r.moved[openAI]
	if onlyGroq {
		return groqName
	}
	return openAI
}

func (r *Registry) resolveNamed(entry *namedModel) (Model, error) {
	m := Model{
		Name: entry.name, Sent: entry.sent, Aliased: entry.name != entry.sent,
		Provider:  r.named(entry),
		MaxOutput: entry.maxTokens, Cap: entry.maxTokens, Context: entry.context, MinOutput: entry.minOutput,
		Tools: entry.tools, Vision: entry.vision, Reasoning: entry.reasoning,
	}
	return m, r.fill(&m, entry.price)
}

// fill adds price and limits to a model that has a provider: from --price, from
// models.yaml (given), $0 for a local one, else from the catalogue.
func (r *Registry) fill(m *Model, given *Price) error {
	if m.MinOutput == 0 {
		m.MinOutput = leastTokens
	}
	looked, priced := m.Sent, false
	if m.Provider.Local {
		if looked, priced = r.localPriced(m.Sent); !priced {
			looked = m.Sent
		}
	}
	row, assumed := r.row(m.Provider, looked)
	m.Listed = row != nil && looked == m.Sent
	m.Thinks = reasoningOf(row, m.Reasoning)
	if row != nil && m.Context == 0 {
		m.Context = row.Context
	}
	if m.Context == 0 {
		m.Context = defaultContext
	}
	if row != nil && m.MaxOutput == 0 {
		m.MaxOutput = row.MaxOutput
	}
	if m.MaxOutput == 0 {
		m.MaxOutput = min(defaultMaxOutput, m.Context)
	}
	flag, flagged := r.prices[m.Name]
	if !flagged {
		flag, flagged = r.prices[m.Sent]
	}
	switch {
	case flagged:
		m.Price = flag
	case given != nil:
		m.Price = *given
	case m.Provider.Local && !priced:
		m.Price = localPrice()
	case row != nil:
		m.Price = row.price
		m.Price.Assumed = assumed
		m.Price.Version = m.Price.version()
	case priced:
		return fmt.Errorf("%w: %q at %s is taken for a hosted vendor's model%s; if it runs on this machine, use --local-prices=off, else add --price %s=IN/OUT (dollars per million tokens)",
			ErrUnpriced, m.Name, hostOf(m.Provider.BaseURL), r.hint(m.Provider, looked), m.Name)
	default:
		return fmt.Errorf("%w: %q at %s (%s)%s; add --price %s=IN/OUT (dollars per million tokens), for example --price %s=0.60/2.40",
			ErrUnpriced, m.Name, hostOf(m.Provider.BaseURL), m.Provider.Name, r.hint(m.Provider, m.Sent), m.Name, m.Name)
	}
	if m.Provider.Local {
		// What has a price is not free, though it needs no key.
		m.Provider.Local, m.Provider.Keyless = !flagged && given == nil && !priced, true
	}
	return nil
}

// row is the catalogue's row of a model at a provider; assumed where it is
// another host's.
func (r *Registry) row(p Provider, sent string) (found *row, assumed bool) {
	if p.PriceAs != "" {
		if found = r.catalogue().find(p.PriceAs, sent); found == nil && p.PriceAs == azure {
			return r.catalogue().find(openAI, sent), true // Azure sells OpenAI's models, at its prices
		}
		return found, false
	}
	own := map[string]string{TypeOpenAI: openAI, TypeAnthropic: anthropic, TypeGemini: google}[p.Type]
	if found = r.catalogue().find(own, sent); found == nil {
		found = r.catalogue().dearest(sent)
	}
	return found, true
}

// localPrice is what a model costs that runs on this machine: nothing, in
// every class. It is known to be nothing.
func localPrice() Price {
	p := Price{Source: "local", AnyTier: true}
	p.each(func(_ string, rate **Pico) { *rate = new(Pico) })
	p.Version = p.version()
	return p
}

// Served is the price for a model that the provider says it served, where that
// is another, dearer model than the one asked for; else m's own. A model that
// only the user has priced (a deployment's name, a local one) keeps its price
// whatever name the answer gives.
func (r *Registry) Served(m Model, served string) Price {
	served = trimGemini(served)
	if served == "" || served == m.Sent || served == m.Name {
		return m.Price
	}
	if m.Provider.Local { // a router on this machine may have sent it to a vendor
		if name, priced := r.localPriced(served); priced && r.localPrices != LocalOn {
			served = name
		} else {
			return m.Price
		}
	}
	asked, _ := r.row(m.Provider, m.Sent)
	other, assumed := r.row(m.Provider, served)
	if price, flagged := r.prices[served]; flagged && dearerPrice(price, m.Price) {
		return price
	}
	if asked == nil && !m.Provider.Local || other == nil || other == asked || !dearerPrice(other.price, m.Price) {
		return m.Price
	}
	p := other.price
	p.Assumed = assumed
	p.Version = p.version()
	return p
}

func hostOf(base string) string {
	if u, err := url.Parse(base); err == nil {
		return u.Host
	}
	return base
}
