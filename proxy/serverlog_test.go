package proxy

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/proxy/watch"
)

// What net/http says of a handler's panic goes to the gateway's log, not past
// it to the standard error.
func TestPanicsGoToTheLog(t *testing.T) {
	said := make(chan string, 10)
	w := newWorld(t, setup{change: func(o *Options) {
		o.Watch = func(watch.Notice) { panic("evil \x1b[31m") }
		o.Logf = func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }
	}})
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	w.url = "http://" + l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.gateway.Serve(l) }()
	_, _, _, _ = w.post("/v1/files", "{}") // the answer may have gone before the panic
	select {
	case line := <-said:
		if !strings.Contains(line, "panic serving") || !strings.Contains(line, "evil") {
			t.Errorf("the log has %q", line)
		}
	case err := <-served:
		t.Fatalf("the gateway ended: %v", err)
	case <-time.After(10 * time.Second):
		t.Error("the log was told nothing")
	}
}
