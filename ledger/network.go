package ledger

import (
	"context"
	"fmt"
)

// Connection sums the connections, or the refusals, of one kind that a run's
// sandbox saw.
type Connection struct {
	Host           string // a name or an address
	Port           uint16
	Refused        string // the code of the refusal; "": they were let out
	Count          int64
	Sent, Received int64 // bytes
}

// The events of a run's network.
const (
	netConnect = "net.connect"
	netRefuse  = "net.refuse"
)

// BookNetwork puts what a run's sandbox let out and refused into the trail:
// net.connect and net.refuse, an event for each element.
func (l *Ledger) BookNetwork(ctx context.Context, id RunID, seen []Connection) error {
	if len(seen) == 0 {
		return nil
	}
	err := l.do(ctx, &op{patient: true, do: func(g *commitGroup) error {
		r, err := g.runNamed(id)
		if err != nil {
			return err
		}
		ag := g.agentByID(r.agent)
		for _, c := range seen {
			action := netConnect
			if c.Refused != "" {
				action = netRefuse
			}
			g.event(action, ag, r.id, func(e *line) {
				e.text("host", c.Host)
				e.number("port", int64(c.Port))
				e.text("cause", c.Refused)
				e.number("count", c.Count)
				e.number("sent_bytes", c.Sent)
				e.number("received_bytes", c.Received)
			})
		}
		return g.err
	}})
	if err != nil {
		return fmt.Errorf("booking a run's connections: %w", err)
	}
	return nil
}
