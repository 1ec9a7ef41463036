package policy

import (
	"encoding/json"
	"strings"
	"testing"
)

func said(b bool) *bool { return &b }

func at(n int64) *int64 { return &n }

// TestDecideByEachSign: a tool counts by whichever sign the request gives of it,
// and what models.yaml says of a model holds only for what it denies.
func TestDecideByEachSign(t *testing.T) {
	picture, thinking := Call{Images: []Image{{Bytes: 9}}}, Call{ThinkingCap: 1}
	none := Model{Tools: said(false), Vision: said(false), Reasoning: said(false)}
	all := Model{Tools: said(true), Vision: said(true), Reasoning: said(true)}
	for _, c := range []decision{
		{"a count of tools", noTools, Call{Tools: 1}, Model{}, "allow_tools", 0},
		{"a name of a tool", noTools, Call{ToolNames: []string{"a"}}, Model{}, "allow_tools", 0},
		{"models.yaml: no tools", Open(), Call{ToolNames: []string{"a"}}, none, "capabilities.tools", 0},
		{"models.yaml: no pictures", Open(), picture, none, "capabilities.vision", 0},
		{"models.yaml: no reasoning", Open(), thinking, none, "capabilities.reasoning", 0},
		{"models.yaml: none of them is used", Open(), Call{}, none, "", 0},
		{"models.yaml: tools", Open(), Call{Tools: 1}, all, "", 0},
		{"models.yaml: pictures", Open(), picture, all, "", 0},
		{"models.yaml: reasoning", Open(), thinking, all, "", 0},
		{"one token for each output", Capabilities{MaxOutputTokens: 6}, Call{Outputs: 6}, Model{}, "", 1},
		{"a cap that the Responses API takes", Capabilities{MaxOutputTokens: 16}, Call{Wire: Responses}, Model{}, "", 16},
		{"a cap that it does not take", Capabilities{MaxOutputTokens: 15}, Call{Wire: Responses, OutputCap: at(16)}, Model{}, "max_output_tokens", 0},
		{"a cap of the client's own below that", Capabilities{MaxOutputTokens: 15}, Call{Wire: Responses, OutputCap: at(9)}, Model{}, "", 15},
		{"the same cap elsewhere", Capabilities{MaxOutputTokens: 15}, Call{Wire: Chat}, Model{}, "", 15},
		{"of models.yaml", Open(), Call{Wire: Responses}, Model{Cap: 5}, "max_output_tokens", 0},
		{"no room for thinking", Capabilities{MaxOutputTokens: 1024}, Call{Wire: Messages, OutputCap: at(4000), ThinkingCap: 2000}, Model{}, "max_output_tokens", 0},
		{"room for thinking", Capabilities{MaxOutputTokens: 1025}, Call{Wire: Messages, OutputCap: at(4000), ThinkingCap: 2000}, Model{}, "", 1025},
		{"no thinking", Capabilities{MaxOutputTokens: 1024}, Call{Wire: Messages, OutputCap: at(4000)}, Model{}, "", 1024},
		{"a request's limit below the output's", Capabilities{MaxOutputTokens: 600, MaxTokensPerReq: 1_500}, Call{BodyBytes: 1_000}, Model{}, "", 500},
	} {
		got, denied := Decide(c.caps, c.call, c.m)
		if (denied == nil) != (c.rule == "") || denied != nil && denied.Rule != c.rule || got != c.cap {
			t.Errorf("%s: %d, %+v", c.name, got, denied)
		}
	}
}

// TestLimitsAndHostedTools: input that the provider adds by tools of its own has
// a bound where those are bounded or reserved for; without one a limit of input
// or of all tokens denies, and a limit of output does not.
func TestLimitsAndHostedTools(t *testing.T) {
	search := Call{Wire: Chat, BodyBytes: 1_000, Hosted: []HostedTool{{Type: "web_fetch"}}}
	for _, c := range []decision{
		{"reserved for", Capabilities{Tools: true, FunctionCalling: true, MaxInputTokens: 1 << 40, HostedTools: HostedAuto}, search, Model{}, "", 0},
		{"refused: a limit of input", Capabilities{Tools: true, FunctionCalling: true, MaxInputTokens: 1 << 40, HostedTools: HostedRefuse}, search, Model{}, "max_input_tokens", 0},
		{"refused: a limit of all tokens", Capabilities{Tools: true, FunctionCalling: true, MaxTokensPerReq: 1 << 40, HostedTools: HostedRefuse}, search, Model{}, "max_input_tokens", 0},
		{"refused: a limit of output", Capabilities{Tools: true, FunctionCalling: true, MaxOutputTokens: 500, HostedTools: HostedRefuse}, search, Model{}, "", 500},
	} {
		got, denied := Decide(c.caps, c.call, c.m)
		if (denied == nil) != (c.rule == "") || denied != nil && denied.Rule != c.rule || got != c.cap {
			t.Errorf("%s: %d, %+v", c.name, got, denied)
		}
	}
	// A message tells the agent's whole limit, not what the input has left of it.
	for _, c := range []Call{{Wire: Chat, BodyBytes: 1_200}, {Wire: Embeddings, BodyBytes: 1_200}} {
		if _, denied := Decide(Capabilities{MaxTokensPerReq: 1_100}, c, Model{}); denied == nil || !strings.Contains(denied.Reason, "1100 tokens") {
			t.Errorf("%s: %+v", c.Wire, denied)
		}
	}
}

// TestToolCallsOfAnswers go by the same lists and switches as those of requests.
func TestToolCallsOfAnswers(t *testing.T) {
	if AllowsToolCall(noTools, "ls") {
		t.Error("an agent without tools calls one")
	}
	for name, want := range map[string]bool{"ls": true, "rm": false, "rm ": false, "\nrm": false, "": false} {
		if AllowsToolCall(forbidden, name) != want {
			t.Errorf("%q beside a list of denied tools", name)
		}
	}
	if _, err := ParseCapabilities(json.RawMessage(`{"passthrough_required":true,"allow_passthrough":true}`)); err != nil {
		t.Errorf("passthrough that is allowed and required: %v", err)
	}
}
