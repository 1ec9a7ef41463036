package main

import (
	"context"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
)

func openAI(ctx context.Context) error {
	client := openai.NewClient()
	chat := openai.ChatCompletionNewParams{
		Model: "gpt-4o-mini", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say something, né 你好")},
	}
	whole, err := client.Chat.Completions.New(ctx, chat)
	if err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	show("whole", whole.RawJSON())
	for _, usage := range []bool{false, true} {
		if usage {
			chat.StreamOptions.IncludeUsage = openai.Bool(true)
		}
		stream := client.Chat.Completions.NewStreaming(ctx, chat)
		for stream.Next() {
			show("chunk", stream.Current().RawJSON())
		}
		if err := stream.Err(); err != nil {
			return fmt.Errorf("chat stream: %w", err)
		}
	}
	weather := openai.FunctionDefinitionParam{Name: "weather", Parameters: openai.FunctionParameters{"type": "object"}}
	called, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: "gpt-4o-mini", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(`[[tool weather {"city": "Oslo"}]]`)},
		Tools: []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(weather)},
	})
	if err != nil {
		return fmt.Errorf("chat with a tool: %w", err)
	}
	show("tool", called.RawJSON())
	if err := openAIResponses(ctx, client); err != nil {
		return err
	}
	embedding, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: "text-embedding-3-small", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
	})
	if err != nil {
		return fmt.Errorf("embeddings: %w", err)
	}
	show("embedding", embedding.RawJSON())
	return nil
}

func openAIResponses(ctx context.Context, client openai.Client) error {
	asked := responses.ResponseNewParams{Model: "gpt-5-mini", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Go on")}}
	whole, err := client.Responses.New(ctx, asked)
	if err != nil {
		return fmt.Errorf("responses: %w", err)
	}
	show("response", whole.RawJSON())
	stream := client.Responses.NewStreaming(ctx, asked)
	for stream.Next() {
		show("event", stream.Current().RawJSON())
	}
	if err := stream.Err(); err != nil {
		return fmt.Errorf("responses stream: %w", err)
	}
	asked.Input.OfString = openai.String(`[[tool weather {"city": "Oslo"}]]`)
	asked.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{
		Name: "weather", Strict: openai.Bool(false), Parameters: map[string]any{"type": "object"}}}}
	called, err := client.Responses.New(ctx, asked)
	if err != nil {
		return fmt.Errorf("responses with a tool: %w", err)
	}
	show("response", called.RawJSON())
	return nil
}
