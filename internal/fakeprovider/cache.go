package fakeprovider

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
)

// cacheKey is a conversation as Anthropic's cache sees it: what comes before the
// messages.
type cacheKey struct {
	model string
	fixed [32]byte
}

// cacheEntry is what is in the cache of a conversation.
type cacheEntry struct {
	tokens   int64  // of the whole prompt, when it was written
	thinking string // a change of it invalidates the messages, not what is before
}

// cached splits a prompt as Anthropic's cache would: what the last request with
// the same system and tools had written is read, the rest is written. A request
// that asks for no caching is neither.
func (x *exchange) cached(model string, prompt int64) (read, write int64) {
	var q struct{ System, Tools, Thinking json.RawMessage }
	if json.Unmarshal(x.body, &q) != nil || !bytes.Contains(x.body, []byte(`"cache_control"`)) {
		return 0, 0
	}
	key := cacheKey{model, sha256.Sum256(append(append([]byte{}, q.System...), q.Tools...))}
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	if x.p.caches == nil {
		x.p.caches = map[cacheKey]cacheEntry{}
	}
	had, known := x.p.caches[key]
	switch {
	case !known:
	case had.thinking == string(q.Thinking):
		read = had.tokens
	default:
		read = int64(len(q.System)+len(q.Tools)) / 4
	}
	x.p.caches[key] = cacheEntry{prompt, string(q.Thinking)}
	read = min(read, prompt)
	return read, prompt - read
}
