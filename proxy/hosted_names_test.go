package proxy

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/wire"
)

// hostedSaid are requests by wire, and what the provider may run in each; what
// brings in content by name stands with a star.
var hostedSaid = map[string]map[string]string{
	policy.Chat: {
		`"tools":[{"type":"function","function":{"name":"f"}}]`: "", `"tools":[{"function":{"name":"f"}}]`: "", `"tools":[{"name":"f","input_schema":{}}]`: "",
		`"tools":[{"type":"custom","custom":{"name":"f"}}]`: "", `"tools":[{"type":"bash_20250124","name":"bash"}]`: "", `"tools":[{"type":"computer_use_preview"}]`: "",
		`"functions":[{"name":"f"}]`: "", `"tools":[{"functionDeclarations":[]}]`: "",
		`"tools":[{"type":"web_search"}]`: "web_search", `"tools":[{"type":"Web_Search"}]`: "Web_Search", `"tools":[{"type":"web_search_20250305","name":"web_search"}]`: "web_search_20250305",
		`"tools":[{"type":"browser_search"},{"type":"code_interpreter"}]`: "browser_search code_interpreter", `"tools":[{"type":"openrouter:web_fetch"}]`: "openrouter:web_fetch",
		`"tools":[{"type":"builtin_function","function":{"name":"$web_search"}}]`: "builtin_function", `"tools":[{"type":"retrieval"}]`: "retrieval",
		`"tools":[{"type":"web_browser"}]`: "web_browser", `"tools":[{"googleSearch":{}}]`: "google_search", `"tools":[{"url_context":{},"code_execution":{}}]`: "url_context code_execution",
		`"web_search_options":{}`: "web_search", `"web_search_options":{"enabled":false,"mode":"off"}`: "web_search", `"enable_search":true`: "web_search", `"enable_search":false`: "",
		`"data_sources":[{"type":"azure_search"}]`: "data_sources", `"dataSources":[{"type":"azure_search"}]`: "data_sources", `"data_sources":[]`: "", `"mcp_servers":[{"url":"https://example.com"}]`: "mcp",
		`"web_search":{"enable":true}`: "web_search", `"web_search":{"enable":false}`: "", `"web_search":{"enabled":false}`: "", `"web_search":true`: "web_search", `"web_search":"off"`: "", `"web_search":null`: "",
		`"enable_web_search":true`: "web_search", `"force_search_enhancement":true`: "web_search", `"enable_code_interpreter":true`: "code_interpreter", `"enable_code_interpreter":false`: "",
		`"modalities":["image","text"]`: "image_output", `"modalities":["text","audio"]`: "", `"deferred":true`: "deferred", `"deferred":false`: "",
		`"search_parameters":{"mode":"auto"}`: "live_search", `"search_parameters":{}`: "live_search", `"search_parameters":{"mode":"off"}`: "",
		`"extra_body":{"google":{"cached_content":"cachedContents/x"}}`: "*cached_content", `"google":{"cachedContent":"cachedContents/x"}`: "*cached_content",
		`"extra_body":{"google":{"thinking_config":{"thinking_budget":1}}}`: "",
	},
	policy.Responses: {
		`"tools":[{"type":"function","name":"f"}]`: "", `"tools":[{"type":"apply_patch"},{"type":"local_shell"}]`: "", `"tools":[{"type":"web_search_preview"}]`: "web_search_preview",
		`"tools":[{"type":"x_search"},{"type":"mcp"}]`: "x_search mcp", `"search_parameters":{"mode":"on"}`: "live_search", `"data_sources":[{"type":"azure_search"}]`: "data_sources",
		`"agent_reference":{"name":"a","type":"agent_reference"}`: "->agent_reference", `"agent":{"name":"a"}`: "->agent", `"agent":null`: "",
		`"tools":[{"type":"namespace","tools":[{"type":"code_interpreter"}]}]`: "code_interpreter",
	},
	policy.Messages: {
		`"tools":[{"name":"f","input_schema":{}}]`: "", `"tools":[{"type":"memory_20250818","name":"memory"}]`: "", `"tools":[{"type":"web_fetch_20260209","name":"web_fetch"}]`: "web_fetch_20260209",
		`"tools":[{"type":"advisor_20260301","name":"advisor"}]`: "advisor_20260301", `"mcp_servers":[{"name":"x"}]`: "mcp", `"fallbacks":[{"model":"m"}]`: "->fallbacks",
	},
	policy.Gemini: {
		`"tools":[{"functionDeclarations":[{"name":"f"}]}]`: "", `"tools":[{"computerUse":{}}]`: "", `"tools":[{"googleSearch":{},"googleMaps":{"enableWidget":true}}]`: "google_search google_maps",
		`"tools":{"code_execution":{}}`: "code_execution", `"cachedContent":"cachedContents/x"`: "*cached_content",
	},
}

