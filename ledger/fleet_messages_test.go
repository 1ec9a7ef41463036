package ledger

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// turnMessages counts the messages to the server in each turn of a gateway.
type turnMessages struct {
	mu      sync.Mutex
	now     int // of the turn under way
	longest int // of those since reset

	sent chan struct{} // has one when a message was answered
}

func (m *turnMessages) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (m *turnMessages) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (m *turnMessages) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	if strings.HasPrefix(d.Batch.QueuedQueries[0].SQL, "BEGIN") {
		m.now = 0
	}
	m.now++
	m.longest = max(m.longest, m.now)
	return ctx
}
func (m *turnMessages) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (m *turnMessages) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {
	select {
	case m.sent <- struct{}{}:
	default:
	}
}

func (m *turnMessages) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.longest = 0
}

func (m *turnMessages) most() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.longest
}

// countMessages has a gateway's writer connect anew, and counts.
func countMessages(l *Ledger) *turnMessages {
	m := &turnMessages{sent: make(chan struct{}, 1)}
	wake := l.Rest()
	defer wake()
	l.server.config.Tracer = m
	l.write.engine.(*postgres).disconnect() //nolint:forcetypeassert // it is on a server
	return m
}

// TestFleetRecoversInOneTurn: what a gateway that died has left, however many runs
// and calls, is booked in a turn of few messages: all other gateways wait for it.
// So are runs that nobody takes over.
func TestFleetRecoversInOneTurn(t *testing.T) {
	onServer(t)
	const runs, few = 100, 25
	dir := t.TempDir()
	dead, other := gatewayAt(t, dir, time.Hour), gatewayAt(t, dir, time.Second)
	agentOn(t, dead, "x")
	for i := range runs {
		token := HashToken(fmt.Sprint("run ", i))
		if _, err := dead.OpenRun(t.Context(), NewRun{Agent: "x", Program: "p", Token: token, Metered: true, Remote: i%2 == 0}); err != nil {
			t.Fatal(err)
		}
		if _, no, err := dead.Admit(t.Context(), Admission{Token: token, Least: 10, Most: 10}); err != nil || no != nil {
			t.Fatal(no, err)
		}
	}
	messages := countMessages(other)
	wake := dead.Rest()
	defer wake()
	await := func(what string, want int) {
		t.Helper()
		for limit := time.After(time.Minute); ; {
			found := 0
			if err := other.read.QueryRowContext(t.Context(), `SELECT count(*) FROM run WHERE `+what).Scan(&found); err != nil {
				t.Fatal(err)
			}
			if found == want {
				break
			}
			select {
			case <-messages.sent:
			case <-limit:
				t.Fatalf("%d runs are %s", found, what)
			}
		}
		if most := messages.most(); most > few {
			t.Errorf("a turn had %d messages, until %d runs had %s", most, want, what)
		}
		messages.reset()
	}
	await(`outcome = 'lost'`, runs/2)
	await(`owner = 0 AND state = 'open'`, runs/2)
	execOnServer(t, Place(dir), `UPDATE run SET adrift_at = 0 WHERE owner = 0`) // a minute ago
	await(`outcome = 'lost'`, runs)
	if n := len(other.Recovered()); n != runs {
		t.Errorf("%d calls were booked", n)
	}
	if a, err := other.Agent(t.Context(), "x"); err != nil || a.Account.Spent != 10*runs || a.Account.Reserved != 0 {
		t.Errorf("%+v %v", a.Account, err)
	}
	audited(t, other)
}
