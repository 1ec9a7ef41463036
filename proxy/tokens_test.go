package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// TestTokensOfAMinuteAreOfTheWholeCall: the gateway asks the ledger for all the
// tokens that a call can use, every one of its outputs included; one that sent
// none would let every call through.
func TestTokensOfAMinuteAreOfTheWholeCall(t *testing.T) {
	for _, c := range []struct {
		limit, most int64
		outputs     int
		status      int
	}{
		{1000, 2000, 1, http.StatusForbidden}, // the cap alone is more, in any minute
		{4000, 2000, 1, http.StatusOK},
		{4000, 2000, 2, http.StatusForbidden}, // both outputs are, with the input
		{6000, 2000, 2, http.StatusOK},
	} {
		w := newWorld(t, setup{change: func(o *Options) { o.NoClamp = true }})
		limits := ledger.Limits{TokensPerMinute: c.limit}
		_, err := w.ledger.SetAgent(t.Context(), w.agent, ledger.AgentChange{Limits: &limits})
		must(t, err)
		body := fmt.Sprintf(`{"model":"gpt-4o-mini","max_tokens":%d,"n":%d,"messages":[{"role":"user","content":"hi"}]}`, c.most, c.outputs)
		status, _, answer, err := w.post("/v1/chat/completions", body)
		must(t, err)
		if status != c.status || status == http.StatusForbidden && !strings.Contains(answer, "tokens a minute") {
			t.Errorf("%d tokens a minute, %d outputs of %d: %d %s", c.limit, c.outputs, c.most, status, answer)
		}
	}
}
