package wire

import (
	"fmt"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
)

// Of more calls than are followed, the name of one may come in pieces unseen: it
// is then in doubt what the answer calls.
func TestMoreCallsThanAreFollowed(t *testing.T) {
	meter, r := Chat.Meter(Edit{Call: new(policy.Call)}), Reading{}
	call := func(index int) {
		meter.Event(Event{Data: fmt.Appendf(nil, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"function":{"name":"f"}}]}}]}`, index)}, &r)
	}
	for i := range maxChoices {
		call(i)
	}
	if r.Doubt != nil {
		t.Errorf("%d calls are in doubt: %v", maxChoices, r.Doubt)
	}
	if call(maxChoices); r.Doubt == nil {
		t.Error("one more is not in doubt")
	}
}
