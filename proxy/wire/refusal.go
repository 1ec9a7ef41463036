package wire

// Refusal is an answer that aex gives itself instead of a provider's. Each wire
// phrases it as its own provider would.
type Refusal struct {
	Code    string // x-aex-code
	Kind    Kind   // what SDKs and agents act on
	Status  int    // HTTP status
	Message string // for people; begins "aex: "
}

// Kind is the kind of a refusal. A wire has its provider's word for each kind, on which
// SDKs and agents act; docs/clients.md tells what they do.
type Kind int

// The kinds of refusals.
const (
	Invalid         Kind = iota // the request is malformed
	Unauthenticated             // no token, or none that is known
	Forbidden                   // policy, route, host
	NoModel                     // the model may not be used
	NoMoney                     // a budget or a count of calls is used up
	TooFast                     // a rate, concurrency, money in flight
	NotFound                    // what is asked for is not there
	TooLarge                    // the body exceeds a bound
	Unreachable                 // the provider cannot be reached
	Unavailable                 // aex itself cannot serve now
)
