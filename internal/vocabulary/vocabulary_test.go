package vocabulary

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestCount: as many tokens as the library of the vocabulary counts, in scripts
// of all kinds, in code and in white space.
func TestCount(t *testing.T) {
	raw, err := os.ReadFile("testdata/counted.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Text   string
		Tokens int64
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if n, err := Count(t.Context(), c.Text); err != nil || n != c.Tokens {
			t.Errorf("%.60q: %d tokens, the library has %d (%v)", c.Text, n, c.Tokens, err)
		}
	}
	if len(list) < 30 {
		t.Errorf("only %d texts", len(list))
	}
}

// TestAnyText: every text comes to an end, with at least a token and at most one
// a byte; one that is not UTF-8 as well.
func TestAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringN(0, 400, -1), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		n, err := Count(context.Background(), text)
		if err != nil || n > int64(len(text)) || n < 1 && text != "" {
			t.Fatalf("%d tokens of %d bytes, %v", n, len(text), err)
		}
	})
}

// TestGivesUp: a long text ends with its context, also one without a space in it.
func TestGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, text := range []string{strings.Repeat("a", 4*stride), strings.Repeat(" ", 4*stride), strings.Repeat("a b ", stride)} {
		if _, err := Count(ctx, text); !errors.Is(err, context.Canceled) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestKnows(t *testing.T) {
	for model, known := range map[string]bool{
		"gpt-4o": true, "gpt-4o-mini-2024-07-18": true, "openai/gpt-5.1-codex": true, "openai/gpt-oss-120b": true, "o3": true, "o4-mini": true,
		"gpt-4": false, "gpt-4-turbo": false, "gpt-3.5-turbo": false, "o300": false, "llama-3.3-70b": false, "gpt-4omni": false, "": false,
	} {
		if Knows(model) != known {
			t.Errorf("%q: %t", model, !known)
		}
	}
}
