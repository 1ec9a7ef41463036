package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
)

// lineServer answers every connection with the same bytes, and then holds it
// open until the test ends.
func lineServer(t *testing.T, answer string) (url string) {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				_, _ = conn.Read(make([]byte, 1<<16))
				_, _ = io.WriteString(conn, answer)
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// A status that ends no request is no answer: the call ends at once, with the
// hold booked, because the provider has had the request.
func TestAStatusThatEndsNothing(t *testing.T) {
	for _, status := range []string{"101 Switching Protocols", "000 Nothing", "099 Odd", "102 Processing\r\n\r\nHTTP/1.1 101 Switching Protocols"} {
		url := lineServer(t, "HTTP/1.1 "+status+"\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		w := newWorld(t, setup{models: fmt.Sprintf("version: 1\nproviders:\n  house: {base_url: %q, key_env: HOUSE_KEY}\nmodels:\n  gpt-4o-mini: {provider: house, pricing: {input_usd_per_mtok: \"0.15\", output_usd_per_mtok: \"0.60\"}}\n", url+"/v1")})
		got, h, answer, err := w.post("/v1/chat/completions", hello)
		must(t, err)
		if got != http.StatusBadGateway || h.Get("X-Aex-Code") != "upstream_unreachable" {
			t.Errorf("%s: %d %s", status, got, answer)
		}
		if run := w.booked(1); run.Account.Reserved != 0 || run.Account.Spent == ledger.Micros(0) {
			t.Errorf("%s: %+v", status, run.Account)
		}
	}
}

// A path that a server behind the gateway may read as another is not passed on.
func TestOpenedPathsMeanTheSameEverywhere(t *testing.T) {
	w := newWorld(t, setup{models: "version: 1\nroutes:\n  \"POST /v1/files/*\": free\n"})
	for _, path := range []string{"/v1/files/a%252e%252e/b", "/v1/files/..;/b", "/v1/files/..%5cb", "/v1/files/%2e%2e%2fb", "/v1/files/a;x/b", "/v1/files/a%2f%2fb"} {
		status, h, answer, err := w.post(path, `{}`)
		must(t, err)
		if status != 403 || h.Get("X-Aex-Code") != "endpoint_not_governed" || len(w.provider.Bill()) != 0 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}
