// Package inner knows the runs inside the run that a gateway is for, and the runs of other
// machines.
//
// A run inside a run: an aex run that a program of this gateway's run starts
// asks here for a run and a token of its own. Its account hangs under that of
// the run around it, and only this gateway books.
//
//	POST /v1/aex/runs                  opens one: Request -> Opened
//	GET  /v1/aex/runs/ID[?after=STATE] tells of it: Status, once STATE is not its state
//	POST /v1/aex/runs/ID/end           ends it: End -> Status
//
// Each request needs the token of the run around it. A run is attended while a GET of it
// is under way; a run that nobody attends is ended after Options.Patience.
//
// A run of another machine: an aex run that was told of this gateway opens its
// run here, with a token of an agent, by the protocol of runs inside a run. Its account
// hangs under the agent's and not under a run's, and it outlives this gateway: another
// one on the same ledger, which the runner can reach, takes it over.
//
//	POST /v1/aex/runs           opens one: Request with the token that the run is to have -> Opened
//	POST /v1/aex/runs/ID/attach takes one over: Request -> Status
//	GET  /v1/aex/runs/ID        as of a run inside a run, but for RemotePoll at most
//	POST /v1/aex/runs/ID/end    likewise
//
// The first two need the agent's token. The others need the run's own, which only the
// gateway that has the run accepts, and only while the run is open.
package inner

import (
	"encoding/json"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// Request is what a run inside another asks for.
type Request struct {
	Program  string          `json:"program"`                // base name
	Agent    string          `json:"agent,omitempty"`        // whose capabilities must allow its calls, too
	Budget   *ledger.Micros  `json:"budget_micro,omitempty"` // nil: all that there is
	MaxCalls int64           `json:"max_calls,omitempty"`
	Policy   json.RawMessage `json:"policy,omitempty"`      // capabilities that must allow its calls, too
	Rules    AgentRules      `json:"rules,omitzero"`        // what its policy file says of who pays
	AskMilli int64           `json:"ask_ms,omitempty"`      // how long calls that its own budget refuses are held for a top-up
	Bypasses bool            `json:"not_metered,omitempty"` // a real key is passed on
	Token    string          `json:"token,omitempty"`       // of a remote run: the token that it is to have, 256 bits in hex
	NoBudget bool            `json:"no_budget,omitempty"`   // of a remote run: no budget anywhere is what the user wants
}

// asks is how long its calls are held for a top-up, a day at most.
func (r Request) asks() time.Duration {
	return time.Duration(min(max(r.AskMilli, 0), int64(24*time.Hour/time.Millisecond))) * time.Millisecond
}

// Opened is a run inside another, just opened.
type Opened struct {
	RunID  ledger.RunID   `json:"run_id"`
	Parent ledger.RunID   `json:"parent"`
	Agent  string         `json:"agent"` // who pays
	Token  string         `json:"token"`
	Budget *ledger.Micros `json:"budget_micro"` // the most it can spend as things are; nil: no limit
}

// Exhausted and Limited are states beside the ledger's that a Status has:
// money is used up for good, or --max-calls is reached. While a call is held
// for a top-up, the state is open, or Asking.
const (
	Exhausted = string(ledger.RunExhausted)
	Limited   = "limited"
	Asking    = "asking" // and a number by Asks, of a remote run: a call is held
)

// Status tells how a run inside another is.
type Status struct {
	State     string        `json:"state"`
	Exhausted bool          `json:"exhausted"` // money is used up now
	Calls     int64         `json:"calls"`
	Refused   int64         `json:"refused"`
	Open      int64         `json:"open_calls"`
	Spent     ledger.Micros `json:"spent_micro"`
	Overrun   ledger.Micros `json:"overrun_micro"`
	Clamped   int64         `json:"clamped"`
	LeastCap  int64         `json:"least_cap"`
	Local     int64         `json:"local_calls"`
	Doubt     ledger.Micros `json:"in_doubt_micro"` // of that, what calls without their usage are estimated to have cost
	Doubtful  int64         `json:"in_doubt_calls"`
	Started   time.Time     `json:"started"`
	Ended     *time.Time    `json:"ended"`
	Outcome   string        `json:"outcome,omitempty"` // of one that has
	Asks      string        `json:"asks,omitempty"`    // what a held call waits for, for people

	// Short is why the last call was refused, where that was for money.
	Short *ledger.Refusal `json:"short,omitempty"`
}

// End is how a run inside another ended.
type End struct {
	Outcome  string `json:"outcome"`
	ExitCode int    `json:"exit_code"`
}

// Lost is the outcome of a run whose aex was away for too long.
const Lost = "lost"

// outcomes are those that a run's end may be booked with.
var outcomes = []string{"exited", "signalled", "budget", "guard", "timeout", "stopped", "interrupted", Lost, "unbooked", "not_started"}

const (
	tokenLife = 15 * time.Minute
	maxRuns   = 1000
	maxBody   = 64 << 10
)

// Policies are the capabilities of a run's policy: one object, or for a run
// inside another a list of those that must all allow a call.
func Policies(text json.RawMessage) (list []json.RawMessage, err error) {
	switch {
	case len(text) == 0:
	case text[0] == '[':
		err = json.Unmarshal(text, &list)
	default:
		list = append(list, text)
	}
	return list, err
}
