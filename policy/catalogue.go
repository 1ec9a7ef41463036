package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// pricesJSON is made by `make prices`; see docs/models.md.
//
//go:embed prices.json
var pricesJSON []byte

// builtinCatalogue reads the embedded catalogue once, when it is first needed.
var builtinCatalogue = sync.OnceValues(func() (*catalogue, error) {
	return parseCatalogue(pricesJSON)
})

// catalogue is a price list. Names are matched in lower case.
type catalogue struct {
	date   string
	rows   []row
	byName map[string]map[string]*row // provider -> id or alias -> row
}

// row is one model of one provider, as the file has it.
type row struct {
	Provider  string               `json:"p"`
	ID        string               `json:"id"`
	Aliases   []string             `json:"alias,omitempty"`
	Context   int64                `json:"context,omitempty"`
	MaxOutput int64                `json:"max_output,omitempty"`
	Rates     textRates            `json:"rates"`
	Tiers     map[string]textRates `json:"tiers,omitempty"`
	Bands     []textBand           `json:"bands,omitempty"`
	Date      string               `json:"date"`   // when the list last looked, as far as it says
	Source    string               `json:"source"` // the provider's page
	// Dearest names classes that this list has and Rates has not; the dearest
	// of them stands in Rates.
	Dearest []string `json:"dearest,omitempty"`

	price Price
}

// textRates are decimal strings by class: dollars per million tokens, and
// dollars each for per_request and per_search.
type textRates map[string]string

type textBand struct {
	Above int64                `json:"above"`
	Rates textRates            `json:"rates"`
	Tiers map[string]textRates `json:"tiers,omitempty"`
}

// parseCatalogue reads a catalogue and checks every row of it, so that a price
// taken from it later cannot fail.
func parseCatalogue(data []byte) (*catalogue, error) {
	var file struct {
		Version int    `json:"version"`
		Date    string `json:"date"`
		List    string `json:"list"`
		Models  []row  `json:"models"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("reading the price catalogue: %w", err)
	}
	if file.Version != 1 || file.Date == "" || len(file.Models) == 0 {
		return nil, fmt.Errorf("reading the price catalogue: version 1, a date and models are needed")
	}
	c := &catalogue{date: file.Date, rows: file.Models, byName: map[string]map[string]*row{}}
	for i := range c.rows {
		r := &c.rows[i]
		var err error
		if r.price, err = r.parse(c.date); err != nil {
			return nil, fmt.Errorf("reading the price catalogue: %s at %s: %w", r.ID, r.Provider, err)
		}
		if r.Provider == "" || r.ID == "" || r.Context < 0 || r.MaxOutput < 0 {
			return nil, fmt.Errorf("reading the price catalogue: model %d is incomplete", i)
		}
		names := c.byName[r.Provider]
		if names == nil {
			names = map[string]*row{}
			c.byName[r.Provider] = names
		}
		for _, name := range append([]string{r.ID}, r.Aliases...) {
			name = strings.ToLower(name)
			if other := names[name]; other != nil && other != r {
				return nil, fmt.Errorf("reading the price catalogue: %s at %s stands twice", name, r.Provider)
			}
			names[name] = r
		}
	}
	return c, nil
}

// find is the row of a provider's model; nil where there is none.
func (c *catalogue) find(provider, model string) *row {
	names := c.byName[provider]
	for _, name := range spellings(model) {
		if r := names[name]; r != nil {
			return r
		}
	}
	return nil
}

// dearest is the dearest row of a name with any provider.
func (c *catalogue) dearest(model string) *row {
	for _, name := range spellings(model) {
		var found *row
		for _, b := range builtins {
			if r := c.byName[b.Name][name]; r != nil && (found == nil || dearerPrice(r.price, found.price)) {
				found = r
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}

// dated is what may follow a model's name: a date or -latest. Nothing else
// does: gpt-5 is not gpt-5-pro, nor gpt-5-mini.
var dated = regexp.MustCompile(`^(.+?)(-20\d\d-[01]\d-[0-3]\d|-20\d\d[01]\d[0-3]\d|@20\d\d-?[01]\d-?[0-3]\d|-latest|@latest|@default)$`)

// spellings are the names a model may stand under, the exact one first.
func spellings(model string) []string {
	name := strings.TrimPrefix(strings.ToLower(model), "models/")
	if m := dated.FindStringSubmatch(name); m != nil {
		return []string{name, m[1]}
	}
	return []string{name}
}

// parse makes the row a Price.
func (r *row) parse(date string) (Price, error) {
	rates, err := r.Rates.parse()
	if err != nil {
		return Price{}, err
	}
	p := Price{Rates: rates, Source: "catalogue " + date}
	if p.Input == nil {
		return Price{}, fmt.Errorf("no input price")
	}
	if p.Tiers, err = parseTiers(r.Tiers); err != nil {
		return Price{}, err
	}
	var above int64
	for _, b := range r.Bands {
		if b.Above <= above {
			return Price{}, fmt.Errorf("bands do not rise at %d", b.Above)
		}
		above = b.Above
		band := Band{Above: b.Above}
		if band.Rates, err = b.Rates.parse(); err != nil {
			return Price{}, err
		}
		if band.Tiers, err = parseTiers(b.Tiers); err != nil {
			return Price{}, err
		}
		p.Bands = append(p.Bands, band)
	}
	return p, nil
}

func parseTiers(text map[string]textRates) (map[string]Rates, error) {
	if len(text) == 0 {
		return nil, nil
	}
	tiers := make(map[string]Rates, len(text))
	for name, t := range text {
		rates, err := t.parse()
		if err != nil {
			return nil, err
		}
		tiers[name] = rates
	}
	return tiers, nil
}

func (t textRates) parse() (r Rates, err error) {
	left := len(t)
	r.each(func(name string, rate **Pico) {
		text, given := t[name]
		if !given || err != nil {
			return
		}
		left--
		read := perMillion
		if strings.HasPrefix(name, "per_") {
			read = fee
		}
		var p Pico
		if p, err = read(text); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		*rate = &p
	})
	if err == nil && left != 0 {
		err = fmt.Errorf("unknown class of price in %v", t)
	}
	return r, err
}

// dearerPrice reports whether a token of a costs more than one of b, input and
// output taken together.
func dearerPrice(a, b Price) bool {
	fa, fb := a.Rates.figures(a.Rates), b.Rates.figures(b.Rates)
	return fa.input.pico+fa.output.pico > fb.input.pico+fb.output.pico
}
