package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"
)

type compatFlags struct{ token, url, model string }

// check finds flags that do not go together.
func (f *compatFlags) check(compat, offline bool) error {
	switch {
	case compat && offline:
		return usageError("--compat and --offline exclude each other: its checks are calls")
	case !compat && *f != compatFlags{}:
		return usageError("--token, --url and --model are for --compat")
	case f.url != "" && !strings.HasPrefix(f.url, "http://") && !strings.HasPrefix(f.url, "https://"):
		return usageError("--url is like http://127.0.0.1:9000, not %q", f.url)
	}
	return nil
}

// compatRun makes the calls of doctor --compat.
type compatRun struct {
	url, token string
	client     *http.Client
	models     []listedModel
	chat       string
}

type listedModel struct {
	ID      string `json:"id"`
	OwnedBy string `json:"owned_by"`
}

// compatCheck is one protocol and what its answers must hold. A model of ""
// for a wire that needs one skips it.
type compatCheck struct {
	name string
	run  func(*compatRun, context.Context) error
}

// errNoModel skips a wire that the server has no model for.
var errNoModel = errors.New("the server lists no model for it")

var compatChecks = []compatCheck{
	{"basic_chat", (*compatRun).basicChat},
	{"streaming_sse", (*compatRun).streaming},
	{"tool_calling", (*compatRun).toolCalling},
	{"structured_output", (*compatRun).structured},
	{"error_parity", (*compatRun).errorParity},
	{"responses", (*compatRun).responses},
	{"completions", (*compatRun).completions},
	{"embeddings", (*compatRun).embeddings},
	{"messages", (*compatRun).messages},
	{"gemini", (*compatRun).gemini},
	{"models", (*compatRun).listModels},
	{"budget", (*compatRun).balance},
}

func (c compatCheck) do(ctx context.Context, r *compatRun) finding {
	err := c.run(r, ctx)
	switch {
	case errors.Is(err, errNoModel):
		return finding{Name: c.name, Level: "skipped", Text: err.Error()}
	case err != nil:
		return finding{Name: c.name, Level: "broken", Text: err.Error()}
	}
	return finding{Name: c.name, Level: "ok", Text: "PASS"}
}

func (a *app) compat(ctx context.Context, f *compatFlags) error {
	if f.token == "" {
		return &failure{err: errors.New("--compat needs --token"), hint: "mint one with: aex agent token NAME", code: exitUsage}
	}
	r, err := a.newCompat(ctx, f)
	if err != nil {
		return err
	}
	defer r.client.CloseIdleConnections()
	failed := 0
	findings := []finding{}
	for _, check := range compatChecks {
		found := check.do(ctx, r)
		findings = append(findings, found)
		mark := map[string]string{"ok": "✅", "skipped": "⏭️ ", "broken": "❌"}[found.Level]
		if found.Level == "broken" {
			failed++
		}
		if !a.json {
			a.printf("%s %s: %s", mark, found.Name, printable(found.Text))
		}
	}
	if a.json {
		if err := a.printJSON(map[string]any{"ok": failed == 0, "checks": findings}); err != nil {
			return err
		}
	}
	if failed > 0 {
		return hinted(fmt.Errorf("%d of %d protocol checks failed", failed, len(findings)), "see what was refused: aex events -n 20")
	}
	return nil
}

func (a *app) newCompat(ctx context.Context, f *compatFlags) (*compatRun, error) {
	r := &compatRun{url: strings.TrimRight(f.url, "/"), token: f.token, client: &http.Client{Timeout: 60 * time.Second}}
	if r.url == "" {
		s, err := a.settings()
		if err != nil {
			return nil, err
		}
		v := a.lookAtDaemon(ctx, s)
		if !v.Running || v.URL == "" {
			return nil, hinted(errNoServer, "start it with: aex daemon start; or name another with --url")
		}
		r.url = v.URL
		if r.client, err = v.client(60 * time.Second); err != nil {
			return nil, err
		}
	}
	if err := r.listModels(ctx); errors.Is(err, syscall.ECONNREFUSED) {
		return nil, hinted(fmt.Errorf("nothing listens at %s", r.url), "start a server: aex daemon start; or name another with --url")
	} else if err != nil {
		return nil, hinted(fmt.Errorf("asking %s for its models: %w", r.url, err), "is the token right? mint one with: aex agent token NAME")
	}
	r.chat = f.model
	if r.chat == "" {
		r.chat = r.pick(chatModels, func(m listedModel) bool {
			return !strings.Contains(m.ID, "embed") && m.OwnedBy != "anthropic" && m.OwnedBy != "google"
		})
	}
	if r.chat == "" && len(r.models) > 0 {
		r.chat = r.models[0].ID
	}
	if r.chat == "" {
		return nil, hinted(errors.New("the server lists no model for this agent"), "set a provider key, or name one with --model")
	}
	return r, nil
}

// Models to make a small call with, the best first: v1.2's one model, then
// cheap ones that their providers serve. A name ends where it says, or goes on
// with a version.
var (
	chatModels       = []string{"gpt-oss-20b", "gpt-5.4-nano", "gpt-5-nano", "gpt-4.1-nano", "gpt-4o-mini", "llama-3.1-8b-instant"}
	messagesModels   = []string{"claude-haiku-5-5", "claude-haiku-4-5", "claude-3-5-haiku"}
	geminiModels     = []string{"gemini-3.1-flash-lite", "gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.0-flash"}
	embeddingModels  = []string{"text-embedding-3-small", "text-embedding-3-large"}
	completionModels = []string{"gpt-3.5-turbo-instruct"}
)

// pick finds a listed model of a kind: a preferred one, else the one whose
// name sorts last, which mostly is the newest; "" for none.
func (r *compatRun) pick(preferred []string, fits func(listedModel) bool) string {
	for _, want := range preferred {
		for _, m := range r.models {
			if fits(m) && (m.ID == want || strings.HasPrefix(m.ID, want+"-20")) {
				return m.ID
			}
		}
	}
	last := ""
	for _, m := range r.models {
		if fits(m) {
			last = max(last, m.ID)
		}
	}
	return last
}

// send makes one request and returns status, headers and body.
func (r *compatRun) send(ctx context.Context, method, path, token string, body any) (int, http.Header, []byte, error) {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return 0, nil, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(payload))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(path, "/v1/messages") {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return resp.StatusCode, resp.Header, data, err
}

// call makes a request that must succeed, and decodes its answer.
func (r *compatRun) call(ctx context.Context, method, path string, body, answer any) error {
	status, header, data, err := r.send(ctx, method, path, r.token, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("status %d %s: %.200s", status, header.Get("X-Aex-Code"), data)
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}
