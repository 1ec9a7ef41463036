package proxy

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/Auro-rium/aex/v3/ledger"
)

// bookedCall is a call that has ended, as its event tells of it.
type bookedCall struct {
	ledger.CallInfo
	Cost       ledger.Micros `json:"cost_micro"`
	How        string        `json:"how"`
	Hold       ledger.HoldID `json:"hold"`
	Amount     ledger.Micros `json:"held_micro"`
	Served     string        `json:"model_served"`
	Tier       string        `json:"tier"`
	Billed     string        `json:"price"` // the rate that was billed
	Usage      ledger.Usage  `json:"usage"`
	Status     int           `json:"status"`
	Ending     string        `json:"ending"`
	RequestID  string        `json:"request_id"`
	Clamped    int64         `json:"clamped"`
	FirstToken int64         `json:"first_token_ms"`
	Latency    int64         `json:"latency_ms"`
}

// bookedCalls are the newest calls of a run that have ended, oldest first.
func bookedCalls(ctx context.Context, l *ledger.Ledger, run ledger.RunID, limit int) ([]bookedCall, error) {
	page, err := l.Events(ctx, ledger.EventFilter{Run: run, Action: "usage.", Newest: true, Limit: 2 * limit})
	if err != nil {
		return nil, err
	}
	var calls []bookedCall
	for _, e := range page.Events {
		if e.Action == "usage.overrun" {
			continue
		}
		var c bookedCall
		if err := json.Unmarshal(e.Body, &c); err != nil {
			return nil, err
		}
		if calls = append(calls, c); len(calls) == limit {
			break
		}
	}
	slices.Reverse(calls)
	return calls, nil
}
