// Package watch is what a gateway tells whoever watches it: a Notice of each call that was
// answered, and a Question where a call waits that somebody could help.
package watch

import (
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Shows tells whether a call shows that its program is short of money, or no longer is:
// one that is refused for another cause shows neither.
func (n Notice) Shows() bool { return !n.Unmade || n.Money != nil }

// Notice tells of one answered call.
type Notice struct {
	Agent string
	Run   ledger.RunID
	Code  string // x-aex-code of a refusal, "" for an answer of the provider
	Ends  bool   // by the refusal or the overrun, Owner and the runs inside it have no money left
	Over  bool   // it was refused because Run is ending or has ended
	// Owner is the run whose limit refused the call or is used up: Run, or one around
	// it; for the limits of agents the outermost one. "": it was no run's limit.
	Owner     ledger.RunID
	Upstream  bool            // it is the budget of an aex upstream that has ended
	Body      [32]byte        // SHA-256 of the request, to tell repeats
	Fruitless bool            // the provider's answer was empty or did not end
	Began     time.Time       // when the call came in
	Money     *ledger.Refusal // it was refused for money; nil: it was not
	Unmade    bool            // aex refused it before anything was sent
	Model     string
	Cost      ledger.Micros
	Clamped   int64    // the cap sent upstream where it was lowered
	Changed   []string // what else was changed in the request to bound it: "web_search at most 3 times"
	Doubt     bool     // Cost is an estimate: the answer ended without its usage
	// Late: this is no call, but the real cost of an earlier one that was in doubt. Cost
	// is the difference to Was, and may be negative.
	Late  bool
	Was   ledger.Micros
	Local bool     // a local model answered, which costs nothing unless it has a price
	Tools []string // names of the tools that the answer calls
}
