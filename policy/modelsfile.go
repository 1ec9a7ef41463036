package policy

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// modelsFile is models.yaml, checked.
type modelsFile struct {
	providers    map[string]Provider
	defaultModel string
	models       map[string]*namedModel
	routes       []Route
	warnings     []string
}

// namedModel is an entry under models.
type namedModel struct {
	at           *yaml.Node // for messages
	name         string
	provider     string
	sent         string
	price        *Price // nil: the catalogue's
	maxTokens    int64
	context      int64
	minOutput    int64
	tools        *bool
	vision       *bool
	reasoning    *bool
	providerNode *yaml.Node
}

// maxTokensLimit is the largest believable number of tokens in a limit.
const maxTokensLimit = 1_000_000_000

// parseModelsFile reads models.yaml strictly.
func parseModelsFile(name string, data []byte) (*modelsFile, error) {
	f := yamlFile{name: name, data: data, keys: modelsKeySet}
	m := &modelsFile{providers: map[string]Provider{}, models: map[string]*namedModel{}}
	root, err := f.parse(data)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, f.at(1, 1, "the file is empty; write version: 1")
	}
	var version int64
	var routes, defaultModel *yaml.Node
	err = f.fields(root, "the file", fieldSet{
		"version":       f.version(&version),
		"providers":     func(n *yaml.Node) error { return m.readProviders(f, n) },
		"default_model": func(n *yaml.Node) error { defaultModel = n; return f.text(&m.defaultModel)(n) },
		"models":        func(n *yaml.Node) error { return m.readModels(f, n) },
		"routes":        func(n *yaml.Node) error { routes = n; return nil },
	})
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return nil, f.errorf(root, "there is no version; write version: 1 as the first line")
	}
	for _, entry := range m.byLine() {
		if _, declared := m.providers[entry.provider]; declared {
			continue
		}
		if _, known := builtinNamed(entry.provider); !known {
			return nil, f.errorf(entry.providerNode, "there is no provider %q; add it under providers, with its base_url", entry.provider)
		}
	}
	if _, known := m.models[m.defaultModel]; defaultModel != nil && !known {
		return nil, f.errorf(defaultModel, "there is no model %q; name one that stands under models", m.defaultModel)
	}
	if routes != nil {
		err = m.readRoutes(f, routes)
	}
	return m, err
}

// byLine lists the models in the order of the file, so that the first error is
// always the same one.
func (m *modelsFile) byLine() []*namedModel {
	var all []*namedModel
	for _, entry := range m.models {
		all = append(all, entry)
	}
	slices.SortFunc(all, func(a, b *namedModel) int {
		return cmp.Or(cmp.Compare(a.at.Line, b.at.Line), cmp.Compare(a.at.Column, b.at.Column))
	})
	return all
}

func (m *modelsFile) readProviders(f yamlFile, n *yaml.Node) error {
	return f.pairs(n, "providers", func(key, value *yaml.Node) error {
		if strings.ContainsFunc(key.Value, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }) {
			return f.errorf(key, "a provider's name is printable text without spaces, not %q", key.Value)
		}
		p, err := m.readProvider(f, key, value)
		m.providers[key.Value] = p
		return err
	})
}

func (m *modelsFile) readProvider(f yamlFile, key, n *yaml.Node) (Provider, error) {
	p := Provider{Name: key.Value, Type: TypeOpenAI, KeyEnv: keyVariable(key.Value)}
	if b, known := builtinNamed(key.Value); known {
		p = b
	}
	p.PriceAs = ""
	base, streamUsage := n, true
	var raw, proxy string
	err := f.fields(n, "provider "+key.Value, fieldSet{
		"base_url":     func(v *yaml.Node) error { base = v; return f.text(&raw)(v) },
		"type":         f.oneOf(&p.Type, TypeOpenAI, TypeAnthropic, TypeGemini),
		"key_env":      func(v *yaml.Node) error { return readKeyEnv(f, &p.KeyEnv, v) },
		"keyless":      f.boolean(&p.Keyless),
		"headers":      func(v *yaml.Node) error { return readHeaders(f, &p, v) },
		"proxy":        func(v *yaml.Node) error { return readProxy(f, &proxy, v) },
		"ca_file":      f.text(&p.CAFile),
		"prices_as":    func(v *yaml.Node) error { return readPricesAs(f, &p.PriceAs, v) },
		"stream_usage": f.boolean(&streamUsage),
	})
	if err != nil {
		return p, err
	}
	p.Proxy, p.NoStreamUsage = proxy, !streamUsage
	switch {
	case raw != "":
		if p.BaseURL, err = normalBase(p.Name, p.Type, raw); err != nil {
			return p, f.errorf(base, "base_url: %v; write it like https://api.example.com/v1", err)
		}
	case p.BaseURL == "":
		return p, f.errorf(n, "provider %s has no base_url; write it like https://api.example.com/v1", p.Name)
	}
	if strings.HasPrefix(p.BaseURL, "http:") && !loopback(p.BaseURL) {
		m.warnings = append(m.warnings, f.errorf(base, "provider %s is reached without encryption; its key and all content are readable on the way", p.Name).Error())
	}
	return p, nil
}

