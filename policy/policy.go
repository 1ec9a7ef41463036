package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	strictjson "github.com/go-json-experiment/json"
)

// Capabilities are what an agent may do. The zero value allows no streaming,
// tools or media; Open() allows everything.
type Capabilities struct {
	AllowedModels      []string `json:"allowed_models,omitempty"` // globs; empty: all
	DeniedModels       []string `json:"denied_models,omitempty"`
	MaxInputTokens     int64    `json:"max_input_tokens,omitempty"`
	MaxOutputTokens    int64    `json:"max_output_tokens,omitempty"` // of all outputs of a call together
	MaxTokensPerReq    int64    `json:"max_tokens_per_request,omitempty"`
	Streaming          bool     `json:"allow_streaming"`
	Tools              bool     `json:"allow_tools"`
	AllowedTools       []string `json:"allowed_tool_names,omitempty"` // globs; empty: all
	DeniedTools        []string `json:"denied_tool_names,omitempty"`
	FunctionCalling    bool     `json:"allow_function_calling"`
	Vision             bool     `json:"allow_vision"`
	Strict             bool     `json:"strict_mode,omitempty"`
	Passthrough        bool     `json:"allow_passthrough,omitempty"`
	PassthroughOnly    bool     `json:"passthrough_required,omitempty"`
	ReserveHostedTools bool     `json:"reserve_hosted_tools,omitempty"` // the name that HostedAllow had
	HostedTools        string   `json:"hosted_tools,omitempty"`         // HostedAuto, HostedRefuse, HostedAllow; "": not said
}

// Open returns capabilities that allow everything.
func Open() Capabilities {
	return Capabilities{Streaming: true, Tools: true, FunctionCalling: true, Vision: true}
}

// ParseCapabilities reads what the ledger keeps of an agent. Unknown or
// malformed content is an error, never "allow all". Empty input is Open(); what
// a text that is not empty leaves out is not allowed.
func ParseCapabilities(b json.RawMessage) (Capabilities, error) {
	if len(b) == 0 {
		return Open(), nil
	}
	var caps Capabilities
	if b[0] != '{' {
		return Capabilities{}, fmt.Errorf("reading capabilities: not a JSON object")
	}
	if err := strictjson.Unmarshal(b, &caps, strictjson.RejectUnknownMembers(true)); err != nil {
		return Capabilities{}, fmt.Errorf("reading capabilities: %w", err)
	}
	if err := caps.Check(); err != nil {
		return Capabilities{}, fmt.Errorf("reading capabilities: %w", err)
	}
	return caps, nil
}

// Check reports what capabilities cannot mean.
func (caps Capabilities) Check() error {
	for name, n := range map[string]int64{
		"max_input_tokens": caps.MaxInputTokens, "max_output_tokens": caps.MaxOutputTokens,
		"max_tokens_per_request": caps.MaxTokensPerReq,
	} {
		if n < 0 {
			return fmt.Errorf("%s is negative; 0 is no limit", name)
		}
	}
	for name, list := range map[string][]string{
		"allowed_models": caps.AllowedModels, "denied_models": caps.DeniedModels,
		"allowed_tool_names": caps.AllowedTools, "denied_tool_names": caps.DeniedTools,
	} {
		if slices.ContainsFunc(list, func(s string) bool { return strings.TrimSpace(s) == "" }) {
			return fmt.Errorf("%s holds an empty name", name)
		}
	}
	switch caps.HostedTools {
	case "", HostedAuto, HostedRefuse, HostedAllow:
	default:
		return fmt.Errorf("hosted_tools is %q; it is auto, refuse or allow", caps.HostedTools)
	}
	if caps.PassthroughOnly && !caps.Passthrough {
		return fmt.Errorf("passthrough_required needs allow_passthrough")
	}
	return nil
}

// Denial is a policy's refusal. Code is the x-aex-code.
type Denial struct {
	Code   string // "policy_denied", "model_not_allowed"
	Rule   string // the rule that said so: "allowed_models"
	Reason string // one sentence, with the limit; no content
}

func deny(rule, format string, args ...any) *Denial {
	return &Denial{"policy_denied", rule, fmt.Sprintf(format, args...)}
}

// Decide says whether the capabilities allow the call; nil means yes. It also
// returns the output cap that the capabilities impose on each output (0: none):
// the provider gets it where the client asks for more, or for no cap.
//
// A rule denies what it cannot verify: a tool without a name fails a list of
// names, input that is not seen counts as the model's whole window.
func Decide(caps Capabilities, c Call, m Model) (outputCap int64, denied *Denial) {
	for _, rule := range []func(Capabilities, Call, Model) *Denial{
		decideModel, decideStreaming, decideTools, decideToolNames, decideMedia, decideModelFile, decideStrict,
	} {
		if denied := rule(caps, c, m); denied != nil {
			return 0, denied
		}
	}
	outputCap, denied = decideTokens(caps, c, m)
	if denied != nil {
		return 0, denied
	}
	outputCap = Strictest(outputCap, m.Cap)
	if denied = decideCap(c, outputCap); denied != nil {
		return 0, denied
	}
	return outputCap, nil
}

