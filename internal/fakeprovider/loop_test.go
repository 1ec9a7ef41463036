package fakeprovider

import (
	"fmt"
	"strings"
	"testing"
)

// history is how a program of a wire keeps a conversation.
type history struct {
	dialect
	text   func(said string) string
	call   func(n int) string // what the model called
	result func(n int, said string) string
	body   func(items []string, stream bool) string
}

func joined(items []string) string { return strings.Join(items, ",") }

var histories = []history{
	{chatDialect,
		func(said string) string { return `{"role":"user","content":` + quote(said) + `}` },
		func(n int) string {
			return fmt.Sprintf(`{"role":"assistant","tool_calls":[{"id":"c%d","type":"function","function":{"name":"add","arguments":"{}"}}]}`, n)
		},
		func(n int, said string) string {
			return fmt.Sprintf(`{"role":"tool","tool_call_id":"c%d","content":%s}`, n, quote(said))
		},
		func(items []string, stream bool) string {
			return fmt.Sprintf(`{"model":"m","stream":%t,"messages":[%s],"tools":[{"type":"function","function":{%s}}]}`, stream, joined(items), jsonAdd)
		}},
	{responsesDialect,
		func(said string) string { return `{"role":"user","content":` + quote(said) + `}` },
		func(n int) string {
			return fmt.Sprintf(`{"type":"function_call","call_id":"c%d","name":"add","arguments":"{}"}`, n)
		},
		func(n int, said string) string {
			return fmt.Sprintf(`{"type":"function_call_output","call_id":"c%d","output":%s}`, n, quote(said))
		},
		func(items []string, stream bool) string {
			return fmt.Sprintf(`{"model":"m","stream":%t,"input":[%s],"tools":[{"type":"function",%s}]}`, stream, joined(items), jsonAdd)
		}},
	{messagesDialect,
		func(said string) string { return `{"role":"user","content":` + quote(said) + `}` },
		func(n int) string {
			return fmt.Sprintf(`{"role":"assistant","content":[{"type":"tool_use","id":"c%d","name":"add","input":{}}]}`, n)
		},
		func(n int, said string) string {
			return fmt.Sprintf(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"c%d","content":[{"type":"text","text":%s}]},{"type":"text","text":"<reminder/>"}]}`, n, quote(said))
		},
		func(items []string, stream bool) string {
			return fmt.Sprintf(`{"model":"m","max_tokens":999,"stream":%t,"messages":[%s],"tools":[{"name":"add","input_schema":{"type":"object"}}]}`, stream, joined(items))
		}},
	{geminiDialect,
		func(said string) string { return `{"role":"user","parts":[{"text":` + quote(said) + `}]}` },
		func(int) string { return `{"role":"model","parts":[{"functionCall":{"name":"add","args":{}}}]}` },
		func(n int, said string) string {
			return fmt.Sprintf(`{"role":"user","parts":[{"functionResponse":{"name":"add","response":{"n":%d,"output":%s}}}]}`, n, quote(said))
		},
		func(items []string, _ bool) string {
			return fmt.Sprintf(`{"contents":[%s],"tools":[{"functionDeclarations":[{"name":"add"}]}]}`, joined(items))
		}},
	{geminiDialect, // by the other names of its fields
		func(said string) string { return `{"role":"user","parts":[{"text":` + quote(said) + `}]}` },
		func(int) string { return `{"role":"model","parts":[{"function_call":{"name":"add","args":{}}}]}` },
		func(n int, said string) string {
			return fmt.Sprintf(`{"role":"user","parts":[{"function_response":{"name":"add","response":{"n":%d,"output":%s}}}]}`, n, quote(said))
		},
		func(items []string, _ bool) string {
			return fmt.Sprintf(`{"contents":[%s],"tools":[{"function_declarations":[{"name":"add"}]}],"generationConfig":{"max_output_tokens":99}}`, joined(items))
		}},
}

// loops answers a prompt's tool calls until there are none.
func loops(t *testing.T, p *Provider, url string, h history, stream bool, prompt string, result func(n int) string) (called []string) {
	t.Helper()
	items := []string{h.text(prompt)}
	for range 20 {
		g, _ := ask(t, p, url, h.dialect, stream, h.body(items, stream))
		if len(g.tools) == 0 {
			return called
		}
		called = append(called, g.tools[0])
		n := len(called)
		items = append(items, h.call(n), h.result(n, result(n)))
	}
	t.Fatalf("%s: no end of calls", h.name)
	return nil
}

func TestToolsAreCalledInALoop(t *testing.T) {
	done := func(int) string { return "done" }
	next := func(n int) string {
		if n == 3 {
			return "all is done"
		}
		return fmt.Sprintf(`{"output": "[[tool add {\"a\":%d}]]"}`, n+1)
	}
	cases := map[string]struct {
		b      Behaviour
		prompt string
		result func(int) string
		want   string
	}{
		"one":           {Behaviour{}, `[[tool add {"a":1}]]`, done, `add {"a":1}`},
		"of the prompt": {Behaviour{}, `[[tool*3 add {"a":1}]]`, done, strings.Repeat(`,add {"a":1}`, 3)[1:]},
		"of the result": {Behaviour{}, `[[tool add {"a":1}]]`, next, `add {"a":1},add {"a":2},add {"a":3}`},
		"rounds":        {Behaviour{ToolRounds: 10}, `[[tool add {"a":1}]]`, done, strings.Repeat(`,add {"a":1}`, 10)[1:]},
		"behaviour's":   {Behaviour{ToolRounds: 2, ToolCalls: []ToolCall{{Args: `{"b":2}`}}}, `go`, done, `add {"b":2},add {"b":2}`},
		"nonsense":      {Behaviour{}, `[[tool*0 add]] [[tool*x add]] [[tools]]`, done, ""},
	}
	for _, h := range histories {
		for _, stream := range []bool{false, true} {
			p, url := start(t, Options{})
			for name, c := range cases {
				p.Set(c.b)
				if got := joined(loops(t, p, url, h, stream, c.prompt, c.result)); got != c.want {
					t.Errorf("%s, stream %t, %s: called %s, want %s", h.name, stream, name, got, c.want)
				}
			}
		}
	}
}

func TestALoopGoesOnInAStoredResponse(t *testing.T) {
	_, url := start(t, Options{})
	h, calls, previous := histories[1], 0, ""
	input := h.text(`[[tool*3 add]]`)
	for range 9 {
		body := strings.TrimSuffix(h.body([]string{input}, false), "}") + member(previous != "", `,"previous_response_id":%s`, quote(previous)) + "}"
		status, answer, err := post(t, url+"/v1/responses", body)
		if status != 200 || err != nil {
			t.Fatalf("status %d, %v: %s", status, err, answer)
		}
		n := parse(t, answer)
		previous = n.at("id").str()
		if n.at("output.0.type").str() != "function_call" {
			break
		}
		calls++
		input = h.result(calls, "done")
	}
	if calls != 3 {
		t.Errorf("%d calls", calls)
	}
}

func TestAChosenToolIsCalledAsOrdered(t *testing.T) {
	p, url := start(t, Options{})
	body := func(said string) string {
		return fmt.Sprintf(`{"model":"m","messages":[%s],"tool_choice":{"type":"function","function":{"name":"add"}},"tools":[{"type":"function","function":{%s}}]}`,
			histories[0].text(said), jsonAdd)
	}
	for said, want := range map[string]string{"hi": "add {}", `[[tool add {"a":7}]]`: `add {"a":7}`, `[[tool other {"a":7}]]`: "add {}"} {
		if g, _ := ask(t, p, url, chatDialect, false, body(said)); len(g.tools) != 1 || g.tools[0] != want {
			t.Errorf("%s: called %q, want %s", said, g.tools, want)
		}
	}
}
