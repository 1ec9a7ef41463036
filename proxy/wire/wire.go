// Package wire speaks the dialects of the providers' APIs. A Wire reads a request,
// edits it in place, meters the answer as it passes, and phrases a refusal. It knows
// nothing of the ledger, of processes or of HTTP connections.
package wire

import (
	"net/http"

	"github.com/Auro-rium/aex/v3/policy"
)

// Wire is one provider API. To add an API, add a file with one of these, and put it
// into All or Served; CONTRIBUTING.md goes through the fields.
type Wire struct {
	// Dialect is what the policies know of the wire: its name, which type of
	// provider speaks it, and the constants of its hidden costs.
	policy.Dialect

	// Operation is gen_ai.operation.name in metrics.
	Operation string

	// Find looks a request up among the wire's own routes. SDKs disagree on the version
	// in a path: Unversioned takes it off.
	Find func(method, path string) (Route, bool)
	// Owns tells whether a caller of an unknown path expects this wire's
	// refusals. Nil: never.
	Owns func(path string) bool

	// Fields are the top-level fields whose meaning for the price is known. Read goes by
	// them (see beside), and a test compares them with docs/ceilings.md.
	Fields map[string]bool

	// Authorize adds the real key as the provider wants it.
	Authorize func(h http.Header, key string)
	// Path is where a call to the model goes, below the provider's base URL. rest is the
	// route's Rest.
	Path func(m policy.Model, rest string) string
	// Read tells what the request asks for. An error is the caller's fault and names the
	// field. rest is the route's Rest.
	Read func(r *http.Request, body Object, rest string) (policy.Call, error)
	// Edit lists the changes to the body: model, cap, usage request.
	Edit func(body Object, e Edit) []Splice
	// Meter follows one answer. It is given the edit, so that it can undo in the answer
	// what the edit has caused.
	Meter func(e Edit) Meter
	// Refuse is the body of an error answer.
	Refuse func(r Refusal) []byte

	// AsksUsage tells whether the client itself asked for usage in its stream.
	// Nil: the wire has usage in every stream.
	AsksUsage func(body Object) bool
	// Count asks the provider for the tokens of a prompt. Nil: it cannot be asked.
	Count *Counting
	// Form: a request may be multipart/form-data, and models.yaml may open the
	// wire's routes at a price a call, for models that tell no usage.
	Form bool
	// Silent: an answer without any text is a good one, and not an empty one.
	Silent bool
}

// Route is what a wire serves at a path.
type Route struct {
	Free string // the name of a free answer; "" for a call that is metered
	Rest string // what stands after the fixed part of the path
	ID   string // of the stored answer that the route is about; "": none
}

// CountTokens is the free route that is relayed to the provider: no provider
// charges for a count.
const CountTokens = "count_tokens"

// Relayed are the free routes whose requests are passed on as they are: nothing in them
// costs anything. Where Route.ID is set, only the buyer of that answer may use them.
const Relayed = "relayed"

// All are the main wires: each has fixtures in proxy/testdata and a shape in the fake
// provider.
func All() []*Wire {
	return []*Wire{Chat, Responses, Completions, Embeddings, Messages, Gemini}
}

// Served are all wires that the gateway has routes for.
func Served() []*Wire {
	return append(All(), GeminiEmbeddings, Moderations, Images, Transcriptions)
}

// Named is the wire of that name; nil when there is none.
func Named(name string) *Wire {
	for _, w := range Served() {
		if w.Name == name {
			return w
		}
	}
	return nil
}

// posts is Find for a wire with a single route.
func posts(fixed string) func(method, path string) (Route, bool) {
	return func(method, path string) (Route, bool) {
		return Route{}, method == http.MethodPost && Unversioned(path) == fixed
	}
}

// always is Path for a wire that names its models in the body.
func always(path string) func(policy.Model, string) string {
	return func(policy.Model, string) string { return path }
}

// lowered tells whether the cap that the client sent, nil for none, has to become cap.
// To some servers a cap of 0 is none, so it is no lower than any other.
func lowered(sent *int64, cap int64) bool { return sent == nil || *sent == 0 || *sent > cap }

// Edit is what aex changes in a call: as little as it can.
type Edit struct {
	Model    string // the name to send, "" to leave the client's
	Cap      int64  // the output cap to send, 0 to leave the client's
	Usage    bool   // ask for usage in the stream
	Tier     string // the service tier to name, "" to leave the client's
	Thinking int64  // the thinking budget to send, 0 to leave the client's
	Uses     int64  // how often the provider may use its own tools, 0 to leave the client's
	// OpenAIModel: the model is one of OpenAI's own.
	OpenAIModel bool
	Masked      string       // the name to show in answers in place of the provider's, "" for none
	Host        *policy.Host // what is known of where the call goes; nil: nothing
	Call        *policy.Call // what the request asks for
}

// host is what is known of where the call goes. It is never nil.
func (e Edit) host() *policy.Host {
	if e.Host == nil {
		return policy.Provider{}.Host()
	}
	return e.Host
}

// Meter reads an answer as it passes. It never changes what it is given; what
// the client must see changed it returns.
type Meter interface {
	// Whole reads an answer that is not a stream, with any status.
	Whole(status int, body []byte, r *Reading) []Splice
	// Event reads one event of a stream. drop keeps it from the client; edits
	// change its data, and hold only when the data stands in one line.
	Event(e Event, r *Reading) (drop bool, edits []Splice)
	// Cut is what ends the stream, in the dialect and as if the cap had been reached,
	// when aex stops a provider that went on beyond the cap.
	Cut(r *Reading) []byte
}

// Reading is what a meter has learnt of an answer.
type Reading struct {
	Usage    policy.Usage
	Known    bool   // Usage is the provider's final word for the whole answer
	Input    *int64 // input tokens as reported before the end, where only they are known
	ID       string // of an answer that the provider keeps; "": none
	Model    string // as served
	Tier     string // service tier as served
	Geo      string // region as served, where that has a price (inference_geo)
	Finished bool   // the answer's own end was seen
	Refused  bool   // an error in the provider's own shape, without usage
	Code     string // of such an error
	Failed   bool   // an error within an answer of status 200, or in its place
	Own      bool   // that error has the shape of the host's own errors
	Answer   string // the provider's id of the answer
	By       string // the provider that a router says it was served by
	Cost     *int64 // the provider's own bill, micro-US-dollars rounded up; nil: it tells none
	Others   []Turn // what models beside Model used, within the answer

	Seen    int64    // bytes of output that passed: text, tool arguments, visible reasoning
	Deltas  int64    // events that carried output
	Hidden  bool     // output is being made that the answer does not show
	Outputs int64    // the most output tokens the provider has reported so far
	Tools   []string // names of the tools the answer calls
	Doubt   error    // why another reader may find something else in the answer; nil: none can
	Beyond  bool     // the model has read other input than the request shows: a hosted tool ran, or content was compacted or cleared
	Unclear string   // why Usage cannot be priced: a field that is not known and may change the price
}

// Turn is what one model used within an answer of another's.
type Turn struct {
	Model string // "": it is not told
	Usage policy.Usage
}
