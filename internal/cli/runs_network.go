package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Auro-rium/aex/v3/ledger"
)

// networkView is what a run's sandbox let out to a host, or refused.
type networkView struct {
	Host     string `json:"host"`
	Port     uint16 `json:"port,omitempty"`
	Cause    string `json:"cause,omitempty"` // of a refusal
	Count    int64  `json:"count"`
	Sent     int64  `json:"sent_bytes"`
	Received int64  `json:"received_bytes"`
}

// networkSums adds up a run's events of its network.
type networkSums map[networkView]*networkView

// add takes an event, if it is one of these.
func (s networkSums) add(e ledger.Event) {
	if !strings.HasPrefix(e.Action, "net.") {
		return
	}
	var one networkView
	if json.Unmarshal(e.Body, &one) != nil {
		return
	}
	key := networkView{Host: one.Host, Port: one.Port, Cause: one.Cause}
	if s[key] == nil {
		s[key] = &networkView{Host: one.Host, Port: one.Port, Cause: one.Cause}
	}
	sum := s[key]
	sum.Count += one.Count
	sum.Sent += one.Sent
	sum.Received += one.Received
}

// list is sorted: what was refused first.
func (s networkSums) list() []*networkView {
	return slices.SortedFunc(maps.Values(s), func(x, y *networkView) int {
		return cmp.Or(cmp.Compare(y.Cause, x.Cause), cmp.Compare(x.Host, y.Host), cmp.Compare(x.Port, y.Port))
	})
}

// networkCauses are the codes of refusals in words.
var networkCauses = map[string]string{
	"host_not_allowed": "not allowed", "provider_host": "a model provider", "private_address": "a private address", "name_mismatch": "another name was asked of it",
	"name_encrypted": "an encrypted name", "not_tls": "not TLS", "malformed": "malformed",
}

func (a *app) printNetwork(s networkSums) {
	if len(s) == 0 {
		return
	}
	var rows [][]string
	for _, n := range s.list() {
		host, how := n.Host, "let out"
		if n.Port != 0 {
			host = fmt.Sprintf("%s:%d", n.Host, n.Port)
		}
		if n.Cause != "" {
			how = "refused: " + cmp.Or(networkCauses[n.Cause], n.Cause)
		}
		rows = append(rows, []string{printable(host), how, count(n.Count), count(n.Sent), count(n.Received)})
	}
	a.printf("")
	a.printTable([]column{left("host"), left("sandbox"), right("times"), right("bytes sent"), right("received")}, rows)
}
