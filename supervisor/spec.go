package supervisor

import (
	"encoding/json"
	"os"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/inner"
	"github.com/Auro-rium/aex/v3/proxy/remote"
)

// Spec is a run as it was asked for.
type Spec struct {
	Argv    []string // the program and its arguments
	Environ []string // the caller's environment
	Dir     string
	Stderr  *os.File // for what aex says

	Ledger   ledger.Options
	Registry *policy.Registry
	Key      func(policy.Provider) string
	KeysSet  []string                     // variables of keys that are set in files, not in Environ
	KeyHint  func(policy.Provider) string // where a missing key may be; may be nil
	CAFile   string

	Agent    string
	NewAgent *ledger.NewAgent // made when no agent has the name; nil: that is an error
	Budget   *ledger.Micros   // of this run; nil: what the agent has
	NoBudget bool             // no budget anywhere is what the user wants
	Policy   json.RawMessage  // capabilities that this run adds to the agent's

	Adapter  string // of a known program; "": by its command line; adapter.None
	PassEnv  []string
	NoClamp  bool
	MaxCalls int64
	Orphans  Orphans
	Grace    time.Duration // for the child to end by itself when the budget is gone
	Guard    GuardSpec

	Sandbox SandboxSpec

	OnExhausted OnExhausted
	AskTimeout  time.Duration    // how long OnExhaustedAsk holds a call
	Outer       *Outer           // the run that this one is inside of; nil: none
	Gateway     *remote.Gateways // shared ones, where the run is booked; nil: here
	AgentRules  inner.AgentRules // what must be so there of the agent who pays

	Quiet   bool
	Verbose bool
}

// Orphans is what becomes of processes that outlive the program.
type Orphans string

const (
	OrphansKill  Orphans = "kill"
	OrphansLeave Orphans = "leave"
	OrphansWarn  Orphans = "warn" // leave them, and name them
)

// OnExhausted is what becomes of a run whose money is gone.
type OnExhausted string

const (
	ExhaustedKill   OnExhausted = "kill"   // it is ended; the zero value means the same
	ExhaustedRefuse OnExhausted = "refuse" // its calls are refused, and nobody is ended
	ExhaustedAsk    OnExhausted = "ask"    // its calls are held for a top-up, for a while
)
