package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"

	fake "github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// attempt is a request that a policy forbids: the wire that it goes to, and the
// member that does it, with what it would have to be to be allowed.
type attempt struct {
	wire, member, value, harmless string
}

// ban is a policy by the flags that make it, and how one would pass it.
type ban struct {
	flags    []string
	attempts []attempt
}

// each makes an attempt of every value.
func each(wire, member, harmless string, values ...string) (all []attempt) {
	for _, v := range values {
		all = append(all, attempt{wire, member, v, harmless})
	}
	return all
}

func joined(lists ...[]attempt) (all []attempt) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// inContent puts each part into a message of a wire.
func inContent(wire, member, around, harmless string, parts ...string) (all []attempt) {
	for _, part := range parts {
		all = append(all, attempt{wire, member, strings.Replace(around, "PART", part, 1), harmless})
	}
	return all
}

const (
	oneMessage = `[{"role":"user","content":[PART]}]`
	oneContent = `[{"role":"user","parts":[PART]}]`
	aMessage   = `[{"role":"user","content":"` + said + `"}]`
	aContent   = `[{"role":"user","parts":[{"text":"` + said + `"}]}]`
)

var untrue = []string{"true", "1", `"true"`, `"1"`, "1.0", "1e0", "[]", "{}", `"yes"`, "-1", "[true]", `{"on":true}`}

// longText is more than a small limit of tokens.
var longText = strings.Repeat("word ", 400)

