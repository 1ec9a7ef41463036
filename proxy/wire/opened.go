package wire

import (
	"net/http"

	"github.com/Auro-rium/aex/v3/policy"
)

// Opened is a route that models.yaml opens, at the upstream path: nothing in it
// is read, and a call of it costs what models.yaml says. Its refusals are
// phrased as OpenAI's.
func Opened(at string) *Wire {
	return &Wire{
		Dialect: policy.Dialect{Name: "opened"},
		Path:    always(at),
		Read: func(*http.Request, Object, string) (policy.Call, error) {
			return policy.Call{Wire: "opened", Outputs: 1}, nil
		},
		Edit:   func(Object, Edit) []Splice { return nil },
		Meter:  func(Edit) Meter { return openedMeter{} },
		Refuse: openAIError,
		Silent: true,
	}
}

// openedMeter only waits for the end of the answer: the price is known beforehand.
type openedMeter struct{}

func (openedMeter) Whole(status int, body []byte, r *Reading) []Splice {
	if r.Finished = true; status < 400 {
		r.Known = true
		return nil
	}
	if doc, err := Parse(body); err == nil {
		r.Refused = ownError(doc.Object(new(error)), &policy.Host{Errors: []string{policy.ErrorObject, policy.ErrorText, policy.ErrorNamed}})
	}
	return nil
}

func (openedMeter) Event(Event, *Reading) (bool, []Splice) { return false, nil }
func (openedMeter) Cut(*Reading) []byte                    { return nil }
