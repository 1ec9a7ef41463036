package ledger

import (
	"strconv"
	"strings"
)

// rows are the table rows that the writer keeps between groups. They are true
// only while no other connection has written: begin forgets them otherwise.
type rows struct {
	accounts      map[int64]*account
	totals        map[int64]*account // agent -> its total account
	windows       map[windowKey]*account
	agents        map[int64]*agent
	groups        map[int64]*agentGroup
	groupAccounts map[windowKey]*account // by group
	names         map[string]*agent
	runs          map[int64]*run
	runNos        map[RunID]int64
	tokens        map[TokenHash]*token
	holds         map[holdKey]*hold // open ones of this process
	open          map[int64]int64   // agent -> holds open, of all processes
	paces         map[int64]*pace
	last          mark // of the trail
	lastRead      bool
	hours         map[int64]bool
	zones         calendar
	zonesRead     bool
}

func newRows() *rows {
	return &rows{
		accounts: make(map[int64]*account), totals: make(map[int64]*account), windows: make(map[windowKey]*account),
		groups: make(map[int64]*agentGroup), groupAccounts: make(map[windowKey]*account),
		agents: make(map[int64]*agent), names: make(map[string]*agent),
		runs: make(map[int64]*run), runNos: make(map[RunID]int64),
		tokens: make(map[TokenHash]*token), holds: make(map[holdKey]*hold),
		paces: make(map[int64]*pace), hours: make(map[int64]bool),
	}
}

type windowKey struct {
	of     int64 // agent or group
	window Window
	start  int64
}

// agent is an agent as the writer knows it.
type agent struct {
	id      int64
	name    string
	budget  *Micros
	window  Window
	limits  Limits
	paused  bool
	deleted bool
	group   int64 // 0: none
}

// publicID is Agent.ID: stable, because rows of agents are never reused.
func publicID(agent int64) string { return "a" + strconv.FormatInt(agent, 10) }

func agentRow(id string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, "a"), 10, 64)
	return n, err == nil && strings.HasPrefix(id, "a")
}

// run is a run as the writer knows it.
type run struct {
	no, agent, parent, account int64
	id                         RunID
	owner                      ownerID
	state                      RunState
	maxCalls                   int64
	firstSeq                   int64
	remote                     bool
}

func (r *run) setting() runSetting { return runSetting{r.no, r.maxCalls, r.account} }

// token is a token as the writer knows it.
type token struct {
	agent   int64
	run     int64 // 0: the agent's
	scope   Scope
	expires int64 // 0: never
	revoked bool
}

// holdKey is what a HoldID says.
type holdKey struct {
	owner ownerID
	n     int64
}

func (k holdKey) id() HoldID { return HoldID(k.owner.String() + "-" + strconv.FormatInt(k.n, 10)) }

func parseHoldID(id HoldID) (holdKey, bool) {
	o, n, ok := strings.Cut(string(id), "-")
	owner, err1 := strconv.ParseInt(o, 36, 64)
	num, err2 := strconv.ParseInt(n, 10, 64)
	k := holdKey{ownerID(owner), num}
	return k, ok && err1 == nil && err2 == nil && k.id() == id
}

// hold is a hold as the writer knows it.
type hold struct {
	key       holdKey
	recovered bool // it is booked, and its real cost may still come: after recovery, or an estimate that is asked about
	ended     bool // its row goes
	agent     int64
	run       int64   // 0: none
	account   int64   // the lowest of its path
	window    int64   // 0: none
	group     int64   // the lowest, 0: none
	groups    []int64 // accounts of groups
	amount    Micros
	tokens    int64
	at        int64
	call      CallInfo
	joint     TokenHash // by which the hold of another aex joins this one; zero: none may, or one has
	within    HoldID    // the hold that this one has joined, "": none
	only      []int64   // within another: the accounts that this one charges
}
