package proxy

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/policy"
)

// A secret that a caller writes where a name belongs is kept nowhere and shown
// to nobody: not the ledger, not who watches, not a log, not the answer.
func TestSecretsInPlaceOfNamesAreKeptNowhere(t *testing.T) {
	var mu sync.Mutex
	var logged strings.Builder
	caps := policy.Open()
	caps.DeniedTools, caps.Strict = []string{"shell"}, true
	w := newWorld(t, setup{caps: &caps, models: "version: 1\n", change: func(o *Options) {
		o.Logf = func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(&logged, format+"\n", args...)
		}
	}})
	said := `"messages":[{"role":"user","content":"x"}]`
	requests := []struct{ path, body string }{
		{"/v1/chat/completions", `{"model":"SECRET",` + said + `}`},
		{"/v1/responses", `{"model":"openai/SECRET","input":"x"}`},
		{"/v1/messages", `{"model":"SECRET","max_tokens":9,` + said + `}`},
		{"/v1/embeddings", `{"model":"SECRET","input":"x"}`},
		{"/v1/images/generations", `{"model":"SECRET","prompt":"x"}`},
		{"/v1beta/models/SECRET:generateContent", `{"contents":[{"parts":[{"text":"x"}]}]}`},
		{"/v1beta/models/SECRET:countTokens", `{"contents":[{"parts":[{"text":"x"}]}]}`},
		{"/v1/chat/completions", `{"model":"gpt-4o-mini","tools":[{"type":"SECRET"}],` + said + `}`},
		{"/v1/chat/completions", `{"model":"gpt-4o-mini","tools":[{"type":"mcp:SECRET"}],` + said + `}`},
		{"/v1/responses", `{"model":"gpt-4o-mini","tools":[{"type":"SECRET"}],"input":"x"}`},
		{"/v1/responses", `{"model":"gpt-4o-mini","input":[{"type":"SECRET"}]}`},
		{"/v1/chat/completions", `{"model":"gpt-4o-mini","SECRET":1,` + said + `}`},
		{"/v1/chat/completions", `{"model":"gpt-4o-mini","SECRET":1,"SECRET":2,` + said + `}`},
		{"/v1/chat/completions", `{"model":"gpt-4o-mini","service_tier":"SECRET",` + said + `}`},
		{"/v1/chat/completions", `{"model":"gpt-4o-mini","messages":[{"role":"user","content":[{"type":"SECRET"}]}]}`},
		{"/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"parts":[{"SECRET":{}}]}]}`},
		{"/v1/SECRET", `{}`}, {"/SECRET/v1/chat/completions", `{}`}, {"/p/SECRET/v1/chat/completions", `{"model":"m"}`},
		{"/openai/deployments/SECRET/chat/completions", `{` + said + `}`}, {"/v1/aex/runs/SECRET/end", `{"outcome":"SECRET"}`}, {"/v1/aex/runs", `{"program":"SECRET","budget_micro":1000}`},
		{"/v1/responses/SECRET/cancel", ``}, {"/v1/models/SECRET", ``},
	}
	secrets := map[string]string{"the run's token": w.token, "a provider's key": realKey, "a key of another": "sk-ant-api03-CanaryCanary-9Zz", "a key without a form": "canary7f3a9b2c4d8e1f605a4b"}
	for name, secret := range secrets {
		for _, r := range requests {
			path, body := strings.ReplaceAll(r.path, "SECRET", secret), strings.ReplaceAll(r.body, "SECRET", secret)
			status, h, answer, err := w.post(path, body)
			must(t, err)
			if status != 200 && strings.Contains(answer, secret) || strings.Contains(fmt.Sprint(h), secret) {
				t.Errorf("%s: %s %s is answered with it: %.300s", name, r.path, r.body, answer)
			}
		}
		form, kind := formOf(t, "model", secret, secret, "x", secret, "y")
		_, _, answer, err := w.post("/v1/audio/transcriptions", form, "Content-Type", kind)
		if must(t, err); strings.Contains(answer, secret) {
			t.Errorf("%s: a form is answered with it: %.300s", name, answer)
		}
	}
	w.notKept(t, secrets, logged.String())
}

// A model of a server on this machine may have any name; a secret in its place
// reaches the server, and is kept nowhere all the same.
func TestSecretsAsLocalModelsAreKeptNowhere(t *testing.T) {
	w := newWorld(t, setup{prices: []string{}, change: func(o *Options) { o.Key = func(policy.Provider) string { return "" } }})
	w.provider.Set(fakeprovider.Behaviour{OutputTokens: 3})
	secret := "canary7f3a9b2c4d8e1f605a4b"
	for range 2 {
		if _, _, _, err := w.post("/v1/chat/completions", strings.Replace(hello, "gpt-4o-mini", secret, 1)); err != nil {
			t.Fatal(err)
		}
		w.booked(1)
	}
	w.notKept(t, map[string]string{"a local model": secret}, "")
}

// A model of the price list goes by its name, also where that begins as a key does.
func TestListedModelsKeepTheirNames(t *testing.T) {
	w := newWorld(t, setup{prices: []string{}})
	const name = "pplx-70b-chat"
	status, _, answer, err := w.post("/v1/chat/completions", strings.Replace(hello, "gpt-4o-mini", name, 1))
	if must(t, err); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if n := <-w.notices; n.Model != name {
		t.Errorf("it was told of as %q", n.Model)
	}
}

// notKept searches the ledger's files, what was told and what was logged.
func (w *world) notKept(t *testing.T, secrets map[string]string, logged string) {
	t.Helper()
	if err := w.gateway.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{"the log": logged}
	must(t, filepath.WalkDir(w.home, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, unread := os.ReadFile(path)
			kept[filepath.Base(path)], err = string(b), unread
		}
		return err
	}))
	close(w.notices)
	told := 0
	for n := range w.notices {
		kept["a notice"] += fmt.Sprintf("%+v\n", n)
		told++
	}
	if told == 0 && len(kept) < 3 || kept["aex.db"] == "" {
		t.Errorf("nothing was searched: %d notices, %d files", told, len(kept))
	}
	for where, text := range kept {
		for name, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s stands in %s: %.300q", name, where, text[max(0, i-120):min(len(text), i+60)])
			}
		}
	}
}
