package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// decision is a case of Decide.
type decision struct {
	name string
	caps Capabilities
	call Call
	m    Model
	rule string // "": allowed
	cap  int64
}

// opened is what an open agent may do, changed.
func opened(change func(*Capabilities)) Capabilities {
	caps := Open()
	change(&caps)
	return caps
}

func number(i int64) *int64 { return &i }

var (
	aTool     = Call{Tools: 1, ToolNames: []string{"read_file"}}
	noTools   = opened(func(c *Capabilities) { c.Tools = false })
	noCalls   = opened(func(c *Capabilities) { c.FunctionCalling = false })
	noVision  = opened(func(c *Capabilities) { c.Vision = false })
	listed    = opened(func(c *Capabilities) { c.AllowedTools = []string{"read_*"} })
	forbidden = opened(func(c *Capabilities) { c.DeniedTools = []string{"rm", "web_*"} })
	strict    = opened(func(c *Capabilities) { c.Strict = true })
	only      = opened(func(c *Capabilities) { c.AllowedModels = []string{"gpt-4o", "house-*"} })
	never     = opened(func(c *Capabilities) { c.DeniedModels = []string{"gpt-5", "*opus*"} })
)

func named(asked, sent string) Model { return Model{Name: asked, Sent: sent} }

var modelDecisions = []decision{
	{"open allows everything", Open(), Call{Stream: true, Tools: 2, UnnamedTool: true, ToolChoice: true, Images: []Image{{}}, Unknown: []string{"x"}, Hidden: []string{"y"}}, Model{}, "", 0},
	{"the zero value allows text", Capabilities{}, Call{}, Model{}, "", 0},
	{"allowed by name", only, Call{}, named("gpt-4o", "gpt-4o"), "", 0},
	{"allowed by glob", only, Call{}, named("house-1", "x"), "", 0},
	{"allowed by the name sent", only, Call{}, named("alias", "gpt-4o"), "", 0},
	{"not allowed", only, Call{}, named("gpt-5", "gpt-5"), "allowed_models", 0},
	{"a name is not a prefix", only, Call{}, named("gpt-4o-mini", "gpt-4o-mini"), "allowed_models", 0},
	{"a dated model is another to an allow list", only, Call{}, named("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"), "allowed_models", 0},
	{"not denied", never, Call{}, named("gpt-5-mini", "gpt-5-mini"), "", 0},
	{"denied", never, Call{}, named("gpt-5", "gpt-5"), "denied_models", 0},
	{"denied in capitals", never, Call{}, named("GPT-5", "GPT-5"), "denied_models", 0},
	{"denied with a date", never, Call{}, named("gpt-5-2025-08-07", "gpt-5-2025-08-07"), "denied_models", 0},
	{"denied behind an alias", never, Call{}, named("cheap", "claude-opus-4-5"), "denied_models", 0},
	{"denied by way of a router", never, Call{}, named("openai/gpt-5", "openai/gpt-5"), "denied_models", 0},
	{"denied as a router's variant", never, Call{}, named("openai/gpt-5-2025-08-07:free", "openai/gpt-5-2025-08-07:free"), "denied_models", 0},
	{"denied as asked", never, Call{Model: "models/gpt-5"}, named("x", "x"), "denied_models", 0},
}

var toolDecisions = []decision{
	{"tools", noTools, aTool, Model{}, "allow_tools", 0},
	{"a hosted tool is a tool", noTools, Call{Hosted: []HostedTool{{Type: "web_search", MaxUses: 1}}}, Model{}, "allow_tools", 0},
	{"an unnamed tool is a tool", noTools, Call{UnnamedTool: true}, Model{}, "allow_tools", 0},
	{"no tools used", noTools, Call{}, Model{}, "", 0},
	{"function calling without tool_choice", noCalls, aTool, Model{}, "allow_function_calling", 0},
	{"function calling by tool_choice alone", noCalls, Call{ToolChoice: true}, Model{}, "allow_function_calling", 0},
	{"no function calling used", noCalls, Call{}, Model{}, "", 0},
	{"a listed tool", listed, aTool, Model{}, "", 0},
	{"one of two is not listed", listed, Call{Tools: 2, ToolNames: []string{"read_file", "rm"}}, Model{}, "allowed_tool_names", 0},
	{"a tool without a name", listed, Call{Tools: 1, UnnamedTool: true}, Model{}, "allowed_tool_names", 0},
	{"an empty name", listed, Call{Tools: 1, ToolNames: []string{""}}, Model{}, "allowed_tool_names", 0},
	{"a tool that was not read", listed, Call{Tools: 2, ToolNames: []string{"read_file"}}, Model{}, "allowed_tool_names", 0},
	{"a hosted tool on a list", listed, Call{Tools: 1, Hosted: []HostedTool{{Type: "read_all", MaxUses: 1}}}, Model{}, "allowed_tool_names", 0},
	{"a denied tool", forbidden, Call{Tools: 1, ToolNames: []string{"RM"}}, Model{}, "denied_tool_names", 0},
	{"a denied hosted tool", forbidden, Call{Tools: 1, Hosted: []HostedTool{{Type: "web_search", MaxUses: 1}}}, Model{}, "denied_tool_names", 0},
	{"another hosted tool", forbidden, Call{Tools: 1, Hosted: []HostedTool{{Type: "file_search", MaxUses: 1}}}, Model{}, "", 0},
	{"a nameless tool beside a hosted one", forbidden, Call{Tools: 1, UnnamedTool: true, Hosted: []HostedTool{{Type: "file_search", MaxUses: 1}}}, Model{}, "denied_tool_names", 0},
	{"a nameless tool against denied names", forbidden, Call{Tools: 1, UnnamedTool: true}, Model{}, "denied_tool_names", 0},
}

