package fakeprovider

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// streamOf sends a streamed request and returns its events.
func streamOf(t *testing.T, url, body string) []event {
	t.Helper()
	status, answer, err := post(t, url, body, anthropicVersion...)
	if status != 200 || err != nil {
		t.Fatalf("%d, %v: %s", status, err, answer)
	}
	return readEvents(answer)
}

// need fails when a member that the provider's schema requires is not there.
func need(t *testing.T, n tree, paths string) {
	t.Helper()
	for _, path := range strings.Fields(paths) {
		if !n.has(path) {
			t.Errorf("no %s in %s", path, marshal(n.v))
		}
	}
}

func TestChatStreamShape(t *testing.T) {
	_, url := start(t, Options{Behaviour: Behaviour{OutputTokens: 3}})
	url += "/v1/chat/completions"
	const head = `{"model":"m","n":2,"stream":true,"messages":[{"role":"user","content":"a"}]`
	for options, asked := range map[string]bool{`}`: false, `,"stream_options":{}}`: false,
		`,"stream_options":{"include_usage":false}}`: false, `,"stream_options":{"include_usage":true}}`: true} {
		events := streamOf(t, url, head+options)
		if last := events[len(events)-1]; last.data != "[DONE]" || last.name != "" {
			t.Fatalf("%s: the last event is %+v", options, last)
		}
		var order []int64
		for i, e := range events[:len(events)-1] {
			n := parse(t, e.data)
			need(t, n, "id object created model system_fingerprint service_tier choices")
			usage := asked && i == len(events)-2
			if n.has("usage") != asked || (n.at("usage").v != nil) != usage || (len(n.at("choices").list()) == 0) != usage {
				t.Errorf("%s: chunk %d is %s", options, i, e.data)
			}
			if usage {
				need(t, n, "usage.prompt_tokens usage.completion_tokens usage.total_tokens usage.prompt_tokens_details.cached_tokens usage.completion_tokens_details.reasoning_tokens")
				continue
			}
			need(t, n, "obfuscation choices.0.index choices.0.delta choices.0.finish_reason choices.0.logprobs")
			role := n.at("choices.0.delta.role").str() == "assistant"
			finish := n.at("choices.0.finish_reason").str() == "stop"
			if role != (i < 2) || finish != (i == 8 || i == 9) {
				t.Errorf("%s: chunk %d is %s", options, i, e.data)
			}
			order = append(order, n.at("choices.0.index").int())
		}
		if !slices.Equal(order, []int64{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}) {
			t.Errorf("%s: choices come as %v", options, order)
		}
	}
	for _, e := range streamOf(t, url, head+`,"stream_options":{"include_obfuscation":false}}`) {
		if strings.Contains(e.data, "obfuscation") {
			t.Error(e.data)
		}
	}
}

func TestChatUsageElsewhere(t *testing.T) {
	p, url := start(t, Options{Behaviour: Behaviour{OutputTokens: 3, UsageEveryChunk: true}})
	body := strings.Replace(chatDialect.body("a", true, 0, false), `,"stream_options":{"include_usage":true}`, "", 1)
	last := int64(-1)
	events := streamOf(t, url+"/v1/chat/completions", body)
	for _, e := range events[:len(events)-1] {
		n := parse(t, e.data).at("usage.completion_tokens")
		if n.v == nil || n.int() < last {
			t.Errorf("usage goes from %d to %s", last, e.data)
		}
		last = n.int()
	}
	p.Set(Behaviour{OutputTokens: 3, UsageOnFinish: true})
	events = streamOf(t, url+"/v1/chat/completions", body)
	if n := parse(t, events[len(events)-2].data); last != 3 || n.at("usage.completion_tokens").int() != 3 || n.at("choices.0.finish_reason").str() != "stop" {
		t.Errorf("last %d, %s", last, marshal(n.v))
	}
}

