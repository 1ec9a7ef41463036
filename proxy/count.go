package proxy

import "context"

// byCount bounds the prompt by a count of its tokens.
func (c *call) byCount(_ context.Context, _ *offer) *offer { return nil }
