package fakeprovider

// A lean provider answers a request that it has seen before as it did then, id
// and all: in a benchmark the provider must cost little beside the gateway.

const (
	maxMemos    = 256
	maxMemoBody = 64 << 10
)

type memoKey struct{ path, body string }

type memo struct {
	call *call
	turn int64 // of the behaviours; plan and whole hold for it alone
	plan *plan
	body []byte
}

// recall finds what is known of a request.
func (x *exchange) recall() (memo, bool) {
	if !x.p.opt.Lean {
		return memo{}, false
	}
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	m, ok := x.p.memos[memoKey{x.r.URL.Path, string(x.body)}]
	return m, ok
}

// remember keeps what has been worked out for a request.
func (x *exchange) remember(m memo) {
	if !x.p.opt.Lean || len(x.body) > maxMemoBody || x.r.URL.RawQuery != "" {
		return
	}
	x.p.mu.Lock()
	defer x.p.mu.Unlock()
	if len(x.p.memos) >= maxMemos {
		clear(x.p.memos)
	}
	x.p.memos[memoKey{x.r.URL.Path, string(x.body)}] = m
}