func TestWholeShapes(t *testing.T) {
	_, url := start(t, Options{Behaviour: Behaviour{ReasoningTokens: 2}})
	need := func(d dialect, paths string) {
		_, body, _ := post(t, url+d.path(false), d.body("a", false, 0, false), anthropicVersion...)
		need(t, parse(t, body), paths)
	}
	need(chatDialect, `id object created model choices.0.index choices.0.finish_reason choices.0.logprobs
		choices.0.message.role choices.0.message.content choices.0.message.refusal usage.total_tokens service_tier`)
	need(responsesDialect, `id object created_at status error incomplete_details instructions metadata model output
		parallel_tool_calls temperature tool_choice tools top_p max_output_tokens previous_response_id reasoning
		service_tier text truncation usage.input_tokens usage.output_tokens usage.total_tokens
		usage.input_tokens_details.cached_tokens usage.input_tokens_details.cache_write_tokens
		usage.output_tokens_details.reasoning_tokens output.0.summary output.1.id output.1.role output.1.status
		output.1.content.0.annotations output.1.content.0.text`)
	need(completionsDialect, "id object created model choices.0.text choices.0.index choices.0.logprobs choices.0.finish_reason usage.total_tokens")
	need(messagesDialect, `id type role model content stop_reason stop_sequence usage.input_tokens usage.output_tokens
		usage.cache_creation_input_tokens usage.cache_read_input_tokens usage.service_tier
		usage.cache_creation.ephemeral_5m_input_tokens usage.cache_creation.ephemeral_1h_input_tokens
		content.0.thinking content.0.signature content.1.text`)
	need(geminiDialect, `candidates.0.content.parts candidates.0.content.role candidates.0.finishReason modelVersion
		responseId usageMetadata.promptTokenCount usageMetadata.candidatesTokenCount usageMetadata.thoughtsTokenCount
		usageMetadata.totalTokenCount usageMetadata.promptTokensDetails.0.modality`)
}

func TestResponsesSequence(t *testing.T) {
	p, url := start(t, Options{})
	const part = " response.content_part.added response.output_text.delta response.output_text.delta response.output_text.done response.content_part.done"
	item := func(inside string) string {
		return " response.output_item.added" + inside + " response.output_item.done"
	}
	const search = " response.web_search_call.in_progress response.web_search_call.searching response.web_search_call.completed"
	const args = " response.function_call_arguments.delta response.function_call_arguments.done"
	for _, c := range []struct {
		b     Behaviour
		tools bool
		limit int
		want  string
	}{
		{Behaviour{OutputTokens: 2}, false, 0, item(part) + " response.completed"},
		{Behaviour{OutputTokens: 2, ReasoningTokens: 1, Searches: 1}, false, 0, item("") + item(search) + item(part) + " response.completed"},
		{Behaviour{ToolCalls: []ToolCall{{}, {Name: "x", Args: `{"a":1}`}}}, true, 0, item(args) + item(args) + " response.completed"},
		{Behaviour{OutputTokens: 99, ChunkTokens: 8}, false, 16, item(part) + " response.incomplete"},
		{Behaviour{OutputTokens: 2, Fault: FaultFailed, After: 9}, false, 0, item(part) + " response.failed"},
		{Behaviour{OutputTokens: 2, Fault: FaultErrorEvent, After: 9}, false, 0, item(part) + " error"},
	} {
		p.Set(c.b)
		var names []string
		for i, e := range streamOf(t, url+"/v1/responses", responsesDialect.body("a", true, c.limit, c.tools)) {
			n := parse(t, e.data)
			if n.at("sequence_number").v == nil || n.at("sequence_number").int() != int64(i) || n.at("type").str() != e.name {
				t.Errorf("event %d is %s %s", i, e.name, e.data)
			}
			names = append(names, e.name)
		}
		if got, want := strings.Join(names, " "), "response.created response.in_progress"+c.want; got != want {
			t.Errorf("%+v:\n got %s\nwant %s", c.b, got, want)
		}
	}
}