var mediaDecisions = []decision{
	{"no streaming", opened(func(c *Capabilities) { c.Streaming = false }), Call{Stream: true}, Model{}, "allow_streaming", 0},
	{"whole without streaming", opened(func(c *Capabilities) { c.Streaming = false }), Call{}, Model{}, "", 0},
	{"an image", noVision, Call{Images: []Image{{}}}, Model{}, "allow_vision", 0},
	{"audio", noVision, Call{Audio: []Media{{}}}, Model{}, "allow_vision", 0},
	{"a file", noVision, Call{Files: []Media{{}}}, Model{}, "allow_vision", 0},
	{"text", noVision, Call{}, Model{}, "", 0},
	{"models.yaml: no vision", Open(), Call{Files: []Media{{}}}, Model{Vision: new(bool)}, "capabilities.vision", 0},
	{"models.yaml: no tools", Open(), Call{ToolChoice: true}, Model{Tools: new(bool)}, "capabilities.tools", 0},
	{"models.yaml: no reasoning", Open(), Call{ThinkingCap: 1}, Model{Reasoning: new(bool)}, "capabilities.reasoning", 0},
}

var tokenDecisions = []decision{
	{"input fits", Capabilities{MaxInputTokens: 1_000}, Call{BodyBytes: 1_000}, Model{}, "", 0},
	{"input is too long", Capabilities{MaxInputTokens: 1_000}, Call{BodyBytes: 1_001}, Model{}, "max_input_tokens", 0},
	{"input that is not seen", Capabilities{MaxInputTokens: 1_000}, Call{Hidden: []string{"conversation"}}, Model{Context: 8_192}, "max_input_tokens", 0},
	{"input without a bound", opened(func(c *Capabilities) { c.MaxInputTokens = 1 << 40 }), Call{Hosted: []HostedTool{{Type: "web_search"}}}, Model{}, "max_input_tokens", 0},
	{"the cap holds when left out", Capabilities{MaxOutputTokens: 500}, Call{}, Model{MaxOutput: 8_192}, "", 500},
	{"a smaller cap", Capabilities{MaxOutputTokens: 500}, Call{OutputCap: number(100)}, Model{}, "", 500},
	{"a larger cap", Capabilities{MaxOutputTokens: 500}, Call{OutputCap: number(501)}, Model{}, "", 500},
	{"several outputs share the cap", Capabilities{MaxOutputTokens: 500}, Call{Outputs: 4}, Model{}, "", 125},
	{"several outputs exceed it", Capabilities{MaxOutputTokens: 500}, Call{Outputs: 4, OutputCap: number(126)}, Model{}, "", 125},
	{"models.yaml: the model's cap", Capabilities{MaxOutputTokens: 500}, Call{}, Model{Cap: 400}, "", 400},
	{"models.yaml: a greater cap", Capabilities{MaxOutputTokens: 500}, Call{}, Model{Cap: 600}, "", 500},
	{"more outputs than tokens", Capabilities{MaxOutputTokens: 5}, Call{Outputs: 6}, Model{}, "max_output_tokens", 0},
	{"a request's limit when left out", Capabilities{MaxTokensPerReq: 1_500}, Call{BodyBytes: 1_000}, Model{MaxOutput: 8_192}, "", 500},
	{"a request's limit by the client", Capabilities{MaxTokensPerReq: 1_500}, Call{BodyBytes: 1_000, OutputCap: number(501)}, Model{}, "", 500},
	{"a request's limit by input alone", Capabilities{MaxTokensPerReq: 1_000}, Call{BodyBytes: 1_000}, Model{}, "max_tokens_per_request", 0},
	{"a request's limit of an embedding", Capabilities{MaxTokensPerReq: 1_000}, Call{Wire: Embeddings, BodyBytes: 1_000}, Model{}, "", 0},
	{"an embedding that is too long", Capabilities{MaxTokensPerReq: 1_000}, Call{Wire: Embeddings, BodyBytes: 1_001}, Model{}, "max_tokens_per_request", 0},
	{"an embedding has no output", Capabilities{MaxOutputTokens: 5}, Call{Wire: Embeddings}, Model{}, "", 0},
	{"both limits", Capabilities{MaxOutputTokens: 400, MaxTokensPerReq: 1_500}, Call{BodyBytes: 1_000}, Model{}, "", 400},
}

