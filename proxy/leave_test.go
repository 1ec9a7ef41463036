package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
)

// leave asks for a stream, reads what the provider sends before it falls silent,
// and hangs up. header is the key's.
func leave(ctx context.Context, base string, k brokenCall, header ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+k.path, strings.NewReader(fmt.Sprintf(k.body, 8192+k.thinks)))
	if err != nil {
		return err
	}
	req.Header.Set("Anthropic-Version", "2023-06-01")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var all strings.Builder
	for p := make([]byte, 4096); strings.Count(all.String(), "data:") < 42; {
		n, err := resp.Body.Read(p)
		all.Write(p[:n])
		if err != nil {
			return err
		}
	}
	return nil
}

// TestClientThatLeaves: of 30 streams that their client leaves, the provider's
// bill is what it is without aex.
func TestClientThatLeaves(t *testing.T) {
	var kinds []brokenCall
	for _, k := range brokenCalls {
		if !k.goesOn && strings.HasPrefix(k.path, "/v1/") && strings.Contains(k.body, "stream") && !strings.Contains(k.path, "embed") {
			kinds = append(kinds, k)
		}
	}
	bill := func(w *world, base string, header ...string) (output int64) {
		t.Helper()
		before := len(w.provider.Bill())
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				if err := leave(t.Context(), base, kinds[i%len(kinds)], header...); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		must(t, w.provider.Wait(t.Context(), before+30))
		for _, e := range w.provider.Bill()[before:] {
			output += e.Usage.Output
		}
		return output
	}
	w := brokenWorld(t)
	w.provider.Set(fakeprovider.Behaviour{OutputTokens: 2000, Fault: fakeprovider.FaultHang, After: 42})
	without := bill(w, w.upstream, "Authorization", "Bearer "+realKey, "X-Api-Key", realKey)
	with := bill(w, w.url, "Authorization", "Bearer "+w.token)
	t.Logf("without aex %d tokens of output, with it %d", without, with)
	if without == 0 || with*10 > without*11 {
		t.Errorf("without aex %d tokens of output are billed, with it %d", without, with)
	}
	w.booked(30)
}
