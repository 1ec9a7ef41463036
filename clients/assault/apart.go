package main

import (
	"math/rand/v2"
	"sync"

	fake "github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// perPlace is how many tries share a home, so that no ledger of a long run is
// larger than one can look through at its end.
type perPlace struct {
	tries, atOnce int // in a place, and how many places at once
}

// batch is a place with the tries that are made in it, one after the other.
type batch struct {
	*place
	random *rand.Rand
	first  int // number of its first try
	n      int
}

// apart makes n tries in places of their own, several at once.
func (a *attacker) apart(r *row, n int, by perPlace, options func(*rand.Rand) fake.Options, try func(*batch) error) error {
	batches := make(chan batch)
	var workers sync.WaitGroup
	for range by.atOnce {
		workers.Go(func() {
			for b := range batches {
				if err := a.oneBatch(r, &b, options, try); err != nil {
					r.fault("%v", err)
				}
			}
		})
	}
	for first := 0; first < n && !a.over(); first += by.tries {
		batches <- batch{random: a.random(len(r.name)<<32 + first), first: first, n: min(by.tries, n-first)}
	}
	close(batches)
	workers.Wait()
	return nil
}

func (a *attacker) oneBatch(r *row, b *batch, options func(*rand.Rand) fake.Options, try func(*batch) error) error {
	p, err := a.place(r, options(b.random))
	if err != nil {
		return err
	}
	defer p.leave()
	b.place = p
	return try(b)
}

// plainly is a provider that behaves.
func plainly(output int64) func(*rand.Rand) fake.Options {
	return func(*rand.Rand) fake.Options { return fake.Options{Behaviour: fake.Behaviour{OutputTokens: output}} }
}
