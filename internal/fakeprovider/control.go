package fakeprovider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const controlPrefix = "/_fake/"

func isControl(path string) bool { return strings.HasPrefix(path, controlPrefix) }

// order is the body of POST /_fake/behaviour: any of its parts.
type order struct {
	Set    *Behaviour           `json:"set"`
	Next   []Behaviour          `json:"next"`
	Models map[string]Behaviour `json:"models"`
}

// control steers a provider that runs in a process of its own:
//
//	POST /_fake/behaviour {"set": B, "next": [B, ...], "models": {"m": B}}
//	GET  /_fake/bill[?bodies=1][&price=MODEL=IN/OUT...]
//	POST /_fake/reset, POST /_fake/release
func (p *Provider) control(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, controlPrefix) {
	case "POST behaviour":
		if err := p.order(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	case "GET bill":
		p.serveBill(w, r)
		return
	case "POST reset":
		p.Reset()
	case "POST release":
		p.Release()
	default:
		http.Error(w, "no such control: "+r.Method+" "+r.URL.Path, http.StatusNotFound)
		return
	}
	_, _ = w.Write([]byte("{}\n"))
}

func (p *Provider) order(r *http.Request) error {
	var o order
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 16<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return fmt.Errorf("reading the behaviour: %w", err)
	}
	for _, b := range o.Models {
		if err := b.check(); err != nil {
			return err
		}
	}
	if o.Set != nil {
		if err := p.trySet(*o.Set); err != nil {
			return err
		}
	}
	for model, b := range o.Models {
		p.SetModel(model, b)
	}
	return p.tryNext(o.Next)
}

func (p *Provider) serveBill(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	bill := p.Bill()
	if q.Get("bodies") == "" {
		for i := range bill {
			bill[i].Body, bill[i].Response = nil, nil
		}
	}
	answer := map[string]any{"entries": bill}
	if specs := q["price"]; len(specs) > 0 {
		prices := map[string]Price{}
		for _, spec := range specs {
			model, price, err := ParsePrice(spec)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			prices[model] = price
		}
		total, err := p.Total(prices)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer["total_micro"] = total
	}
	_, _ = w.Write(append(marshal(answer), '\n'))
}
