package fakeprovider

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Behaviour is how the provider answers. The zero value answers as a healthy
// provider does. Durations are nanoseconds in JSON.
type Behaviour struct {
	// What is answered.
	OutputTokens    int64      `json:"output_tokens,omitempty"`    // visible tokens of each output; 0: 16, negative: none
	Text            string     `json:"text,omitempty"`             // the answer itself, instead of words; OutputTokens does not apply
	UTF8            bool       `json:"utf8,omitempty"`             // words of two, three and four byte characters
	ReasoningTokens int64      `json:"reasoning_tokens,omitempty"` // before each output, billed as output, within its cap
	ToolCalls       []ToolCall `json:"tool_calls,omitempty"`       // answered instead of text when the request declares tools
	ToolRounds      int64      `json:"tool_rounds,omitempty"`      // how often in a row tools are called; 0: ToolCalls always, what a prompt orders once
	Searches        int64      `json:"searches,omitempty"`         // web searches made by the provider
	IgnoreCap       bool       `json:"ignore_cap,omitempty"`       // puts out more than the request allows
	ServedModel     string     `json:"served_model,omitempty"`     // model named in the answer and billed
	ServedTier      string     `json:"served_tier,omitempty"`      // service tier named in the answer and billed
	KeepTier        bool       `json:"keep_tier,omitempty"`        // but not where the request names the standard tier
	SystemPrint     string     `json:"system_fingerprint,omitempty"`

	// What the prompt is billed as: parts of it, at most all of it.
	CachedTokens   int64 `json:"cached_tokens,omitempty"`
	CacheWrite5m   int64 `json:"cache_write_5m,omitempty"`
	Caches         bool  `json:"caches,omitempty"` // Anthropic's cache, as a request asks for it, instead
	CacheWrite1h   int64 `json:"cache_write_1h,omitempty"`
	ImageTokens    int64 `json:"image_tokens,omitempty"`     // an image, instead of the wire's own figure
	AudioInTokens  int64 `json:"audio_in_tokens,omitempty"`  // added to the prompt
	ToolUseTokens  int64 `json:"tool_use_tokens,omitempty"`  // added to the prompt by hosted tools
	AudioOutTokens int64 `json:"audio_out_tokens,omitempty"` // added to the output

	// How a request to count a prompt is answered.
	CountPercent int64 `json:"count_percent,omitempty"` // of the tokens that it would be billed; 0: all
	CountStatus  int   `json:"count_status,omitempty"`  // it is refused so
	CountHangs   bool  `json:"count_hangs,omitempty"`   // until the client is gone or Release

	// Pace. Waits end when the client is gone.
	DelayHeaders time.Duration `json:"delay_headers_ns,omitempty"`
	DelayChunk   time.Duration `json:"delay_chunk_ns,omitempty"` // before each content chunk
	ChunkTokens  int64         `json:"chunk_tokens,omitempty"`   // tokens in a content chunk; 0: 1
	Pace         int64         `json:"pace,omitempty"`           // output tokens a second, for Options.Pass
	SlowDrip     bool          `json:"slow_drip,omitempty"`      // every byte in a write of its own

	// Fault and what it needs.
	Fault         Fault       `json:"fault,omitempty"`
	After         int         `json:"after,omitempty"`          // content chunks before a fault in mid-stream
	Torn          bool        `json:"torn,omitempty"`           // half an event comes before a fault in mid-stream
	RetryAfter    string      `json:"retry_after,omitempty"`    // header of a 429, 503 or 529; "-": none
	Status        int         `json:"status,omitempty"`         // of FaultStatus
	Body          string      `json:"body,omitempty"`           // of FaultStatus
	Header        http.Header `json:"header,omitempty"`         // added to any answer
	GoesOn        bool        `json:"goes_on,omitempty"`        // a stream whose connection breaks is made to its end, and billed
	OneIn         int         `json:"one_in,omitempty"`         // the fault happens to one request in so many; 0: to each
	GenerateAhead int64       `json:"generate_ahead,omitempty"` // tokens billed beyond what was sent when an answer stops early
	Unbilled      bool        `json:"unbilled,omitempty"`       // charges nothing

	// Oddities of usage.
	NoUsage         bool   `json:"no_usage,omitempty"`          // leaves usage out
	NullUsage       bool   `json:"null_usage,omitempty"`        // says usage: null
	ZeroUsage       bool   `json:"zero_usage,omitempty"`        // says zero, and bills zero
	NullDetails     bool   `json:"null_details,omitempty"`      // null for the breakdowns of usage
	UsageEveryChunk bool   `json:"usage_every_chunk,omitempty"` // cumulative usage on each chunk (chat, completions)
	UsageOnFinish   bool   `json:"usage_on_finish,omitempty"`   // usage on the last choice's chunk (chat, completions)
	DeltaUsage      string `json:"delta_usage,omitempty"`       // message_delta's input fields (messages): "", "none", "zero", "null", "grown"

	// Oddities of framing.
	Gzip          bool `json:"gzip,omitempty"` // though nobody asked
	CRLF          bool `json:"crlf,omitempty"`
	CR            bool `json:"cr,omitempty"`
	BOM           bool `json:"bom,omitempty"`
	Comments      bool `json:"comments,omitempty"`       // a comment line before each event
	MultiData     bool `json:"multi_data,omitempty"`     // an event's JSON over several data lines
	SplitUTF8     bool `json:"split_utf8,omitempty"`     // flushes within each multi-byte character
	DuplicateDone bool `json:"duplicate_done,omitempty"` // the terminator twice
	NoDone        bool `json:"no_done,omitempty"`        // the terminator not at all
	NoLastBlank   bool `json:"no_last_blank,omitempty"`  // the last event without its blank line
	EmptyFirst    bool `json:"empty_first,omitempty"`    // a first chunk without choices (chat)
	ExtraFields   bool `json:"extra_fields,omitempty"`   // fields nobody knows
	HugeEvent     int  `json:"huge_event,omitempty"`     // bytes of padding in the first content chunk
}