var strictDecisions = []decision{
	{"strict: an unknown field", strict, Call{Unknown: []string{"new"}}, Model{}, "strict_mode", 0},
	{"strict: a hosted tool", strict, Call{Hosted: []HostedTool{{Type: "web_search", MaxUses: 1}}}, Model{}, "strict_mode", 0},
	{"strict: hidden content", strict, Call{Hidden: []string{"previous_response_id"}}, Model{}, "strict_mode", 0},
	{"strict: an image by address", strict, Call{Images: []Image{{Remote: true}}}, Model{}, "strict_mode", 0},
	{"strict: a file by id", strict, Call{Files: []Media{{Remote: true}}}, Model{}, "strict_mode", 0},
	{"strict: background", strict, Call{Background: true}, Model{}, "strict_mode", 0},
	{"strict: an assumed price", strict, Call{}, Model{Price: Price{Assumed: true}}, "strict_mode", 0},
	{"strict: a plain call", strict, Call{Stream: true, Tools: 1, ToolNames: []string{"a"}, Images: []Image{{Bytes: 9}}}, Model{}, "", 0},
}

func TestDecide(t *testing.T) {
	for _, c := range slices.Concat(modelDecisions, toolDecisions, mediaDecisions, tokenDecisions, strictDecisions) {
		t.Run(c.name, func(t *testing.T) {
			got, denied := Decide(c.caps, c.call, c.m)
			switch {
			case c.rule == "" && denied != nil:
				t.Fatalf("denied: %+v", denied)
			case c.rule == "" && got != c.cap:
				t.Fatalf("a cap of %d, want %d", got, c.cap)
			case c.rule != "" && denied == nil:
				t.Fatalf("allowed; want %s", c.rule)
			case denied != nil && (denied.Rule != c.rule || denied.Reason == "" || got != 0):
				t.Fatalf("got %d, %+v; want %s", got, denied, c.rule)
			case denied != nil && (denied.Code == "model_not_allowed") != strings.HasSuffix(c.rule, "_models"):
				t.Fatalf("code %s for %s", denied.Code, c.rule)
			}
		})
	}
}

func TestAllowsToolCall(t *testing.T) {
	caps := Open()
	if !AllowsToolCall(caps, "anything") || !AllowsToolCall(caps, "") {
		t.Error("an open agent's tool call is not allowed")
	}
	caps.AllowedTools, caps.DeniedTools = []string{"read_*"}, []string{"read_secret"}
	for name, want := range map[string]bool{"read_file": true, "read_secret": false, "write": false, "": false} {
		if got := AllowsToolCall(caps, name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
	caps = Open()
	caps.FunctionCalling = false
	if AllowsToolCall(caps, "read_file") {
		t.Error("a call came back and was allowed to an agent without function calling")
	}
}

func TestParseCapabilities(t *testing.T) {
	if got, err := ParseCapabilities(nil); err != nil || !got.Streaming || !got.Vision {
		t.Errorf("nothing kept: %+v, %v", got, err)
	}
	want := Open()
	want.AllowedModels, want.MaxOutputTokens, want.Strict = []string{"gpt-*"}, 5, true
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseCapabilities(text); err != nil || got.MaxOutputTokens != 5 || got.AllowedModels[0] != "gpt-*" || !got.Tools || !got.Strict {
		t.Errorf("%s: %+v, %v", text, got, err)
	}
	if got, err := ParseCapabilities(json.RawMessage(`{"allow_tools":true}`)); err != nil || got.Streaming || !got.Tools {
		t.Errorf("what is left out is allowed: %+v, %v", got, err)
	}
	for _, text := range []string{
		`null`, `[]`, `""`, `{`, `{"allow_tools":"yes"}`, `{"allowed_models":"gpt-4o"}`, `{"unknown":1}`, `{"Allow_Tools":true}`,
		`{"allow_tools":false,"allow_tools":true}`, `{"max_input_tokens":-1}`, `{"max_input_tokens":1.5}`, `{"allowed_models":[""]}`,
		`{"passthrough_required":true}`, `{} {}`,
	} {
		if got, err := ParseCapabilities(json.RawMessage(text)); err == nil {
			t.Errorf("%s: accepted as %+v", text, got)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "meta-llama/Llama", true}, {"a", "A", true},
		{"gpt-4o", "gpt-4o-mini", false}, {"gpt-*", "gpt-5", true}, {"*-mini", "gpt-5-mini", true}, {"g?t", "gpt", true},
		{"g?t", "gt", false}, {"*a*b*", "xaxbx", true}, {"*a*b*", "xbxax", false}, {"a**b", "ab", true}, {"[a]", "a", false}, {"é?", "É!", true},
	} {
		if got := glob(c.pattern, c.name); got != c.want {
			t.Errorf("%q against %q: got %v", c.pattern, c.name, got)
		}
	}
}