// routedSaid are what a router takes in each of OpenAI's and Anthropic's dialects.
var routedSaid = map[string]string{
	`"plugins":[{"id":"web","max_results":3}]`: "web_search", `"plugins":[{"id":"file-parser"}]`: "plugins", `"plugins":[{"id":"web","enabled":false}]`: "",
	`"plugins":[{"id":"response-healing"}]`: "", `"plugins":[]`: "", `"plugins":{"id":"web"}`: "plugins", `"models":["a","b"]`: "->models", `"models":[]`: "",
}

// What the provider runs by itself is known under every name that it has, and
// what nobody knows is taken to be run by the provider.
func TestHostedToolsByEveryName(t *testing.T) {
	start := map[string]string{policy.Chat: `"messages":[]`, policy.Responses: `"input":"x"`, policy.Messages: `"max_tokens":9,"messages":[]`, policy.Gemini: `"contents":[]`}
	for _, w := range wire.All() {
		cases := map[string]string{}
		for said, want := range hostedSaid[w.Name] {
			cases[said] = want
		}
		for said, want := range routedSaid {
			if w.Name == policy.Chat || w.Name == policy.Responses || w.Name == policy.Messages {
				cases[said] = want
			}
		}
		for said, want := range cases {
			doc, err := wire.Parse([]byte(`{` + start[w.Name] + `,` + said + `}`))
			must(t, err)
			call, err := w.Read(httptest.NewRequest("POST", "/", nil), doc.Object(new(error)), "models/m:generateContent")
			must(t, err)
			var got []string
			for _, h := range call.Hosted {
				got = append(got, h.Type)
			}
			for _, h := range call.Hidden {
				got = append(got, "*"+h)
			}
			if call.Background {
				got = append(got, "deferred")
			}
			for _, name := range call.Elsewhere {
				got = append(got, "->"+name)
			}
			if !slices.Equal(got, strings.Fields(want)) {
				t.Errorf("%s %s: %q, want %q", w.Name, said, got, want)
			}
		}
	}
}

// TestTakeOutLeavesTheRest: a tool is taken out of the list, and out of an object
// that names several.
func TestTakeOutLeavesTheRest(t *testing.T) {
	for said, want := range map[string]string{
		`[{"type":"function","name":"f"},{"type":"code_interpreter"}]`:       `[{"type":"function","name":"f"}]`,
		`[{"functionDeclarations":[{"name":"f"}]},{"googleMaps":{}}]`:        `[{"functionDeclarations":[{"name":"f"}]}]`,
		`[{"googleMaps":{}, "functionDeclarations":[{"name":"f"}]}]`:         `[{"functionDeclarations":[{"name":"f"}]}]`,
		`[{"google_maps":{},"googleSearch":{},"google_maps_x":1}]`:           `[{"googleSearch":{},"google_maps_x":1}]`,
		`[{"function":{"name":"code_interpreter"}},{"code_interpreter":{}}]`: `[{"function":{"name":"code_interpreter"}}]`,
	} {
		doc, err := wire.Parse([]byte(`{"tools":` + said + `}`))
		must(t, err)
		got := string(wire.Apply(doc.Doc, wire.TakeOut(doc.Object(new(error)), []string{"code_interpreter", "google_maps"})))
		if got != `{"tools":`+want+`}` {
			t.Errorf("%s becomes %s, want %s", said, got, want)
		}
	}
}

// TestForcedTools: a tool that the model must use is not one to take out.
func TestForcedTools(t *testing.T) {
	for choice, want := range map[string]bool{
		`"auto"`: false, `"required"`: false, `{"type":"function","name":"f"}`: false, `{"type":"auto"}`: false,
		`{"type":"code_interpreter"}`: true, `{"type":"tool","name":"code_interpreter"}`: true, `{"type":"tool","name":"web_fetch"}`: true, `{"type":"tool","name":"fetch"}`: false,
		`{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"code_interpreter"}]}`: true,
		`{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}`:                             false,
	} {
		doc, err := wire.Parse([]byte(`{"tool_choice":` + choice + `}`))
		must(t, err)
		if got := wire.Forces(doc.Object(new(error)), []string{"code_interpreter", "web_fetch_20250910"}); got != want {
			t.Errorf("%s: %v", choice, got)
		}
	}
}
