package proxy

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// TestNoGoroutineIsLeft: calls that are answered, refused, streamed, broken off
// by either side or never read leave nothing running.
func TestNoGoroutineIsLeft(t *testing.T) {
	w := newWorld(t, setup{budget: "1000", change: func(o *Options) { o.Watch, o.Linger = nil, time.Millisecond }})
	storm := func() {
		var calls sync.WaitGroup
		for i := range 200 {
			calls.Go(func() {
				body := strings.Replace(hello, "{", `{"stream":true,`, i%2)
				path := "/v1/chat/completions"
				switch i % 5 {
				case 1:
					body = strings.Replace(body, "gpt-4o-mini", "nobodys-model", 1)
				case 2:
					w.provider.Next(fakeprovider.Behaviour{Fault: fakeprovider.FaultDropReused})
				case 3:
					leave, gone := context.WithCancel(t.Context())
					req, err := http.NewRequestWithContext(leave, http.MethodPost, w.url+path, strings.NewReader(body))
					if err != nil {
						t.Error(err)
						gone()
						return
					}
					req.Header.Set("Authorization", "Bearer "+w.token)
					if resp, err := client.Do(req); err == nil {
						gone()
						_ = resp.Body.Close()
					}
					gone()
					return
				}
				_, _, _, _ = w.post(path, body) // each may fail in its own way
			})
		}
		calls.Wait()
	}
	settle := func(most int) (n int) {
		within := time.After(20 * time.Second)
		for {
			w.gateway.upstream.close()
			if n = runtime.NumGoroutine(); w.gateway.Open() == 0 && n <= most {
				return n
			}
			select {
			case <-within:
				return n
			default:
				runtime.Gosched()
			}
		}
	}
	storm()
	before := settle(40) // the test's own, the ledger's and the servers'
	storm()
	storm()
	if after := settle(before); after > before {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines became %d:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}
