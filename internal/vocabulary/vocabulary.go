// Package vocabulary counts the tokens of a text as OpenAI's models of today do:
// by the vocabulary o200k_base, which gpt-4o, gpt-4.1, gpt-5, the o series and
// gpt-oss share. The vocabulary is that of github.com/tiktoken-go/tokenizer, whose
// own form of it would make the binary seven megabytes larger; clients/vocabulary
// writes it.
package vocabulary

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// packed is every token in the order of its rank, each after a byte that says
// how long it is; compressed.
//
//go:embed o200k.zst
var packed []byte

const (
	tokens   = 199_998
	unpacked = 2 << 20 // bytes at most
	// longest bounds the pieces that are merged: what is longer is cut, which adds
	// a token at most for each cut.
	longest = 256
	// stride is how much is counted between two looks at the context.
	stride = 64 << 10
)

// ranks has the rank of every token. It is unpacked when it is first used.
var ranks = sync.OnceValues(func() (map[string]uint32, error) {
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(unpacked))
	if err != nil {
		return nil, fmt.Errorf("unpacking the vocabulary: %w", err)
	}
	defer reader.Close()
	raw, err := reader.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking the vocabulary: %w", err)
	}
	all, rest := make(map[string]uint32, tokens), string(raw)
	for rank := uint32(0); rest != ""; rank++ {
		end := 1 + int(rest[0])
		all[rest[1:end]], rest = rank, rest[end:]
	}
	if len(all) != tokens {
		return nil, fmt.Errorf("the vocabulary has %d tokens, not %d", len(all), tokens)
	}
	return all, nil
})

// Count is how many tokens a text has. It gives up when ctx ends.
func Count(ctx context.Context, text string) (n int64, err error) {
	all, err := ranks()
	if err != nil {
		return 0, err
	}
	for next := stride; text != ""; {
		end := pieceEnd(text)
		for piece := text[:end]; piece != ""; {
			part := piece[:min(len(piece), longest)]
			n += merged(all, part)
			piece = piece[len(part):]
		}
		if text, next = text[end:], next-end; next <= 0 {
			if next = stride; ctx.Err() != nil {
				return 0, ctx.Err()
			}
		}
	}
	return n, nil
}

// merged is how many tokens are left of a piece once no two that stand side by
// side make one: those of the lowest rank are put together first.
func merged(all map[string]uint32, piece string) int64 {
	if _, whole := all[piece]; whole {
		return 1
	}
	var room [longest + 1]int
	bounds := room[:0]
	for i := range len(piece) + 1 {
		bounds = append(bounds, i)
	}
	for len(bounds) > 2 {
		best, at := ^uint32(0), 0
		for i := 0; i+2 < len(bounds); i++ {
			if rank, ok := all[piece[bounds[i]:bounds[i+2]]]; ok && rank < best {
				best, at = rank, i+1
			}
		}
		if at == 0 {
			break
		}
		bounds = append(bounds[:at], bounds[at+1:]...)
	}
	return int64(len(bounds) - 1)
}

// Knows tells whether a model, as its vendor names it, has this vocabulary.
func Knows(model string) bool {
	model = strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	for _, family := range []string{"gpt-4o", "gpt-4.1", "gpt-5", "chatgpt-4o", "gpt-oss", "o1", "o3", "o4", "codex-mini"} {
		if rest, ok := strings.CutPrefix(model, family); ok && (rest == "" || strings.ContainsAny(rest[:1], "-.:@")) {
			return true
		}
	}
	return false
}
