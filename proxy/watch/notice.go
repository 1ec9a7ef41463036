// Package watch is what a gateway tells whoever watches it: a Notice of each
// call that was answered, and a Question where one is held that somebody could
// help on.
package watch

import (
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Notice tells of one answered call.
type Notice struct {
	Agent string
	Run   ledger.RunID
	Code  string // x-aex-code of a refusal, "" for an answer of the provider
	Ends  bool   // the refusal or the overrun ended the money of Owner, and of the runs inside it
	Over  bool   // it was refused because Run is ending or has ended
	// Owner is the run whose limit refused or ended: Run, or one around it; the
	// outermost for the limits of agents. "": nobody's.
	Owner     ledger.RunID
	Upstream  bool            // it is the budget of an aex upstream that has ended
	Body      [32]byte        // SHA-256 of the request, to tell repeats
	Fruitless bool            // the provider's answer was empty or did not end
	Began     time.Time       // when the call came in
	Money     *ledger.Refusal // it was refused for money; nil: it was not
	Model     string
	Cost      ledger.Micros
	Clamped   int64    // the cap sent upstream where it was lowered
	Changed   []string // what else was changed in the request to bound it: "web_search at most 3 times"
	Doubt     bool     // that cost is an estimate: the answer ended without its usage
	// Late: no call, but the real cost of one that was told of as in doubt. Cost is
	// the difference to Was, which may be negative.
	Late  bool
	Was   ledger.Micros
	Local bool     // a local model answered, which costs nothing unless it has a price
	Tools []string // names of the tools that the answer calls
}
