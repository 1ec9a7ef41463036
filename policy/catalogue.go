package policy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/Auro-rium/aex/v3/internal/plain"
)

// pricesJSON is made by `make prices`; see docs/models.md.
//
//go:embed prices.json
var pricesJSON []byte

// builtinCatalogue is the embedded catalogue, which a test has read. Its rows
// are read by provider, when one is asked for: most are of providers that a
// process never meets.
var builtinCatalogue = sync.OnceValue(func() *catalogue {
	c, err := openCatalogue(pricesJSON)
	if err != nil {
		return &catalogue{} // nothing has a price, and no call is let through
	}
	return c
})

// catalogue is a price list. Names are matched in lower case.
type catalogue struct {
	date    string
	shelves map[string]*shelf // by provider
}

// shelf holds a provider's rows.
type shelf struct {
	lines [][]byte // not read yet
	once  sync.Once
	err   error
	rows  []*row
	names map[string]*row // id or alias -> row
}

// row is one model of one provider, as the file has it.
type row struct {
	Provider  string               `json:"p"`
	ID        string               `json:"id"`
	Aliases   []string             `json:"alias,omitempty"`
	Kind      string               `json:"kind,omitempty"` // "embedding": it has no output; "": text
	Context   int64                `json:"context,omitempty"`
	MaxOutput int64                `json:"max_output,omitempty"`
	Reasoning string               `json:"reasoning,omitempty"` // Never ...; "" where nobody states it
	Off       string               `json:"off,omitempty"`       // by which fields a request turns it off, apart by spaces
	Rates     textRates            `json:"rates"`
	Tiers     map[string]textRates `json:"tiers,omitempty"`
	Bands     []textBand           `json:"bands,omitempty"`
	Date      string               `json:"date"`             // when the list last looked, as far as it says
	Source    string               `json:"source"`           // the provider's page
	Stated    string               `json:"stated,omitempty"` // what states Reasoning: a page, or LiteLLM's list
	// Dearest names classes that this list has and Rates has not; the dearest
	// of them stands in Rates.
	Dearest []string `json:"dearest,omitempty"`
	// Differ names the prices on which the lists differ; the dearer one stands.
	Differ []string `json:"differ,omitempty"`

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
	c, err := openCatalogue(data)
	if err != nil {
		return nil, err
	}
	for _, s := range c.shelves {
		if s.read(c.date); s.err != nil {
			return nil, fmt.Errorf("reading the price catalogue: %w", s.err)
		}
	}
	return c, nil
}

// openCatalogue reads the first line and sorts the others, one a row, onto
// their provider's shelf. Only a catalogue that parseCatalogue has accepted
// once (a test does so with the embedded one) may be used without it.
func openCatalogue(data []byte) (*catalogue, error) {
	bad := func(why string) (*catalogue, error) {
		return nil, fmt.Errorf("reading the price catalogue: %s; make it by make prices", why)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	last := len(lines) - 1
	if last < 2 || string(lines[last]) != "]}" {
		return bad("it is not one model a line")
	}
	var head struct {
		Version int    `json:"version"`
		Date    string `json:"date"`
		Models  []row  `json:"models"`
	}
	if err := json.Unmarshal(append(bytes.Clone(lines[0]), "]}"...), &head); err != nil {
		return bad(err.Error())
	}
	if head.Version != 1 || head.Date == "" || head.Models == nil {
		return bad("version 1, a date and models are needed in the first line")
	}
	c := &catalogue{date: head.Date, shelves: map[string]*shelf{}}
	for i, line := range lines[1:last] {
		rest, begins := bytes.CutPrefix(line, []byte(`{"p":"`))
		provider, _, ends := bytes.Cut(rest, []byte(`"`))
		line, comma := bytes.CutSuffix(line, []byte(","))
		if !begins || !ends || comma != (i < last-2) {
			return bad(fmt.Sprintf("line %d does not begin with its provider or does not end as it should", i+2))
		}
		s := c.shelves[string(provider)]
		if s == nil {
			s = &shelf{}
			c.shelves[string(provider)] = s
		}
		s.lines = append(s.lines, line)
	}
	return c, nil
}

// read reads the rows. A shelf with an error has none.
func (s *shelf) read(date string) {
	s.once.Do(func() {
		names := map[string]*row{}
		var rows []*row
		for _, line := range s.lines {
			r := &row{}
			if s.err = json.Unmarshal(line, r); s.err == nil {
				r.price, s.err = r.parse(date)
			}
			if s.err == nil && (r.ID == "" || r.Context < 0 || r.MaxOutput < 0) {
				s.err = fmt.Errorf("it has no name or a negative limit")
			}
			if s.err == nil && !slices.Contains([]string{"", Never, OnRequest, ByDefault, Always}, r.Reasoning) {
				s.err = fmt.Errorf("reasoning %q is not known", r.Reasoning)
			}
			for _, name := range append([]string{r.ID}, r.Aliases...) {
				name = strings.ToLower(name)
				if other := names[name]; s.err == nil && other != nil && other != r {
					s.err = fmt.Errorf("%s stands twice", name)
				}
				names[name] = r
			}
			if s.err != nil {
				s.err = fmt.Errorf("%s at %s: %w", r.ID, r.Provider, s.err)
				return
			}
			rows = append(rows, r)
		}
		s.rows, s.names, s.lines = rows, names, nil
	})
}

// of are a provider's rows.
func (c *catalogue) of(provider string) (rows []*row, names map[string]*row) {
	s := c.shelves[provider]
	if s == nil {
		return nil, nil
	}
	s.read(c.date)
	return s.rows, s.names
}

// find is the row of a provider's model; nil where there is none.
func (c *catalogue) find(provider, model string) *row {
	_, names := c.of(provider)
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
			_, names := c.of(b.Name)
			if r := names[name]; r != nil && (found == nil || dearerPrice(r.price, found.price)) {
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
var dated = plain.Expression(`^(.+?)(-20\d\d-[01]\d-[0-3]\d|-20\d\d[01]\d[0-3]\d|@20\d\d-?[01]\d-?[0-3]\d|-latest|@latest|@default)$`)

// spellings are the names a model may stand under, the exact one first.
func spellings(model string) []string {
	name := strings.TrimPrefix(strings.ToLower(model), "models/")
	if m := dated().FindStringSubmatch(name); m != nil {
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
		if long, twelve := t["cache_write_12h"]; name == "cache_write_1h" && twelve && !given {
			text, given = long, true // the provider's long write, whatever its hours
		}
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
