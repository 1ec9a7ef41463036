package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// A request that names no model gets the default one, and its answers call it
// by the name that models.yaml gives it.
func TestTheDefaultModelHasItsName(t *testing.T) {
	w := newWorld(t, setup{models: "version: 1\ndefault_model: small\nmodels:\n  small:\n    provider: openai\n    provider_model: gpt-4o-mini\n"})
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"max_tokens":20,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1/responses":        `{"max_output_tokens":20,"input":"hi"}`,
	} {
		for _, stream := range []string{"", `"stream":true,`} {
			status, _, answer, err := w.post(path, "{"+stream+body[1:])
			if err != nil || status != http.StatusOK {
				t.Fatalf("%s: %v %d %.300s", path, err, status, answer)
			}
			w.booked(1)
			bill := w.provider.Bill()
			if strings.Contains(answer, "gpt-4o-mini") || !strings.Contains(answer, `"small"`) {
				t.Errorf("%s: the answer names another model: %.400s", path, answer)
			}
			if got := bill[len(bill)-1].Asked; got != "gpt-4o-mini" {
				t.Errorf("%s: %s was asked", path, got)
			}
		}
	}
}
