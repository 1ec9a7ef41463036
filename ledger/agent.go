package ledger

import (
	"context"
	"encoding/json"
	"time"
)

// Agent is a name with accounts, limits and capabilities. ID is stable: a
// name deleted and made again is another agent.
type Agent struct {
	ID           string
	Name         string
	Budget       *Micros // of its window; nil: no limit
	Window       Window
	Limits       Limits
	Capabilities json.RawMessage // the policy package's; opaque here
	Paused       bool
	CreatedAt    time.Time
	DeletedAt    time.Time // zero: alive
	LastActivity time.Time
	Account      Account // the current window's account, or the total one
}

// Limits bound the pace of an agent's calls. 0 means no limit.
type Limits struct {
	RequestsPerMinute int64
	TokensPerMinute   int64
	Concurrency       int64
}

// NewAgent is what CreateAgent needs.
type NewAgent struct {
	Name         string
	Budget       *Micros
	Window       Window // "": Total
	Limits       Limits
	Capabilities json.RawMessage
}

// AgentChange holds what SetAgent changes; nil fields stay.
type AgentChange struct {
	Budget       **Micros // lowering commits to max(asked, spent+reserved) and follows as holds end
	Window       *Window
	Limits       *Limits
	Capabilities json.RawMessage
	Paused       *bool
}

func (l *Ledger) CreateAgent(ctx context.Context, n NewAgent) (Agent, error) { panic("contract") }
func (l *Ledger) Agent(ctx context.Context, name string) (Agent, error)      { panic("contract") }
func (l *Ledger) Agents(ctx context.Context) ([]Agent, error)                { panic("contract") }
func (l *Ledger) SetAgent(ctx context.Context, name string, c AgentChange) (Agent, error) {
	panic("contract")
}

// DeleteAgent revokes the agent's tokens and ends its runs; history stays.
func (l *Ledger) DeleteAgent(ctx context.Context, name string) error { panic("contract") }

// TopUpAgent raises the agent's budget; what it overran is paid first.
func (l *Ledger) TopUpAgent(ctx context.Context, name string, by Micros) (Agent, error) {
	panic("contract")
}
