package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

type object = map[string]any

func hello(model string) object {
	return object{"model": model, "max_tokens": 32, "messages": []object{{"role": "user", "content": "Say hello."}}}
}

// with is an object with one more member.
func with(o object, name string, value any) object {
	o[name] = value
	return o
}

// lacking reports the first member that is missing.
func lacking(o object, names ...string) error {
	for _, n := range names {
		if _, ok := o[n]; !ok {
			return fmt.Errorf("the answer has no %q", n)
		}
	}
	return nil
}

// chatAnswer is the part of a chat completion that the checks look at.
type chatAnswer struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Model   string `json:"model"`
	Choices []struct {
		Message struct {
			Role      string `json:"role"`
			ToolCalls []struct {
				ID       string `json:"id"`
				Type     string `json:"type"`
				Function struct {
					Name      string  `json:"name"`
					Arguments *string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"message"`
		Delta *object `json:"delta"`
	} `json:"choices"`
	Usage *object `json:"usage"`
}

func (r *compatRun) basicChat(ctx context.Context) error {
	var got chatAnswer
	if err := r.call(ctx, "POST", "/v1/chat/completions", hello(r.chat), &got); err != nil {
		return err
	}
	switch {
	case got.Object != "chat.completion" || got.ID == "" || got.Model == "":
		return fmt.Errorf("object %q, id %q, model %q", got.Object, got.ID, got.Model)
	case len(got.Choices) == 0 || got.Choices[0].Message.Role != "assistant":
		return errors.New("no choice with an assistant's message")
	case got.Usage == nil:
		return errors.New("no usage")
	}
	return lacking(*got.Usage, "prompt_tokens", "completion_tokens", "total_tokens")
}

func (r *compatRun) streaming(ctx context.Context) error {
	status, header, data, err := r.send(ctx, "POST", "/v1/chat/completions", r.token, with(hello(r.chat), "stream", true))
	if err != nil {
		return err
	}
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
		return fmt.Errorf("status %d, %s: %.200s", status, header.Get("Content-Type"), data)
	}
	chunks, done := 0, false
	for line := range strings.SplitSeq(string(data), "\n") {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "data: ")
		if !ok {
			continue
		}
		if done = text == "[DONE]"; done {
			continue
		}
		var chunk chatAnswer
		if err := json.Unmarshal([]byte(text), &chunk); err != nil {
			return fmt.Errorf("a chunk is not JSON: %w", err)
		}
		if chunk.Object != "chat.completion.chunk" || chunk.ID == "" || chunks == 0 && (len(chunk.Choices) == 0 || chunk.Choices[0].Delta == nil) {
			return fmt.Errorf("chunk %d: object %q, id %q", chunks, chunk.Object, chunk.ID)
		}
		chunks++
	}
	if chunks == 0 || !done {
		return fmt.Errorf("%d chunks, ended by [DONE]: %t", chunks, done)
	}
	return nil
}

func (r *compatRun) toolCalling(ctx context.Context) error {
	tool := object{"type": "function", "function": object{
		"name": "get_weather", "description": "The weather in a city.",
		"parameters": object{"type": "object", "properties": object{"city": object{"type": "string"}}, "required": []string{"city"}},
	}}
	var got chatAnswer
	if err := r.call(ctx, "POST", "/v1/chat/completions", with(hello(r.chat), "tools", []object{tool}), &got); err != nil {
		return err
	}
	if len(got.Choices) == 0 {
		return errors.New("no choice")
	}
	for _, t := range got.Choices[0].Message.ToolCalls { // that the model calls none is its own affair
		if t.ID == "" || t.Type != "function" || t.Function.Name == "" || t.Function.Arguments == nil {
			return errors.New("a tool call without id, type, name or arguments")
		}
	}
	return nil
}

func (r *compatRun) structured(ctx context.Context) error {
	ask := with(hello(r.chat), "response_format", object{"type": "json_object"})
	ask["messages"] = []object{{"role": "user", "content": `Answer in JSON: {"greeting": "..."}`}}
	var got chatAnswer
	if err := r.call(ctx, "POST", "/v1/chat/completions", ask, &got); err != nil {
		return err
	}
	if len(got.Choices) == 0 {
		return errors.New("no choice")
	}
	return nil
}

// errorParity looks at the answer to a bad token, which belongs to no agent and
// so is no refusal of one.
func (r *compatRun) errorParity(ctx context.Context) error {
	status, _, data, err := r.send(ctx, "POST", "/v1/chat/completions", strings.Repeat("0", 32), hello(r.chat))
	if err != nil {
		return err
	}
	if status != http.StatusUnauthorized && status != http.StatusForbidden {
		return fmt.Errorf("a bad token got status %d", status)
	}
	var refusal struct {
		Error struct{ Message, Type string }
	}
	if json.Unmarshal(data, &refusal) != nil || refusal.Error.Message == "" || refusal.Error.Type == "" {
		return fmt.Errorf("a bad token: the error has not the shape of OpenAI's: %.200s", data)
	}
	return nil
}

func (r *compatRun) responses(ctx context.Context) error {
	var got object
	if err := r.call(ctx, "POST", "/v1/responses", object{"model": r.chat, "input": "Say hello.", "max_output_tokens": 32}, &got); err != nil {
		return err
	}
	return lacking(got, "id", "output", "usage", "status")
}

func (r *compatRun) completions(ctx context.Context) error {
	model := r.pick(completionModels, func(m listedModel) bool { return strings.Contains(m.ID, "instruct") && m.OwnedBy == "openai" })
	if model == "" {
		return errNoModel
	}
	var got object
	if err := r.call(ctx, "POST", "/v1/completions", object{"model": model, "prompt": "Hello", "max_tokens": 16}, &got); err != nil {
		return err
	}
	return lacking(got, "id", "choices", "usage")
}

func (r *compatRun) embeddings(ctx context.Context) error {
	model := r.pick(embeddingModels, func(m listedModel) bool { return strings.Contains(m.ID, "embed") && m.OwnedBy != "google" })
	if model == "" {
		return errNoModel
	}
	var got object
	if err := r.call(ctx, "POST", "/v1/embeddings", object{"model": model, "input": "Hello"}, &got); err != nil {
		return err
	}
	return lacking(got, "data", "usage")
}

func (r *compatRun) messages(ctx context.Context) error {
	model := r.pick(messagesModels, func(m listedModel) bool { return m.OwnedBy == "anthropic" })
	if model == "" {
		return errNoModel
	}
	var got object
	if err := r.call(ctx, "POST", "/v1/messages", hello(model), &got); err != nil {
		return err
	}
	return lacking(got, "id", "content", "usage", "stop_reason")
}

func (r *compatRun) gemini(ctx context.Context) error {
	model := r.pick(geminiModels, func(m listedModel) bool { return m.OwnedBy == "google" && !strings.Contains(m.ID, "embed") })
	if model == "" {
		return errNoModel
	}
	ask := object{"contents": []object{{"role": "user", "parts": []object{{"text": "Say hello."}}}}, "generationConfig": object{"maxOutputTokens": 32}}
	var got object
	if err := r.call(ctx, "POST", "/v1beta/models/"+model+":generateContent", ask, &got); err != nil {
		return err
	}
	return lacking(got, "candidates", "usageMetadata")
}

func (r *compatRun) listModels(ctx context.Context) error {
	var got struct {
		Object string        `json:"object"`
		Data   []listedModel `json:"data"`
	}
	if err := r.call(ctx, "GET", "/v1/models", nil, &got); err != nil {
		return err
	}
	if got.Object != "list" {
		return fmt.Errorf("object is %q", got.Object)
	}
	r.models = got.Data
	return nil
}

func (r *compatRun) balance(ctx context.Context) error {
	var got object
	if err := r.call(ctx, "GET", "/v1/aex/budget", nil, &got); err != nil {
		return err
	}
	return lacking(got, "agent", "accounts")
}
