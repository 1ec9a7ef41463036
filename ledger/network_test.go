package ledger

import (
	"testing"
)

// What a sandbox refused is in the trail with its cause, and is no refused call: the sums of calls know nothing of
// it.
func TestNetworkOfARunIsNoCall(t *testing.T) {
	l, _ := openInside(t)
	run, err := l.OpenRun(t.Context(), NewRun{Agent: "x", Program: "p", Token: HashToken("run")})
	if err != nil {
		t.Fatal(err)
	}
	seen := []Connection{
		{Host: "no.example", Port: 443, Refused: "host_not_allowed", Count: 3}, {Host: "yes.example", Port: 443, Count: 2, Sent: 10, Received: 20},
	}
	if err := l.BookNetwork(t.Context(), run.ID, seen); err != nil {
		t.Fatal(err)
	}
	audited(t, l)
	var refused, connected int
	query := `SELECT count(*) FILTER (WHERE action = 'net.refuse'), count(*) FILTER (WHERE action = 'net.connect') FROM trail`
	if err := l.read.QueryRowContext(t.Context(), query).Scan(&refused, &connected); err != nil || refused != 1 || connected != 1 {
		t.Errorf("%d and %d events, %v", refused, connected, err)
	}
}
