package ledger

import (
	"strings"
	"testing"
	"time"
)

// TestHeldIsNoRefusal: what the caller holds is told, and counts as a refusal
// only where it stands.
func TestHeldIsNoRefusal(t *testing.T) {
	l, _ := openInside(t)
	budget := Micros(100)
	token := HashToken("held")
	run, err := l.OpenRun(t.Context(), NewRun{Agent: "x", Program: "bot", Token: token, Expires: time.Now().Add(time.Hour), Budget: &budget, Metered: true})
	if err != nil {
		t.Fatal(err)
	}
	refused := func() int64 {
		r, err := l.Run(t.Context(), string(run.ID))
		if err != nil {
			t.Fatal(err)
		}
		return r.Refused
	}
	call := CallInfo{ModelAsked: "m"}
	_, no, err := l.Admit(t.Context(), Admission{Token: token, Least: 200, Most: 200, MayAsk: true, Call: call})
	if err != nil || no == nil || !no.Pending || no.Cause != CauseTooLarge {
		t.Fatalf("%+v, %v", no, err)
	}
	page, err := l.Events(t.Context(), EventFilter{Action: "call.held"})
	if err != nil || len(page.Events) != 1 || !strings.Contains(string(page.Events[0].Body), `"held_for":"call_exceeds_budget"`) || refused() != 0 {
		t.Errorf("%d refused, events %+v, %v", refused(), page.Events, err)
	}
	if err := l.Stands(t.Context(), token, *no, call); err != nil {
		t.Fatal(err)
	}
	if refused() != 1 {
		t.Errorf("%d refused", refused())
	}
	audited(t, l)
}
