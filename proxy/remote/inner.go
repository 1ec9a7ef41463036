package remote

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/proxy/inner"
)

// innerTokens are those of the runs inside a relay's, as the gateway answered
// when they were opened. No others are sent on, beside the program's own.
type innerTokens struct {
	mu    sync.Mutex
	known map[ledger.TokenHash]bool
	order []ledger.TokenHash // oldest first
}

// maxInner is more than a gateway has runs inside one; beyond it the oldest goes.
const maxInner = 4096

func (t *innerTokens) add(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = map[ledger.TokenHash]bool{}
	}
	h := ledger.HashToken(token)
	t.known[h] = true
	if t.order = append(t.order, h); len(t.order) > maxInner {
		delete(t.known, t.order[0])
		t.order = t.order[1:]
	}
}

func (t *innerTokens) has(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[ledger.HashToken(token)]
}

// opens tells whether a request asks for a run inside the caller's.
func opens(req *http.Request) bool {
	return req.Method == http.MethodPost && strings.HasSuffix(strings.TrimRight(req.URL.Path, "/"), "/aex/runs")
}

// passOpened gives the answer to an opening to the program, and keeps its token.
func (r *Relay) passOpened(w http.ResponseWriter, resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close() // it has been read
	if err != nil {
		return err
	}
	var opened inner.Opened
	if json.Unmarshal(body, &opened) == nil && opened.Token != "" {
		r.inner.add(opened.Token)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return pass(w, resp)
}
