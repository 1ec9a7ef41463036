package proxy

import (
	"net/http"

	"github.com/Auro-rium/aex/v3/policy"
)

// wire is one provider API: how its requests are read and edited, how its
// answers are metered, how a refusal is phrased. Adding an API is adding a
// file with one of these and a row in wires.
type wire interface {
	// name is the policy package's name of the wire.
	name() string

	// path is the upstream path, below the provider's base URL, of a call to
	// the model sent. rest is what the route matched after its fixed part.
	path(m policy.Model, rest string) string

	// read tells what the request asks for. An error is the caller's fault and
	// names the field. rest is as for path.
	read(r *http.Request, body object, rest string) (policy.Call, error)

	// edit lists the changes to the body: model, cap, usage request.
	edit(body object, e edit) []splice

	// meter follows one answer. It is given e so that it can undo, in the
	// answer, what the edit brought about.
	meter(e edit) meter

	// refusal is the body of an error answer.
	refusal(f fault) []byte
}

// edit is what aex changes in a call: as little as it can.
type edit struct {
	model    string // the name to send, "" to leave the client's
	cap      int64  // the output cap to send, 0 to leave the client's
	usage    bool   // ask for usage in the stream
	masked   string // the name to show in answers in place of the provider's, "" for none
	provider policy.Provider
	call     policy.Call
}

// meter reads an answer as it passes. It never changes what it is given; what
// the client must see changed it returns.
type meter interface {
	// whole reads an answer that is not a stream, with any status.
	whole(status int, body []byte, r *reading) []splice
	// event reads one event of a stream. drop keeps it from the client; edits
	// change its data, and hold only when the data stands in one line.
	event(e event, r *reading) (drop bool, edits []splice)
	// cut is what ends the stream, in the dialect and as if the cap had been
	// reached, when aex stops a provider that went on beyond it.
	cut(r *reading) []byte
}

// reading is what a meter has learnt of an answer.
type reading struct {
	usage    policy.Usage
	known    bool   // usage is the provider's final word for the whole answer
	input    *int64 // input tokens as reported before the end, where only they are known
	model    string // as served
	tier     string // service tier as served
	geo      string // region as served, where that has a price (inference_geo)
	finished bool   // the answer's own end was seen
	refused  bool   // an error in the provider's own shape, without usage
	failed   bool   // an error event within a stream

	seen    int64    // bytes of output that passed: text, tool arguments, visible reasoning
	deltas  int64    // events that carried output
	hidden  bool     // output is being made that does not pass
	outputs int64    // the most output tokens the provider has reported so far
	tools   []string // names of the tools the answer calls
	unclear string   // why usage cannot be priced: a field that is not known and changes the price
}

// wires by the policy package's names.
var wires = map[string]wire{
	policy.Chat:        chat{},
	policy.Responses:   responses{},
	policy.Completions: completions{},
	policy.Embeddings:  embeddings{},
	policy.Messages:    messages{},
	policy.Gemini:      gemini{},
}