// ToolCall is a call of one of the client's tools.
type ToolCall struct {
	Name string `json:"name"` // "": the first tool declared
	Args string `json:"args"` // JSON; "": {}
}

// Fault is one way to fail.
type Fault string

// The faults. Refusals charge nothing; everything after the model has started
// charges what it generated, whether or not the client saw it.
const (
	FaultRateLimit   Fault = "rate_limit"    // 429 in the provider's shape, Retry-After
	FaultServerError Fault = "server_error"  // 500 in the provider's shape
	FaultBadRequest  Fault = "bad_request"   // 400 in the provider's shape
	FaultOverloaded  Fault = "overloaded"    // 529 (messages), 503 elsewhere
	FaultStatus      Fault = "status"        // Behaviour.Status with Behaviour.Body; charged unless 4xx
	FaultForeign502  Fault = "foreign_502"   // an HTML page of something between; charged
	FaultErrorUsage  Fault = "error_usage"   // 500 in the provider's shape with usage in it; charged
	FaultDropHeaders Fault = "drop_headers"  // connection closed after the request was read; charged
	FaultDropReused  Fault = "drop_reused"   // the same, on a connection that served before; waits for one
	FaultHangHeaders Fault = "hang_headers"  // no answer until the client is gone or Release; charged
	FaultCut         Fault = "cut"           // connection closed in mid-body
	FaultReset       Fault = "reset"         // the same, by TCP RST
	FaultCleanEnd    Fault = "clean_end"     // a body that ends well, too early
	FaultMalformed   Fault = "malformed"     // one event (or the whole body) that is no JSON
	FaultErrorEvent  Fault = "error_event"   // the provider's error event in mid-stream, then the end
	FaultHang        Fault = "hang"          // silence in mid-body until the client is gone or Release, then on
	FaultFailed      Fault = "failed"        // generation fails: response.failed (responses); elsewhere as error_event
	FaultLateStart   Fault = "error_in_200"  // status 200 with the provider's error body; nothing charged
	FaultNoBody      Fault = "empty_200"     // status 200 and nothing in it; charged
	FaultUpgradeHTML Fault = "foreign_login" // status 200 with an HTML page of something between; charged
)

var faults = map[Fault]bool{
	"": true, FaultRateLimit: true, FaultServerError: true, FaultBadRequest: true, FaultOverloaded: true,
	FaultStatus: true, FaultForeign502: true, FaultErrorUsage: true, FaultDropHeaders: true, FaultDropReused: true,
	FaultHangHeaders: true, FaultCut: true, FaultReset: true, FaultCleanEnd: true, FaultMalformed: true,
	FaultErrorEvent: true, FaultHang: true, FaultFailed: true, FaultLateStart: true, FaultNoBody: true,
	FaultUpgradeHTML: true,
}

// ErrBehaviour is a behaviour that makes no sense.
var ErrBehaviour = errors.New("no such behaviour")

func (b Behaviour) check() error {
	if !faults[b.Fault] {
		return fmt.Errorf("%w: fault %q", ErrBehaviour, b.Fault)
	}
	if b.Fault == FaultStatus && (b.Status < 200 || b.Status > 599) {
		return fmt.Errorf("%w: status %d", ErrBehaviour, b.Status)
	}
	switch b.DeltaUsage {
	case "", "none", "zero", "null", "grown":
	default:
		return fmt.Errorf("%w: delta_usage %q", ErrBehaviour, b.DeltaUsage)
	}
	return nil
}

// Set makes b the behaviour for every request without a nearer one. It panics
// on a behaviour that makes no sense, as that is a broken test.
func (p *Provider) Set(b Behaviour) { must(p.trySet(b)) }

// SetModel makes b the behaviour for requests that ask for the model.
func (p *Provider) SetModel(model string, b Behaviour) {
	must(b.check())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.models[model] = b
	p.turn++
}

// Next queues behaviours, one for each of the next requests to a model;
// listings and token counts take none.
func (p *Provider) Next(bs ...Behaviour) { must(p.tryNext(bs)) }

func (p *Provider) trySet(b Behaviour) error {
	if err := b.check(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = b
	p.turn++
	return nil
}

func (p *Provider) tryNext(bs []Behaviour) error {
	for _, b := range bs {
		if err := b.check(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = append(p.next, bs...)
	return nil
}

// choose takes the behaviour of a request to the model that came as the n-th
// on its connection. The caller holds p.mu.
func (p *Provider) choose(model string, nth int64) Behaviour {
	if len(p.next) > 0 {
		b := p.next[0]
		if b.Fault == FaultDropReused && nth < 2 {
			b.Fault = ""
			return b
		}
		p.next = p.next[1:]
		return b
	}
	b, ok := p.models[model]
	if !ok && p.opt.Draw != nil {
		b = p.opt.Draw()
	} else if !ok {
		b = p.set
	}
	if b.Fault == FaultDropReused && nth < 2 {
		b.Fault = ""
	}
	if p.asked++; b.OneIn > 0 && p.asked%int64(b.OneIn) != 0 {
		b.Fault = ""
	}
	return b
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
