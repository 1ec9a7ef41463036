package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// row is what one kind of attack came to. Money is in micro-dollars.
type row struct {
	name string
	took time.Duration

	mu        sync.Mutex
	tried     int64
	overspent int64 // admitted beyond a budget, or billed above the hold by a provider that keeps its cap
	lost      int64 // billed and not booked
	holds     int64 // left when the next aex had opened the ledger
	survivors int64
	secrets   int64 // places where the key or what was said turned up
	panics    int64
	hangs     int64
	passed    int64 // requests that a policy should have refused, audits that failed, and other faults
	billed    int64 // by the providers, to show that there was something to lose
	statuses  map[int]int64
	told      int64 // what lying providers told beyond the budget: booked whole
	faults    []string
}

func (r *row) add(n *int64, by int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*n += by
}

// answered counts an answer by its status.
func (r *row) answered(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.statuses == nil {
		r.statuses = map[int]int64{}
	}
	r.statuses[status]++
}

// fault counts what should not be and says what it was, for the first few.
func (r *row) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed++
	if len(r.faults) < 10 {
		r.faults = append(r.faults, fmt.Sprintf(format, args...))
	}
}

func dollars(micros int64) string { return fmt.Sprintf("%d.%06d", micros/1_000_000, micros%1_000_000) }

// line is the row as text, and what was at fault.
func (r *row) line() string {
	text := fmt.Sprintf("| %s | %d | %s | %s | %d | %d | %d | %d | %d | %d |", r.name, r.tried, dollars(r.overspent), dollars(r.lost),
		r.holds, r.survivors, r.secrets, r.panics, r.hangs, r.passed)
	if r.told > 0 {
		text += fmt.Sprintf("\n| what they told beyond the budget, booked whole | | %s | | | | | | | |", dollars(r.told))
	}
	return text
}

// aside is what is told of a row beside the table.
func (r *row) aside() string {
	text := fmt.Sprintf("assault: %s: %s, $%s billed", r.name, r.took.Round(time.Second), dollars(r.billed))
	for _, status := range slices.Sorted(maps.Keys(r.statuses)) {
		text += fmt.Sprintf(", %d x %d", r.statuses[status], status)
	}
	for _, f := range r.faults {
		text += "\nassault: " + r.name + ": " + f
	}
	return text + "\n"
}

const head = `| attack | tried | $ overspent | $ lost | holds left | survivors | secrets | panics | hangs | other faults |
|---|---|---|---|---|---|---|---|---|---|
`

func (a *attacker) print() string {
	var text strings.Builder
	text.WriteString(head)
	for _, r := range a.table {
		text.WriteString(r.line() + "\n")
	}
	text.WriteString("\n")
	for _, r := range a.table {
		text.WriteString(r.aside())
	}
	var took time.Duration
	for _, r := range a.table {
		took += r.took
	}
	fmt.Fprintf(&text, "\nassault: %s in all\n", took.Round(time.Second))
	return text.String()
}

// code is 1 where anything but what was tried is not 0.
func (a *attacker) code() int {
	for _, r := range a.table {
		if r.overspent+r.lost+r.holds+r.survivors+r.secrets+r.panics+r.hangs+r.passed != 0 {
			return 1
		}
	}
	return 0
}
