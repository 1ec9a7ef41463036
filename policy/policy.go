package policy

import "encoding/json"

// Capabilities are what an agent may do. The zero value of Open() allows
// everything.
type Capabilities struct {
	AllowedModels      []string `json:"allowed_models,omitempty"` // globs; empty: all
	DeniedModels       []string `json:"denied_models,omitempty"`
	MaxInputTokens     int64    `json:"max_input_tokens,omitempty"`
	MaxOutputTokens    int64    `json:"max_output_tokens,omitempty"`
	MaxTokensPerReq    int64    `json:"max_tokens_per_request,omitempty"`
	Streaming          bool     `json:"allow_streaming"`
	Tools              bool     `json:"allow_tools"`
	AllowedTools       []string `json:"allowed_tool_names,omitempty"`
	DeniedTools        []string `json:"denied_tool_names,omitempty"`
	FunctionCalling    bool     `json:"allow_function_calling"`
	Vision             bool     `json:"allow_vision"`
	Strict             bool     `json:"strict_mode,omitempty"`
	Passthrough        bool     `json:"allow_passthrough,omitempty"`
	PassthroughOnly    bool     `json:"passthrough_required,omitempty"`
	ReserveHostedTools bool     `json:"reserve_hosted_tools,omitempty"`
}

// Open returns capabilities that allow everything.
func Open() Capabilities {
	return Capabilities{Streaming: true, Tools: true, FunctionCalling: true, Vision: true}
}

// ParseCapabilities reads what the ledger keeps of an agent. Unknown or
// malformed content is an error, never "allow all". Empty input is Open().
func ParseCapabilities(b json.RawMessage) (Capabilities, error) { panic("contract") }

// Denial is a policy's no. Code is the x-aex-code.
type Denial struct {
	Code   string // "policy_denied", "model_not_allowed"
	Rule   string // the rule that said so: "allowed_models"
	Reason string // one sentence, with the limit; no content
}

// Decide says whether the capabilities allow the call; nil means yes. It also
// returns the output cap that the capabilities impose (0: none), which holds
// when the client leaves its own out.
func Decide(caps Capabilities, c Call, m Model) (outputCap int64, denied *Denial) { panic("contract") }
