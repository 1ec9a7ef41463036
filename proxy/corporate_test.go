package proxy

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/policy"
)

// connectProxy is a corporate proxy: it joins CONNECT tunnels, and counts them.
func connectProxy(t *testing.T) (url string, tunnels *atomic.Int64) {
	t.Helper()
	tunnels = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only tunnels", http.StatusMethodNotAllowed)
			return
		}
		tunnels.Add(1)
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			far.Close()
			return
		}
		fmt.Fprint(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(far, near); far.Close() }()
		go func() { _, _ = io.Copy(near, far); near.Close() }()
	}))
	t.Cleanup(s.Close)
	return s.URL, tunnels
}

// A provider behind a proxy, with a certificate of an organisation's own, is
// reached by models.yaml's proxy and ca_file; without them the error names what
// stood in the way, and nothing is booked.
func TestProxyAndCertificates(t *testing.T) {
	provider := fakeprovider.New(fakeprovider.Options{Key: realKey})
	upstream := httptest.NewTLSServer(provider)
	t.Cleanup(upstream.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw}), 0o600))
	way, tunnels := connectProxy(t)
	yaml := func(more string) string {
		return "version: 1\nproviders:\n  corp:\n    base_url: " + upstream.URL + "/v1\n    type: openai_compatible\n    key_env: OPENAI_API_KEY\n" + more +
			"models:\n  house:\n    provider: corp\n    provider_model: gpt-4o-mini\n    pricing: {input_usd_per_mtok: \"0.15\", output_usd_per_mtok: \"0.60\"}\n"
	}
	body := strings.Replace(hello, "gpt-4o-mini", "house", 1)

	w := newWorld(t, setup{models: yaml("    proxy: " + way + "\n    ca_file: " + ca + "\n")})
	status, _, answer, err := w.post("/v1/chat/completions", body)
	must(t, err)
	if status != 200 || !strings.Contains(answer, `"house"`) || tunnels.Load() != 1 {
		t.Errorf("through the proxy: %d, %d tunnels, %s", status, tunnels.Load(), answer)
	}
	if run := w.booked(1); run.Account.Spent == 0 {
		t.Error("the call was not booked")
	}

	w = newWorld(t, setup{models: yaml("    proxy: " + way + "\n")})
	status, h, answer, err := w.post("/v1/chat/completions", body)
	must(t, err)
	if status != 502 || h.Get("X-Aex-Code") != "upstream_unreachable" || !strings.Contains(answer, "proxy") || !strings.Contains(answer, "certificate") {
		t.Errorf("without the certificate: %d %s", status, answer)
	}
	if run := w.booked(1); run.Account.Spent != 0 || run.Account.Reserved != 0 {
		t.Errorf("a call that was never sent is booked: %s spent, %s reserved", run.Account.Spent, run.Account.Reserved)
	}
}

// --ca-file serves providers that name none of their own.
func TestCAFile(t *testing.T) {
	provider := fakeprovider.New(fakeprovider.Options{Key: realKey})
	upstream := httptest.NewTLSServer(provider)
	t.Cleanup(upstream.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw}), 0o600))
	w := newWorld(t, setup{change: func(o *Options) {
		r, err := policy.NewRegistry(policy.Sources{Prices: wirePrices, BaseURLs: map[string]string{"openai": upstream.URL + "/v1"}, HasKey: map[string]bool{"openai": true}})
		must(t, err)
		o.Registry, o.CAFile = r, ca
	}})
	if status, _, answer, err := w.post("/v1/chat/completions", hello); err != nil || status != 200 {
		t.Errorf("%d %s %v", status, answer, err)
	}
}