// decideCap denies a call whose cap is lowered to one that its API refuses: then
// nothing that the client could read would tell it why.
func decideCap(c Call, outputCap int64) *Denial {
	switch {
	case outputCap == 0 || c.Fixed || !uncapped(c) && *c.OutputCap <= outputCap:
	case c.Wire == Responses && outputCap < leastCap:
		return deny("max_output_tokens", "the limit of %d output tokens is below the %d that the API takes as a cap at least", outputCap, leastCap)
	case c.Wire == Messages && c.ThinkingCap > 0 && outputCap <= leastThinkingMessages:
		return deny("max_output_tokens", "the limit of %d output tokens leaves no room for thinking, which takes %d at least: turn thinking off, or raise the limit", outputCap, leastThinkingMessages)
	}
	return nil
}

// decideModel goes by the name asked for and the name sent. A denied name is
// denied with a date or -latest behind it too, and with a router's words around
// it: openai/gpt-4o:free is gpt-4o.
func decideModel(caps Capabilities, c Call, m Model) *Denial {
	if len(caps.DeniedModels) > 0 && anyGlob(caps.DeniedModels, namesOf(c, m)...) {
		return &Denial{"model_not_allowed", "denied_models", fmt.Sprintf("model %q is on its list of denied models", m.Name)}
	}
	if len(caps.AllowedModels) > 0 && !anyGlob(caps.AllowedModels, m.Name, m.Sent) {
		return &Denial{"model_not_allowed", "allowed_models", fmt.Sprintf("model %q is not on its list of allowed models", m.Name)}
	}
	if len(c.Elsewhere) > 0 && len(caps.DeniedModels)+len(caps.AllowedModels) > 0 {
		rule := "denied_models"
		if len(caps.DeniedModels) == 0 {
			rule = "allowed_models"
		}
		return &Denial{"model_not_allowed", rule, fmt.Sprintf("%q may let a model answer that is not looked up in its lists of models; leave it out", c.Elsewhere[0])}
	}
	return nil
}

// namesOf are the names that a call's model goes by, with the spellings of each.
func namesOf(c Call, m Model) []string {
	asked := []string{m.Name, m.Sent}
	if c.Model != "" {
		asked = append(asked, trimGemini(c.Model))
	}
	for _, name := range asked {
		bare, _, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
		asked = append(asked, bare)
	}
	names := slices.Clone(asked)
	for _, name := range asked {
		names = append(names, spellings(name)...)
	}
	return names
}

func decideStreaming(caps Capabilities, c Call, _ Model) *Denial {
	if c.Stream && !caps.Streaming {
		return deny("allow_streaming", "the agent may not stream")
	}
	return nil
}

// usesTools reports whether the model may call any tool, or is shown what one
// that was called gave.
func usesTools(c Call) bool {
	return c.Tools > 0 || len(c.ToolNames) > 0 || c.UnnamedTool || len(c.Hosted) > 0 || c.ToolChoice || c.ToolTurns
}

func decideTools(caps Capabilities, c Call, _ Model) *Denial {
	switch {
	case !usesTools(c):
		return nil
	case !caps.Tools:
		return deny("allow_tools", "the agent may not use tools")
	case !caps.FunctionCalling:
		return deny("allow_function_calling", "the agent may not use function calling, and the request declares tools, asks for a call or has one in it")
	}
	return nil
}

func decideToolNames(caps Capabilities, c Call, _ Model) *Denial {
	if len(caps.AllowedTools) == 0 && len(caps.DeniedTools) == 0 {
		return nil
	}
	rule := "allowed_tool_names"
	if len(caps.AllowedTools) == 0 {
		rule = "denied_tool_names"
	}
	for _, t := range c.Hosted {
		if len(caps.AllowedTools) > 0 || anyGlob(caps.DeniedTools, t.Type) {
			return deny(rule, "the provider's own tool %q is not on its list of tools", t.Type)
		}
	}
	if c.UnnamedTool || c.Tools > len(c.ToolNames)+len(c.Hosted) {
		return deny(rule, "the request declares a tool whose name cannot be checked")
	}
	for _, name := range c.ToolNames {
		if !caps.allowsName(name) {
			return deny(rule, "tool %q is not allowed to the agent", name)
		}
	}
	return nil
}

// AllowsToolCall reports whether the model's answer may call a tool of this
// name.
func AllowsToolCall(caps Capabilities, name string) bool {
	return caps.Tools && caps.FunctionCalling && caps.allowsName(name)
}

