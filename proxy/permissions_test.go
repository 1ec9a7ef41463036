package proxy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// What a caller may do is read once for the texts that it stands in, and anew for
// any other.
func TestPermissionsGoByTheirTexts(t *testing.T) {
	var p permissions
	of := func(agent, run string) string {
		t.Helper()
		id := ledger.Identity{Capabilities: json.RawMessage(agent), RunPolicy: json.RawMessage(run)}
		all, err := p.of(id)
		must(t, err)
		if n := testing.AllocsPerRun(10, func() { _, _ = p.of(id) }); n > 0 {
			t.Errorf("the texts are read again: %v allocations", n)
		}
		var tools []string
		for _, cp := range all {
			tools = append(tools, fmt.Sprint(cp.Tools))
		}
		return strings.Join(tools, " ")
	}
	const with, without = `{"allow_tools":true}`, `{"allow_tools":false}`
	for range 2 {
		for _, c := range []struct{ agent, run, want string }{
			{with, "", "true"},
			{without, "", "false"},
			{with, without, "true false"},
			{without, with, "false true"},
			{with, "[" + with + "," + without + "]", "true true false"},
			{"", "", "true"},
		} {
			if got := of(c.agent, c.run); got != c.want {
				t.Errorf("agent %s, run %s: tools %s, want %s", c.agent, c.run, got, c.want)
			}
		}
	}
}

// What cannot be read allows nothing, however often it is asked for; what is kept
// is bounded.
func TestPermissionsThatAreNotKept(t *testing.T) {
	var p permissions
	for range 2 {
		if _, err := p.of(ledger.Identity{RunPolicy: json.RawMessage(`{"allow":true}`)}); err == nil {
			t.Error("an unknown field is no fault")
		}
	}
	long := `{"allowed_models":["` + strings.Repeat("m", maxPermissionsText) + `"]}`
	_, err := p.of(ledger.Identity{Capabilities: json.RawMessage(long)})
	must(t, err)
	if len(p.read) > 0 {
		t.Errorf("%d are kept", len(p.read))
	}
	for i := range maxPermissions + 1 {
		_, err := p.of(ledger.Identity{Capabilities: fmt.Appendf(nil, `{"max_input_tokens":%d}`, i)})
		must(t, err)
	}
	if len(p.read) != 1 {
		t.Errorf("%d are kept", len(p.read))
	}
}
