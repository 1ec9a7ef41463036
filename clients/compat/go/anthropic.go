package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
)

func anthropicBot(ctx context.Context) error {
	client := anthropic.NewClient()
	asked := anthropic.MessageNewParams{
		Model: "claude-sonnet-4-5", MaxTokens: 100,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Say something, né 你好"))},
	}
	whole, err := client.Messages.New(ctx, asked)
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	show("whole", whole.RawJSON())
	stream := client.Messages.NewStreaming(ctx, asked)
	for stream.Next() {
		show("event", stream.Current().RawJSON())
	}
	if err := stream.Err(); err != nil {
		return fmt.Errorf("messages stream: %w", err)
	}
	for _, ttl := range []anthropic.CacheControlEphemeralTTL{anthropic.CacheControlEphemeralTTLTTL5m, anthropic.CacheControlEphemeralTTLTTL1h} {
		control := anthropic.NewCacheControlEphemeralParam()
		control.TTL = ttl
		cached := asked
		cached.Model = "claude-haiku-4-5"
		cached.System = []anthropic.TextBlockParam{{Text: strings.Repeat("a long prompt ", 50), CacheControl: control}}
		answer, err := client.Messages.New(ctx, cached)
		if err != nil {
			return fmt.Errorf("messages with a cache: %w", err)
		}
		show("cached", answer.RawJSON())
	}
	asked.Messages = []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(`[[tool weather {"city": "Oslo"}]]`))}
	asked.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{
		Name: "weather", InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]any{"type": "string"}}}}}}
	called, err := client.Messages.New(ctx, asked)
	if err != nil {
		return fmt.Errorf("messages with a tool: %w", err)
	}
	show("tool", called.RawJSON())
	return nil
}
