package ledger

import (
	"crypto/sha256"
	"io"
	"strconv"
	"time"
)

// commitGroup is one transaction of the writer: what the operations that share it
// decided, not yet in the file. Sums are folded, and rows of a kind are written
// together. The groups of agents are agentGroup, which is something else.
type commitGroup struct {
	w    *writer
	rows *rows
	now  time.Time
	at   int64 // now in milliseconds
	err  error // a database error: the group is lost

	newHolds []*hold
	ended    []*hold // to be removed
	dirty    []*account
	events   []event
	tallies  map[tallyKey]*tallySums

	stored struct{ holds, ended, events int } // how many of each are in the transaction

	lastEvent  mark
	wrote      bool // rows were written
	identity   bool // what tokens may do is changed here
	stale      bool // another process has written
	committing bool
	ownersSeen bool           // dead owners were looked for
	moreDead   bool           // and may have left more than was recovered
	blocked    map[int64]bool // accounts that an earlier call waits for
	tooLarge   map[int64]int  // as the writer's, where it changed
	runChanges []runChange
	bookings   []booking
	budgets    []ownBudget // of runs that are opened
	recovered  []Recovered
	deadOwners []io.Closer      // their files, locked until the commit
	suspects   map[holdKey]bool // holds that Sweep was told nobody owns
	counted    []*denial        // one for each refusal of this group
	told       []denialKey      // refusals that this group tells of
	quiet      []denialKey      // that did not come again
}

type event struct {
	mark
	body []byte
}

type runChange struct {
	id    RunID
	state RunState
}

func (w *writer) begin() (*commitGroup, error) {
	g := &commitGroup{w: w, blocked: make(map[int64]bool), tooLarge: make(map[int64]int), tallies: make(map[tallyKey]*tallySums)}
	g.readClock()
	g.rows = w.rows
	unchanged, err := w.engine.unchanged()
	if !unchanged {
		w.rows = newRows()
		g.rows = w.rows
		g.stale = true
	}
	g.fail(err)
	return g, g.err
}

// readClock sets the time of what is decided next.
func (g *commitGroup) readClock() {
	g.now = g.w.l.now().UTC()
	g.at = g.now.UnixMilli()
}

// decide has operations decide and record, in order.
func (g *commitGroup) decide(ops []*op) error {
	for _, o := range ops {
		o.parked, o.err = false, nil
		if err := o.ctx.Err(); err != nil {
			o.err = err
			continue
		}
		o.err = o.do(g)
		if g.err != nil {
			return g.err
		}
	}
	return nil
}

func (g *commitGroup) fail(err error) {
	if g.err == nil && err != nil {
		g.err = err
	}
}

// exec writes rows directly, for what is rare. It must come after every check
// of its operation.
func (g *commitGroup) exec(query string, args ...any) {
	if g.err == nil {
		g.wrote = true
		g.fail(g.w.engine.exec(query, args))
	}
}

// insert is exec of what makes one row, whose key it returns.
func (g *commitGroup) insert(query, key string, args ...any) (id int64) {
	if g.err == nil {
		g.wrote = true
		id, g.err = g.w.engine.insert(query, key, args)
	}
	return id
}

func (g *commitGroup) touch(a *account) {
	if !a.dirty {
		a.dirty = true
		g.dirty = append(g.dirty, a)
	}
}

// event adds one to the trail. members adds its members; it must not add events.
func (g *commitGroup) event(action string, ag *agent, r RunID, members func(e *line)) (seq int64) {
	prev := g.last()
	e := line{b: make([]byte, 0, 768)}
	e.b = append(e.b, '{')
	seq = prev.seq + 1
	e.number("seq", seq)
	e.text("ledger", g.w.l.id)
	e.number("chain", g.w.l.chain)
	e.key("time")
	e.b = append(e.b, '"')
	e.b = g.now.AppendFormat(e.b, timeFormat)
	e.b = append(e.b, '"')
	e.text("action", action)
	if ag != nil {
		e.text("agent", ag.name)
		e.text("agent_id", publicID(ag.id))
	}
	e.text("run", string(r))
	if members != nil {
		members(&e)
	}
	e.b = append(e.b, '}')
	g.append(e.b, seq)
	g.markHour(seq)
	return seq
}

