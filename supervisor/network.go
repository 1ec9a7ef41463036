package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/tunnel"
)

// bookNetworkEvery is how often what the sandbox saw is booked.
const bookNetworkEvery = 10 * time.Second

// network sums what a run's sandbox let out and refused.
type network struct {
	mu      sync.Mutex
	due     map[networkKey]*ledger.Connection // not booked yet
	refused map[string]bool                   // hosts, of the whole run
	let     map[string]bool
}

type networkKey struct {
	host    string
	port    uint16
	refused string
}

// maxNetworkHosts bounds what a program can fill memory and trail with between
// two bookings. What comes beyond is counted together.
const maxNetworkHosts = 200

func newNetwork() *network {
	return &network{due: map[networkKey]*ledger.Connection{}, refused: map[string]bool{}, let: map[string]bool{}}
}

// saw is told by the tunnel.
func (n *network) saw(c tunnel.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := networkKey{c.Host, c.Port, c.Refused}
	if n.due[key] == nil && len(n.due) >= maxNetworkHosts {
		key.host, key.port = "others", 0
	}
	sum := n.due[key]
	if sum == nil {
		sum = &ledger.Connection{Host: key.host, Port: key.port, Refused: c.Refused}
		n.due[key] = sum
	}
	sum.Count++
	sum.Sent += c.Sent
	sum.Received += c.Received
	hosts := n.let
	if c.Refused != "" {
		hosts = n.refused
	}
	if len(hosts) < 10*maxNetworkHosts {
		hosts[c.Host] = true
	}
}

// take hands over what is due.
func (n *network) take() []ledger.Connection {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []ledger.Connection
	for key, c := range n.due {
		all = append(all, *c)
		delete(n.due, key)
	}
	return all
}

// hosts are how many different ones were let through and refused.
func (n *network) hosts() (let, refused int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.let), len(n.refused)
}

// bookNetwork books now and then what the sandbox saw, until ctx ends.
func (r *session) bookNetwork(ctx context.Context) {
	tick := time.NewTicker(bookNetworkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.bookSeen()
		}
	}
}

func (r *session) bookSeen() {
	if err := r.ledger.BookNetwork(context.WithoutCancel(r.ctx), r.row.ID, r.network.take()); err != nil {
		r.unbookable(err)
	}
}
