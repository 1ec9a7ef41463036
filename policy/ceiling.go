package policy

// Ceiling is the most a call can cost, kept in a form from which a smaller
// output can be priced too.
type Ceiling struct {
	Input   Pico  // total of the input bound at the dearest price it can cause, plus fees
	Output  Pico  // of one output token in every output of the call (n included)
	Asked   int64 // output tokens: the client's cap, else the model's maximum
	Least   int64 // the smaller of Asked and min_output_tokens: below this the call is not worth making
	Floor   int64 // 8,192, or Asked when that is smaller: what a call gets while there is room
	Tokens  int64 // input bound plus all output, for tokens a minute
	InputTk int64 // the input bound in tokens
	Clamp   bool  // the cap may be lowered to fit
}

// Bound works out the ceiling of a call to a model.
func Bound(c Call, m Model, clamp bool) (Ceiling, error) { panic("contract") }

// Most is the hold that covers all that is asked, Least the smallest that is
// worth the call; micro-US-dollars, rounded up.
func (c Ceiling) MostMicros() int64  { panic("contract") }
func (c Ceiling) LeastMicros() int64 { panic("contract") }

// Share is the hold for so much unreserved money:
// output part = min(asked, max(half of what is unreserved, min(Floor, all that
// is unreserved))), after the input part; 0 when Least does not fit.
func (c Ceiling) Share(unreserved int64) int64 { panic("contract") }

// Cap is the output cap, in tokens, that a hold of so many micro-US-dollars
// pays for, at most Asked.
func (c Ceiling) Cap(hold int64) int64 { panic("contract") }