func TestMessagesSequence(t *testing.T) {
	p, url := start(t, Options{})
	block := func(inside string) string { return " content_block_start" + inside + " content_block_stop" }
	const delta = " content_block_delta"
	for _, c := range []struct {
		b     Behaviour
		tools bool
		want  string
	}{
		{Behaviour{OutputTokens: 2}, false, block(" ping" + delta + delta)},
		{Behaviour{OutputTokens: 1, ReasoningTokens: 3, Searches: 1}, false, block(" ping"+delta+delta) + block(delta) + block("") + block(delta)},
		{Behaviour{ToolCalls: []ToolCall{{Args: `{"abcdefgh":1}`}}}, true, block(" ping" + delta + delta + delta)},
	} {
		p.Set(c.b)
		var names []string
		for _, e := range streamOf(t, url+"/v1/messages", messagesDialect.body("a", true, 0, c.tools)) {
			n := parse(t, e.data)
			names = append(names, e.name)
			switch e.name {
			case "message_start":
				need(t, n, "message.id message.usage.input_tokens message.usage.output_tokens message.usage.cache_creation message.stop_reason message.content")
				if n.at("message.usage.output_tokens").int() != 1 {
					t.Error(e.data)
				}
			case "message_delta":
				need(t, n, "delta.stop_reason delta.stop_sequence usage.output_tokens usage.input_tokens")
				if n.has("usage.cache_creation") {
					t.Error(e.data)
				}
			}
			if n.at("type").str() != e.name {
				t.Errorf("%s is a %s", e.name, e.data)
			}
		}
		if got, want := strings.Join(names, " "), "message_start"+c.want+" message_delta message_stop"; got != want {
			t.Errorf("%+v:\n got %s\nwant %s", c.b, got, want)
		}
	}
}

func TestGeminiUsageIsCumulative(t *testing.T) {
	_, url := start(t, Options{Behaviour: Behaviour{OutputTokens: 5, ReasoningTokens: 9}})
	last := int64(-1)
	events := streamOf(t, url+geminiDialect.path(true), geminiDialect.body("a", true, 0, false))
	for i, e := range events {
		n := parse(t, e.data)
		u := n.at("usageMetadata")
		if now := u.at("candidatesTokenCount").int(); now < last || u.at("thoughtsTokenCount").int() != 9 {
			t.Errorf("from %d to %s", last, e.data)
		} else {
			last = now
		}
		if n.at("candidates.0.finishReason").str() == "STOP" != (i == len(events)-1) {
			t.Error(e.data)
		}
	}
	_, body, _ := post(t, url+arrayDialect.path(true), geminiDialect.body("a", true, 0, false))
	if n := parse(t, body); last != 5 || len(n.list()) != len(events) {
		t.Errorf("%d events, %d elements", len(events), len(n.list()))
	}
}

func TestTokenCountsAndListingsAreFree(t *testing.T) {
	p, url := start(t, Options{})
	_, body, _ := post(t, url+"/v1/messages/count_tokens", messagesDialect.body("hello", false, 0, true), anthropicVersion...)
	_, e := ask(t, p, url, messagesDialect, false, messagesDialect.body("hello", false, 0, true))
	if parse(t, body).at("input_tokens").int() != e.Usage.Input {
		t.Errorf("counted %s, billed %+v", body, e.Usage)
	}
	_, body, _ = post(t, url+"/v1beta/models/m:countTokens", geminiDialect.body("hello", false, 0, true))
	_, e = ask(t, p, url, geminiDialect, false, geminiDialect.body("hello", false, 0, true))
	if parse(t, body).at("totalTokens").int() != e.Usage.Input {
		t.Errorf("counted %s, billed %+v", body, e.Usage)
	}
	charged := 0
	for _, e := range p.Bill() {
		if e.Charged {
			charged++
		}
	}
	if charged != 2 {
		t.Errorf("%d of %d charged", charged, len(p.Bill()))
	}
}

func TestImagesAndPartsAreCounted(t *testing.T) {
	const image = "data:image/png;base64,AAAA"
	parts := map[string]struct {
		d    dialect
		body string
		want int64
	}{
		"chat low": {chatDialect, `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"1234"},{"type":"image_url","image_url":{"url":"%s","detail":"low"}}]}]}`, 1 + imageLow},
		"chat":     {chatDialect, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"%s"}}]}]}`, imageHigh},
		"responses": {responsesDialect, `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"12345"},{"type":"input_image","image_url":"%s"}]}]}`,
			2 + imageHigh},
		"messages": {messagesDialect, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"%s"}}]}]}`, imageMessages},
		"gemini":   {geminiDialect, `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"%s"}},{"text":"1"}]}]}`, 1 + imageGemini},
	}
	for name, c := range parts {
		p, url := start(t, Options{Hidden: &Hidden{}})
		_, e := ask(t, p, url, c.d, false, fmt.Sprintf(c.body, image))
		if e.Usage.Input != c.want {
			t.Errorf("%s: %d tokens, want %d", name, e.Usage.Input, c.want)
		}
	}
}