var bans = []ban{
	{[]string{"--no-streaming"}, joined(each("chat", "stream", "false", untrue...), each("responses", "stream", "false", untrue...),
		each("completions", "stream", "false", untrue...), each("messages", "stream", "false", untrue...))},
	{nil, joined( // no pictures, files and sounds, unless they are allowed
		inContent("chat", "messages", oneMessage, aMessage,
			`{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}`, `{"image_url":{"url":"data:image/png;base64,AAAA"}}`, `{"type":null,"image_url":"x"}`,
			`{"type":"file","file":{"file_id":"f"}}`, `{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`, `{"type":["image_url"],"image_url":{"url":"x"}}`,
			`{"TYPE":"image_url","type":"image_url","image_url":{"url":"x"}}`, `{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"x"}}`),
		inContent("chat", "messages", `[{"role":"user","content":PART}]`, aMessage, `{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}`, `{"image_url":"x"}`),
		inContent("responses", "input", oneMessage, aMessage, `{"type":"input_image","image_url":"x"}`, `{"type":"input_file","file_id":"f"}`, `{"type":null,"image_url":"x"}`, `{"type":"input_image","file_id":"f"}`),
		inContent("messages", "messages", oneMessage, aMessage, `{"type":"image","source":{"type":"url","url":"https://x.example/a"}}`, `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}`,
			`{"type":"document","source":{"type":"url","url":"x"}}`, `{"source":{"type":"base64","media_type":"image/png","data":"AAAA"}}`, `{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"url","url":"x"}}]}`),
		inContent("gemini", "contents", oneContent, aContent, `{"inlineData":{"mimeType":"image/png","data":"AAAA"}}`, `{"inline_data":{"mime_type":"image/png","data":"AAAA"}}`, `{"fileData":{"fileUri":"gs://x/y"}}`, `{"file_data":{"file_uri":"gs://x/y"}}`))},
	{[]string{"--no-tools"}, joined(
		each("chat", "tools", "[]", `[{"type":"function","function":{"name":"f"}}]`, `[{"type":"web_search"}]`, `{"type":"function"}`, `"x"`, `[null]`, "1", "true"),
		each("chat", "functions", "[]", `[{"name":"f"}]`, `{"name":"f"}`),
		each("responses", "tools", "[]", `[{"type":"function","name":"f"}]`, `[{"type":"web_search"}]`, `"x"`, `[null]`, `{}`),
		each("messages", "tools", "[]", `[{"name":"f","input_schema":{"type":"object"}}]`, `[{"type":"web_search_20250305","name":"web_search"}]`, `{"name":"f"}`, `[null]`, "true"),
		each("gemini", "tools", "[]", `[{"functionDeclarations":[{"name":"f"}]}]`, `[{"googleSearch":{}}]`, `{"googleSearch":{}}`, `[null]`))},
	{[]string{"--denied-tool-names", "shell"}, joined(
		each("chat", "tools", "[]", `[{"type":"function","function":{"name":"shell"}}]`, `[{"type":"function","function":{"name":"sh\u0065ll"}}]`, `[{"type":"function","function":{"name":"look","name":"shell"}}]`,
			`[{"type":"custom","custom":{"name":"shell"}}]`, `[{"function":{"name":"shell"}}]`, `[{"type":"function","function":{"name":["shell"]}}]`, `[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"shell"}}]`),
		each("responses", "tools", "[]", `[{"type":"function","name":"shell"}]`, `[{"type":"custom","name":"shell"}]`, `[{"name":"shell"}]`),
		each("messages", "tools", "[]", `[{"name":"shell","input_schema":{"type":"object"}}]`, `[{"name":"sh\u0065ll","input_schema":{"type":"object"}}]`),
		each("gemini", "tools", "[]", `[{"functionDeclarations":[{"name":"shell"}]}]`, `[{"function_declarations":[{"name":"shell"}]}]`))},
	{[]string{"--denied-models", "gpt-4o*"}, joined(
		each("chat", "model", `"claude-3-5-haiku-latest"`, `"gpt-4o-mini"`, `"GPT-4O-MINI"`, `"gpt-4o-min\u0069"`, `"gpt-4o-mini-2024-07-18"`, `["gpt-4o-mini"]`, `{"id":"gpt-4o-mini"}`, `" gpt-4o-mini"`, `"gpt-4o-mini "`, `"openai/gpt-4o-mini"`),
		each("responses", "model", `"claude-3-5-haiku-latest"`, `"gpt-4o-mini"`, `"gpt-4o"`, `["gpt-4o"]`), each("completions", "model", `"claude-3-5-haiku-latest"`, `"gpt-4o-mini"`, `"Gpt-4o-mini"`))},
	{[]string{"--allowed-models", "claude-3-5*"}, joined(
		each("chat", "model", `"claude-3-5-haiku-latest"`, `"gpt-4o-mini"`, `"claude-3-7"`, `"xclaude-3-5-haiku"`, `["claude-3-5-haiku-latest"]`, `null`, `1`, `""`), each("responses", "model", `"claude-3-5-haiku-latest"`, `"gpt-4o-mini"`, `null`),
		each("gemini", "contents", aContent, aContent))},
	{[]string{"--hosted-tools", "refuse"}, joined(
		each("responses", "tools", "[]", `[{"type":"web_search"}]`, `[{"type":"web_search_preview"}]`, `[{"type":"file_search","vector_store_ids":["v"]}]`, `[{"type":"code_interpreter","container":{"type":"auto"}}]`, `[{"type":"mcp","server_url":"x"}]`, `[{"type":"image_generation"}]`, `[{"type":"web\u005fsearch"}]`),
		each("messages", "tools", "[]", `[{"type":"web_search_20250305","name":"web_search"}]`, `[{"type":"code_execution_20250522","name":"code_execution"}]`),
		each("chat", "web_search_options", "null", "{}", `{"search_context_size":"low"}`), each("gemini", "tools", "[]", `[{"googleSearch":{}}]`, `[{"google_search":{}}]`, `[{"urlContext":{}}]`, `[{"codeExecution":{}}]`))},
	{[]string{"--max-output-tokens", "10", "--strict"}, joined(each("chat", "max_tokens", "5", `"1000"`, "1e3000", "[1000]", `{"n":1}`, "true", "-1", "1.5", "99999999999999999999"),
		each("responses", "max_output_tokens", "5", `"1000"`, "[1000]", "true", "-1"), each("messages", "max_tokens", "5", `"1000"`, "[1000]", "true", "-1", "1.5"))},
	{[]string{"--max-input-tokens", "100"}, joined(inContent("chat", "messages", `[{"role":"user","content":"PART"}]`, aMessage, longText, strings.Repeat("\\u0041", 2000)),
		inContent("chat", "messages", `[{"role":"system","content":"PART"}]`, aMessage, longText), inContent("responses", "input", `"PART"`, `"x"`, longText), inContent("responses", "instructions", `"PART"`, `"x"`, longText),
		inContent("completions", "prompt", `"PART"`, `"x"`, longText), inContent("completions", "prompt", `["x","PART"]`, `"x"`, longText), inContent("messages", "system", `"PART"`, `"x"`, longText), inContent("messages", "messages", `[{"role":"user","content":"PART"}]`, aMessage, longText),
		inContent("gemini", "contents", `[{"parts":[{"text":"PART"}]}]`, aContent, longText))},
}