func (caps Capabilities) allowsName(name string) bool {
	switch {
	case len(caps.AllowedTools) == 0 && len(caps.DeniedTools) == 0:
		return true
	case name != strings.TrimSpace(name), name == "": // a client may trim it, and call another
		return false
	case anyGlob(caps.DeniedTools, name):
		return false
	}
	return len(caps.AllowedTools) == 0 || anyGlob(caps.AllowedTools, name)
}

// hasMedia reports whether anything but text comes in.
func hasMedia(c Call) bool { return len(c.Images) > 0 || len(c.Audio) > 0 || len(c.Files) > 0 }

func decideMedia(caps Capabilities, c Call, _ Model) *Denial {
	if hasMedia(c) && !caps.Vision {
		return deny("allow_vision", "the agent may not send images, audio or files")
	}
	return nil
}

// decideModelFile enforces what models.yaml says of the model.
func decideModelFile(_ Capabilities, c Call, m Model) *Denial {
	no := func(b *bool) bool { return b != nil && !*b }
	switch {
	case no(m.Tools) && usesTools(c):
		return deny("capabilities.tools", "models.yaml says that model %q has no tools", m.Name)
	case no(m.Vision) && hasMedia(c):
		return deny("capabilities.vision", "models.yaml says that model %q takes no images, audio or files", m.Name)
	case no(m.Reasoning) && c.ThinkingCap > 0:
		return deny("capabilities.reasoning", "models.yaml says that model %q does not reason", m.Name)
	}
	return nil
}

// decideStrict denies whatever cannot be verified.
func decideStrict(caps Capabilities, c Call, m Model) *Denial {
	if !caps.Strict {
		return nil
	}
	remote := slices.ContainsFunc(c.Images, func(i Image) bool { return i.Remote })
	for _, parts := range [][]Media{c.Audio, c.Files} {
		remote = remote || slices.ContainsFunc(parts, func(part Media) bool { return part.Remote })
	}
	switch {
	case len(c.Unknown) > 0:
		return deny("strict_mode", "strict mode: the request has a field that aex does not know: %q", c.Unknown[0])
	case len(c.Elsewhere) > 0:
		return deny("strict_mode", "strict mode: %q may let another model answer", c.Elsewhere[0])
	case len(c.Hosted) > 0:
		return deny("strict_mode", "strict mode: the provider would run its own tool %q", c.Hosted[0].Type)
	case len(c.Hidden) > 0:
		return deny("strict_mode", "strict mode: %q brings in content that aex cannot see", c.Hidden[0])
	case remote:
		return deny("strict_mode", "strict mode: the request brings in content by address, which aex cannot see")
	case c.Background:
		return deny("strict_mode", "strict mode: the answer would be fetched later")
	case m.Price.Assumed:
		return deny("strict_mode", "strict mode: the price of model %q at %s is assumed from another provider; set prices_as or pricing in models.yaml", m.Name, m.Provider.Name)
	}
	return nil
}

// decideTokens holds the caps on tokens against the bounds, not against what
// the client says.
func decideTokens(caps Capabilities, c Call, m Model) (outputCap int64, denied *Denial) {
	if caps.MaxInputTokens == 0 && caps.MaxOutputTokens == 0 && caps.MaxTokensPerReq == 0 {
		return 0, nil
	}
	if rule := HostedRule([]Capabilities{caps}); rule != HostedRefuse {
		c.HostedRule = rule
	}
	input, _, _, err := boundInput(c, m)
	if err != nil && (caps.MaxInputTokens > 0 || caps.MaxTokensPerReq > 0) {
		return 0, deny("max_input_tokens", "the input of the request has no bound: %v", err)
	}
	if limit := caps.MaxInputTokens; limit > 0 && input > limit {
		return 0, deny("max_input_tokens", "the request may hold %d input tokens, more than the agent's %d", input, limit)
	}
	if limit := caps.MaxOutputTokens; limit > 0 {
		outputCap, denied = decideOutput("max_output_tokens", c, limit, 0)
		if denied != nil {
			return 0, denied
		}
	}
	if limit := caps.MaxTokensPerReq; limit > 0 {
		tighter, denied := decideOutput("max_tokens_per_request", c, limit-input, input)
		if denied != nil {
			return 0, denied
		}
		if outputCap == 0 || tighter < outputCap {
			outputCap = tighter
		}
	}
	return outputCap, nil
}

// decideOutput is the cap on each output by a limit on all outputs together,
// which the input has used up part of. A client's larger cap is lowered to it.
func decideOutput(rule string, c Call, limit, input int64) (each int64, denied *Denial) {
	outputs := max(c.Outputs, 1)
	if c.Wire == Embeddings {
		if limit < 0 {
			return 0, deny(rule, "the request may hold %d input tokens, more than the agent's %d tokens a request", input, limit+input)
		}
		return 0, nil
	}
	each = limit / outputs
	if each < 1 {
		return 0, deny(rule, "%d input tokens and %d outputs leave no room for an answer in the agent's limit of %d tokens", input, outputs, limit+input)
	}
	return each, nil
}
