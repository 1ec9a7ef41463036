package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// books compares the ledger with the bill, once all is over.
func (p *place) books(agent string, budget int64) {
	beyond := p.compare(agent, budget)
	p.row.add(&p.row.overspent, beyond)
}

// told is books for a provider that lies: that it is booked whole is what there
// is to ask.
func (p *place) told(agent string, budget int64) {
	beyond := p.compare(agent, budget)
	p.row.add(&p.row.told, beyond)
}

// compare counts what was lost and what is still held, and returns what went
// beyond the budget.
func (p *place) compare(agent string, budget int64) (beyond int64) {
	bill := p.bill()
	out, code := p.do("agent", "inspect", agent, "--json")
	var ag struct {
		Spent    int64 `json:"spent_micro"`
		Reserved int64 `json:"reserved_micro"`
		Overrun  int64 `json:"overrun_micro"`
	}
	if err := json.Unmarshal([]byte(out), &ag); err != nil || code != 0 {
		p.row.fault("inspecting %s: %v %.300s", agent, err, out)
		return 0
	}
	p.row.add(&p.row.billed, bill)
	p.row.add(&p.row.lost, max(0, bill-ag.Spent-ag.Overrun))
	p.row.add(&p.row.holds, min(1, ag.Reserved))
	p.audit()
	return max(0, ag.Spent+ag.Reserved-budget) + ag.Overrun
}

func (p *place) bill() (sum int64) {
	rates := map[string]fakeprovider.Price{}
	for _, text := range prices {
		model, rate, err := fakeprovider.ParsePrice(text)
		if err != nil {
			panic(err)
		}
		rates[model] = rate
	}
	sum, err := p.provider.Total(rates)
	if err != nil {
		p.row.fault("the bill: %v", err)
	}
	return sum
}

func (p *place) audit() {
	if out, code := p.finish(p.aex("audit"), audits); code != 0 {
		p.row.fault("audit: exit %d: %.500s", code, out)
	}
	p.search()
}

// search looks for the key and for what was said in every file of home.
func (p *place) search() {
	err := filepath.WalkDir(p.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // what goes while one looks holds nothing any more
		}
		if holdsSecret(path) {
			p.row.add(&p.row.secrets, 1)
			p.row.fault("%s holds what it must not", path)
		}
		return nil
	})
	if err != nil {
		p.row.fault("searching %s: %v", p.home, err)
	}
}

// holdsSecret reads a file in pieces that overlap by more than a secret is long.
func holdsSecret(path string) bool {
	const overlap = 64
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	piece := make([]byte, 1<<20)
	for from := 0; ; {
		n, err := io.ReadFull(f, piece[from:])
		if bytes.Contains(piece[:from+n], []byte(realKey)) || bytes.Contains(piece[:from+n], []byte(said)) {
			return true
		}
		if err != nil { // the end, or a file that cannot be read
			return false
		}
		from = copy(piece, piece[len(piece)-overlap:])
	}
}