// keyVariable is what v1.2 read the key of a provider from.
func keyVariable(provider string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '_'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return -1
	}, strings.ToUpper(provider))
	return clean + "_API_KEY"
}

// readKeyEnv reads the name of a variable. If the key itself stands there, the error says so
// and does not show the line.
func readKeyEnv(f yamlFile, to *string, n *yaml.Node) error {
	if err := f.text(to)(n); err != nil {
		return err
	}
	if !variableName().MatchString(*to) {
		return &FileError{File: f.name, Line: n.Line, Column: n.Column, Problem: "this is not the name of a variable, and it is not shown, because it may be a key; name the variable that the key is in: key_env: CORP_LLM_KEY"}
	}
	return nil
}

var variableName = plain.Expression(`^[A-Za-z_][A-Za-z0-9_]*$`)

func readHeaders(f yamlFile, p *Provider, n *yaml.Node) error {
	p.Headers = map[string]string{}
	return f.pairs(n, "headers", func(key, value *yaml.Node) error {
		if strings.Trim(strings.ToLower(key.Value), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return f.errorf(key, "%q is not a header's name", key.Value)
		}
		var text string
		if err := f.text(&text)(value); err != nil {
			return err
		}
		if strings.ContainsAny(text, "\r\n\x00") {
			return f.errorf(value, "a header's value is one line")
		}
		p.Headers[key.Value] = text
		return nil
	})
}

func readProxy(f yamlFile, to *string, n *yaml.Node) error {
	if err := f.text(to)(n); err != nil {
		return err
	}
	u, err := url.Parse(*to)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return f.errorf(n, "the proxy is not a URL; write it like http://proxy.example.com:3128")
	}
	return nil
}

func readPricesAs(f yamlFile, to *string, n *yaml.Node) error {
	var names []string
	for _, b := range builtins {
		names = append(names, b.Name)
	}
	return f.oneOf(to, names...)(n)
}

func (m *modelsFile) readModels(f yamlFile, n *yaml.Node) error {
	return f.pairs(n, "models", func(key, value *yaml.Node) error {
		entry := &namedModel{at: key, name: key.Value, sent: key.Value}
		m.models[key.Value] = entry
		what := "model " + key.Value
		err := f.fields(value, what, fieldSet{
			"provider":          func(v *yaml.Node) error { entry.providerNode = v; return f.text(&entry.provider)(v) },
			"provider_model":    f.text(&entry.sent),
			"pricing":           func(v *yaml.Node) error { return entry.readPricing(f, v) },
			"min_output_tokens": f.integer(&entry.minOutput, 1, maxTokensLimit),
			"limits": func(v *yaml.Node) error {
				return f.fields(v, "limits of "+what, fieldSet{
					"max_tokens": f.integer(&entry.maxTokens, 1, maxTokensLimit),
					"context":    f.integer(&entry.context, 1, maxTokensLimit),
				})
			},
			"capabilities": func(v *yaml.Node) error {
				return f.fields(v, "capabilities of "+what, fieldSet{
					"tools": f.maybe(&entry.tools), "vision": f.maybe(&entry.vision), "reasoning": f.maybe(&entry.reasoning),
				})
			},
		})
		if err == nil && entry.provider == "" {
			err = f.errorf(value, "%s has no provider; name one that stands under providers", what)
		}
		return err
	})
}

func (entry *namedModel) readPricing(f yamlFile, n *yaml.Node) error {
	p := Price{Source: "models.yaml", AnyTier: true}
	var inputMicro, outputMicro *Pico
	err := f.fields(n, "pricing of model "+entry.name, fieldSet{
		"input_micro":                 f.decimal(&inputMicro, perMillion),
		"output_micro":                f.decimal(&outputMicro, perMillion),
		"input_usd_per_mtok":          f.decimal(&p.Input, perMillion),
		"output_usd_per_mtok":         f.decimal(&p.Output, perMillion),
		"cache_read_usd_per_mtok":     f.decimal(&p.CacheRead, perMillion),
		"cache_write_5m_usd_per_mtok": f.decimal(&p.CacheWrite5m, perMillion),
		"cache_write_1h_usd_per_mtok": f.decimal(&p.CacheWrite1h, perMillion),
		"audio_in_usd_per_mtok":       f.decimal(&p.AudioIn, perMillion),
		"audio_out_usd_per_mtok":      f.decimal(&p.AudioOut, perMillion),
		"per_request_usd":             f.decimal(&p.PerRequest, fee),
		"per_search_usd":              f.decimal(&p.PerSearch, fee),
	})
	if err != nil {
		return err
	}
	// A micro-dollar a token is a dollar per million tokens.
	for _, micro := range []struct{ from, to **Pico }{{&inputMicro, &p.Input}, {&outputMicro, &p.Output}} {
		if *micro.from == nil {
			continue
		}
		if *micro.to != nil {
			return f.errorf(n, "model %s has a price in micro-dollars and one in dollars per million tokens; keep one", entry.name)
		}
		*micro.to = *micro.from
	}
	if p.Input == nil {
		return f.errorf(n, "model %s has no input price; write input_usd_per_mtok: \"0.15\", or leave pricing out for the catalogue's", entry.name)
	}
	p.Version = p.version()
	entry.price = &p
	return nil
}