// spellings are ways to write a member: plainly, escaped, twice, and so on.
var spellings = []func(t attempt) string{
	func(t attempt) string { return fmt.Sprintf(`%q:%s`, t.member, t.value) },
	func(t attempt) string {
		return fmt.Sprintf(`"%s\u%04x%s":%s`, t.member[:1], t.member[1], t.member[2:], t.value)
	},
	func(t attempt) string { return fmt.Sprintf(`%q:%s,%q:%s`, t.member, t.harmless, t.member, t.value) },
	func(t attempt) string { return fmt.Sprintf(`%q:%s,%q:%s`, t.member, t.value, t.member, t.harmless) },
	func(t attempt) string { return fmt.Sprintf("\n\t %q \r\n:\n %s \t", t.member, t.value) },
	func(t attempt) string {
		return fmt.Sprintf(`%q:%s,"%s\u%04x%s":%s`, t.member, t.harmless, t.member[:1], t.member[1], t.member[2:], t.value)
	},
}

// basics are the members that a request has to have, by wire.
var basics = map[string]struct{ path, members string }{
	"chat":        {"/v1/chat/completions", `"model":"gpt-4o-mini";"messages":` + aMessage},
	"responses":   {"/v1/responses", `"model":"gpt-4o-mini";"input":"` + said + `"`},
	"completions": {"/v1/completions", `"model":"gpt-4o-mini";"prompt":"` + said + `"`},
	"messages":    {"/v1/messages", `"model":"claude-3-5-haiku-latest";"max_tokens":40;"messages":` + aMessage},
	"gemini":      {"/v1beta/models/gemini-2.0-flash:generateContent", `"contents":` + aContent},
}

// request is the body and the path of an attempt.
func (t attempt) request(spelling int) (path, body string) {
	b := basics[t.wire]
	members := []string{spellings[spelling](t)}
	for m := range strings.SplitSeq(b.members, ";") {
		if !strings.HasPrefix(m, `"`+t.member+`"`) {
			members = append(members, m)
		}
	}
	return b.path, "{" + strings.Join(members, ",") + "}"
}

// policies tries to pass each: every attempt in one spelling or another.
func (a *attacker) policies(r *row) error {
	p, err := a.place(r, fake.Options{Behaviour: fake.Behaviour{OutputTokens: 5}})
	if err != nil {
		return err
	}
	defer p.leave()
	s, err := p.serve("unused", "1.00")
	if err != nil {
		return err
	}
	defer s.stop(r)
	random := a.random(-7)
	for i, ban := range bans {
		if err := p.tryToPass(s, i, ban, random); err != nil {
			return err
		}
	}
	if bill := p.bill(); bill != 0 {
		r.fault("the provider was reached: a bill of %s", dollars(bill))
	}
	return nil
}

func (p *place) tryToPass(s *serving, i int, ban ban, random *rand.Rand) error {
	name := fmt.Sprintf("agent%d", i)
	if out, code := p.do(append([]string{"agent", "create", name, "100.00", "none"}, ban.flags...)...); code != 0 {
		return errors.New(out)
	}
	out, _ := p.do("agent", "token", name)
	own := &serving{url: s.url, token: token(out)}
	shift := random.IntN(len(spellings))
	for n := range p.a.sizes.policies {
		p.row.add(&p.row.tried, 1)
		t := ban.attempts[n%len(ban.attempts)]
		path, body := t.request((n/len(ban.attempts) + shift) % len(spellings))
		before := p.bill()
		if status := own.status(path, body); status != 400 && status != 403 && status != 404 && status != 413 || p.bill() != before {
			p.row.fault("%v: %.300s got %d, billed %d", ban.flags, body, status, p.bill()-before)
		}
	}
	return nil
}

func token(out string) string {
	for word := range strings.FieldsSeq(out) {
		if len(word) >= 32 && strings.Trim(word, "0123456789abcdef") == "" {
			return word
		}
	}
	return ""
}

// status is that of one call; 0: there was no answer.
func (s *serving) status(path, body string) int {
	req, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
