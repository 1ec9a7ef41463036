package ledger

import (
	"context"
	"time"
)

// How a hold ended.
type How string

const (
	Settled   How = "settled"   // by the provider's usage
	Estimated How = "estimated" // the provider's usage is not known
	Cancelled How = "cancelled" // the provider cannot have charged
)

// Usage counts tokens in classes that do not overlap.
type Usage struct {
	Input        int64 `json:"input,omitempty"`
	CacheRead    int64 `json:"cache_read,omitempty"`
	CacheWrite5m int64 `json:"cache_write_5m,omitempty"`
	CacheWrite1h int64 `json:"cache_write_1h,omitempty"`
	Output       int64 `json:"output,omitempty"` // reasoning included
	AudioIn      int64 `json:"audio_in,omitempty"`
	AudioOut     int64 `json:"audio_out,omitempty"`
	Searches     int64 `json:"searches,omitempty"` // counted fees: web searches
}

// Total is the number of tokens of all classes.
func (u Usage) Total() int64 {
	return u.Input + u.CacheRead + u.CacheWrite5m + u.CacheWrite1h + u.Output + u.AudioIn + u.AudioOut
}

// Settlement says what a call did cost and how it went. Cost is ignored for
// Cancelled. It never holds content.
type Settlement struct {
	How         How
	Cost        Micros
	Usage       Usage
	ModelServed string
	Tier        string // the service tier billed, "" for standard
	Price       string // the rate billed, as text, with its version
	Status      int    // HTTP status of the provider; 0: none came
	Ending      string // row of the table of endings, for example "complete", "cut", "client_gone"
	RequestID   string // the provider's request id
	Clamped     int64  // output cap sent upstream where aex lowered it, else 0
	FirstToken  time.Duration
	Latency     time.Duration
}

// Settled tells what a settlement did.
type Outcome struct {
	Cost    Micros
	Overrun Micros // of Cost, what no budget could take
	RunEnds bool   // an account of the run's path is overrun: the run was marked exhausted
	Late    bool   // the hold had been recovered; only the difference was booked
}

// Settle ends a hold by compare and swap, in the transaction of its event.
// Call it with context.WithoutCancel: the effect has happened. A second
// Settle of a hold that ended other than by recovery is ErrHoldEnded.
func (l *Ledger) Settle(ctx context.Context, id HoldID, s Settlement) (Outcome, error) {
	panic("contract")
}
