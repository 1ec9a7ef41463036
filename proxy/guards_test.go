package proxy

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/ledger"
)

// A call of an inner run that was refused is no call under way: the run ends
// without waiting for it.
func TestARefusedCallIsNotUnderWay(t *testing.T) {
	w := newWorld(t, setup{})
	inner := w.openInner(w.token, `{"program":"poor","budget_micro":1}`)
	if status, answer := w.as(t.Context(), inner.Token, "POST", "/v1/chat/completions", hello); status != 402 {
		t.Fatalf("a call that costs more than a micro-dollar: %d %s", status, answer)
	}
	ended := make(chan string, 1)
	go func() {
		_, answer := w.as(t.Context(), w.token, "POST", "/v1/aex/runs/"+string(inner.RunID)+"/end", `{"outcome":"exited"}`)
		ended <- answer
	}()
	select {
	case answer := <-ended:
		if !strings.Contains(answer, `"state":"ended"`) {
			t.Error(answer)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the run waits for a call that was refused")
	}
}

// The run's token in ?key= ends at the gateway, also on a route that models.yaml
// opens, whose other parameters pass.
func TestTheKeyParameterEndsHere(t *testing.T) {
	seen := make(chan url.Values, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.URL.Query()
		_, _ = w.Write([]byte(`{}`))
	}))
	defer upstream.Close()
	w := newWorld(t, setup{models: "version: 1\nproviders:\n  house: {base_url: \"" + upstream.URL + "/v1\", key_env: HOUSE_KEY}\nroutes:\n  \"POST /v1/files\": {usd_per_call: \"0.04\", provider: house}\n"})
	for _, path := range []string{"/v1/files?purpose=x&key=" + w.token, "/v1/files?purpose=x&key=" + w.token + "&key=other"} {
		status, _, answer, err := w.post(path, `{}`)
		must(t, err)
		if status != 200 {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
		if q := <-seen; q.Has("key") || q.Get("purpose") != "x" {
			t.Errorf("%s reached the provider with %v", path, q)
		}
	}
}

// Once a call could not be booked, no further one is made.
func TestNothingIsMadeAfterABookingFailed(t *testing.T) {
	w := newWorld(t, setup{})
	w.gateway.fail(errors.New("the disk is gone"))
	status, h, answer, err := w.post("/v1/chat/completions", hello)
	must(t, err)
	if status != http.StatusServiceUnavailable || h.Get("X-Aex-Code") != "ledger_unavailable" {
		t.Errorf("%d %s", status, answer)
	}
	if n := len(w.provider.Bill()); n != 0 {
		t.Errorf("%d calls reached the provider", n)
	}
}

// A call that asked for the dearer tier is billed as that where the answer does
// not say in which it was served.
func TestPriorityIsBilledUnlessDenied(t *testing.T) {
	c := &call{}
	c.asked.Tier = "priority"
	if got := c.tier(); got != "priority" {
		t.Errorf("asked for priority, told nothing: %q", got)
	}
	if c.reading.Tier = "default"; c.tier() != "default" {
		t.Errorf("asked for priority, served as default: %q", c.tier())
	}
	if c.asked.Tier, c.reading.Tier = "flex", ""; c.tier() != "" {
		t.Errorf("asked for flex, told nothing: %q", c.tier())
	}
}

// When the first byte reaches the provider the hold is in the ledger, for
// everybody to see.
func TestTheHoldComesFirst(t *testing.T) {
	var w *world
	held := make(chan int, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		holds, err := w.ledger.OpenHolds(r.Context(), 10)
		if err != nil {
			t.Error(err)
		}
		held <- len(holds)
		w.provider.ServeHTTP(rw, r)
	}))
	defer upstream.Close()
	w = newWorld(t, setup{models: "version: 1\nproviders:\n  house: {base_url: \"" + upstream.URL + "/v1\", key_env: HOUSE_KEY}\nmodels:\n  gpt-4o-mini: {provider: house, pricing: {input_usd_per_mtok: \"0.15\", output_usd_per_mtok: \"0.60\"}}\n"})
	status, _, answer, err := w.post("/v1/chat/completions", hello)
	must(t, err)
	if status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	if n := <-held; n != 1 {
		t.Errorf("%d holds when the request came", n)
	}
	if run := w.booked(1); run.Account.Spent == ledger.Micros(0) {
		t.Error("nothing was booked")
	}
}