func (g *commitGroup) append(body []byte, seq int64) {
	next := mark{seq, link(g.rows.last.hash, body)}
	g.events = append(g.events, event{next, body})
	g.rows.last, g.lastEvent = next, next
}

// link is the hash of an event: SHA-256(hash of the event before || body).
func link(prev chainHash, body []byte) (next chainHash) {
	h := sha256.New()
	h.Write(prev[:])
	h.Write(body)
	h.Sum(next[:0])
	return next
}

// markHour notes the first event of every hour, where a search by time begins.
func (g *commitGroup) markHour(seq int64) {
	hour := g.at / hourMillis
	if g.rows.hours[hour] {
		return
	}
	g.exec(`INSERT INTO event_hour (hour, first_seq) VALUES (?, ?) ON CONFLICT DO NOTHING`, hour, seq)
	g.rows.hours[hour] = true
}

const hourMillis = int64(time.Hour / time.Millisecond)

func (g *commitGroup) empty() bool {
	return !g.wrote && len(g.newHolds)+len(g.ended)+len(g.dirty)+len(g.events)+len(g.tallies) == 0
}

// flush writes what the group decided since it was last called.
func (g *commitGroup) flush() error {
	g.wrote = !g.empty()
	g.fail(g.w.engine.flush(g))
	for _, a := range g.dirty {
		a.dirty, a.given = false, false
	}
	g.dirty = g.dirty[:0]
	clear(g.tallies)
	g.stored.holds, g.stored.ended, g.stored.events = len(g.newHolds), len(g.ended), len(g.events)
	return g.err
}

// identityChanged has processes look again at what they remember of tokens.
const identityChanged = `UPDATE ledger SET identity = identity + 1`

// unstored are the holds that were made and ended and that the transaction
// does not show yet.
func (g *commitGroup) unstored() (made, ended []*hold) {
	return g.newHolds[g.stored.holds:], g.ended[g.stored.ended:]
}

// callText is what a hold remembers of its call, as JSON.
func (h *hold) callText() string {
	e := line{b: append(make([]byte, 0, 192), '{')}
	e.text("wire", h.call.Wire)
	e.text("model_asked", h.call.ModelAsked)
	e.text("model_sent", h.call.ModelSent)
	e.text("provider", h.call.Provider)
	e.flag("stream", h.call.Stream)
	e.text("price", h.call.Price)
	return string(append(e.b, '}'))
}

func (h TokenHash) orNull() any {
	if h == (TokenHash{}) {
		return nil
	}
	return h[:]
}

// groupsText is a JSON array of accounts.
func groupsText(accounts []int64) string {
	b := append(make([]byte, 0, 32), '[')
	for i, id := range accounts {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

func orNull(is bool, v int64) any {
	if is {
		return v
	}
	return nil
}

// isThere searches the reopened file for a group whose commit failed. The
// group holds the writers' lock, so nobody else can have written meanwhile: its
// last event, its last hold or the absence of what it ended says it all.
func (g *commitGroup) isThere() (bool, error) {
	file := &commitGroup{w: g.w, rows: g.w.rows}
	var n int
	switch {
	case len(g.events) > 0:
		file.query(`SELECT count(*) FROM event_log WHERE seq = ? AND hash = ?`, []any{g.lastEvent.seq, g.lastEvent.hash[:]}, &n)
	case len(g.newHolds) > 0:
		k := g.newHolds[len(g.newHolds)-1].key
		file.query(`SELECT count(*) FROM hold WHERE owner = ? AND n = ?`, []any{int64(k.owner), k.n}, &n)
	case len(g.ended) > 0:
		k := g.ended[0].key
		file.query(`SELECT 1 - count(*) FROM hold WHERE owner = ? AND n = ?`, []any{int64(k.owner), k.n}, &n)
	}
	return n == 1, file.err
}
