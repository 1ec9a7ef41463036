package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// TestAnswersPolicyOnEveryWire: a tool call that comes back against the policy
// does not reach the client as one, whole or streamed, and is paid for.
func TestAnswersPolicyOnEveryWire(t *testing.T) {
	c := newCourt(t)
	caps := policy.Open()
	caps.DeniedTools = []string{"delete_*"}
	for _, wire := range policyWires {
		if !wire.tools {
			continue
		}
		for _, streamed := range []bool{false, true} {
			for _, called := range []string{"lookup", "delete_all"} {
				t.Run(fmt.Sprintf("%s/stream=%t/%s", wire.name, streamed, called), func(t *testing.T) {
					c.as(ledger.Execution, caps)
					a := wire.asks[0]
					path, body := wire.request(wire.model, a)
					if streamed {
						path, body = wire.streamed(wire.model, a)
					}
					c.provider.Next(fakeprovider.Behaviour{ToolCalls: []fakeprovider.ToolCall{{Name: called, Args: `{"path":"/secret"}`}}})
					status, h, answer, err := c.post(path, body, "Anthropic-Version", "2023-06-01")
					c.told(t)
					if called == "lookup" {
						if err != nil || status != http.StatusOK || !strings.Contains(answer, "lookup") || !strings.Contains(answer, "path") {
							t.Errorf("an allowed call was answered %d %v %s", status, err, answer)
						}
					} else if strings.Contains(answer, "path") || !streamed && (status != http.StatusForbidden || h.Get("X-Aex-Code") != "policy_denied") || streamed && err == nil {
						t.Errorf("a denied call came through: %d %q %v %s", status, h.Get("X-Aex-Code"), err, answer)
					}
					agent, err := c.ledger.Agent(t.Context(), c.agent)
					must(t, err)
					if agent.Account.Spent == 0 || agent.Account.Reserved != 0 {
						t.Errorf("spent %s, reserved %s", agent.Account.Spent, agent.Account.Reserved)
					}
				})
			}
		}
	}
}

// TestScopeOnEveryWire: a token that may only read reads models, budget and
// usage, and nothing else reaches a provider.
func TestScopeOnEveryWire(t *testing.T) {
	c := newCourt(t)
	c.gateway.SetRegistry(c.registry(courtModels()+"routes:\n  POST /v1/files: {usd_per_call: \"0.04\", provider: openai}\n", nil))
	c.as(ledger.ReadOnly, policy.Open())
	denied := verdict{"read_only_token", "may read"}
	for _, wire := range policyWires {
		path, body := wire.request(wire.model, ask{})
		c.try(t, wire, path, body, denied)
		if wire.stream != "" {
			path, body = wire.streamed(wire.model, ask{})
			c.try(t, wire, path, body, denied)
		}
		switch wire.name {
		case "messages":
			path, body = wire.request(wire.model, ask{})
			c.try(t, wire, path+"/count_tokens", body, denied)
		case "gemini":
			_, body = wire.request(wire.model, ask{})
			c.try(t, wire, "/v1beta/models/"+wire.model+":countTokens", body, denied)
		case "chat":
			c.try(t, wire, "/v1/files", `{}`, denied)
			c.try(t, wire, "/v1/aex/runs", `{"program":"x"}`, verdict{"read_only_token", ""})
		}
	}
	for _, path := range []string{"/v1/models", "/v1/models/" + policyWires[0].model, "/v1beta/models", "/v1/aex/budget"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
		must(t, err)
		req.Header.Set("Authorization", "Bearer "+c.token)
		resp, err := client.Do(req)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
	}
}

// TestPassthroughOnEveryWire: a key of the agent's own goes to the provider
// where the policy lets it, and stays nowhere.
func TestPassthroughOnEveryWire(t *testing.T) {
	const own = "sk-own-key-canary-77d1"
	c := newCourt(t)
	c.provider = fakeprovider.New(fakeprovider.Options{}) // takes any key
	upstream := httptest.NewServer(c.provider)
	defer upstream.Close()
	c.upstream = upstream.URL
	c.gateway.SetRegistry(c.registry(courtModels(), nil))
	header := map[string]string{"messages": "X-Api-Key", "gemini": "X-Goog-Api-Key"}
	for _, wire := range policyWires {
		for _, tt := range []struct {
			name               string
			allowed, only, own bool
			denied             string
		}{
			{"not allowed", false, false, true, "allow_passthrough"},
			{"not needed", false, false, false, ""},
			{"allowed", true, false, true, ""},
			{"allowed and not used", true, false, false, ""},
			{"required", true, true, true, ""},
			{"required and missing", true, true, false, "passthrough_required"},
		} {
			t.Run(wire.name+"/"+tt.name, func(t *testing.T) {
				caps := policy.Open()
				caps.Passthrough, caps.PassthroughOnly = tt.allowed, tt.only
				c.as(ledger.Execution, caps)
				path, body := wire.request(wire.model, ask{})
				want, key := verdict{}, realKey
				if tt.denied != "" {
					want = verdict{"policy_denied", tt.denied}
				}
				var extra []string
				if tt.own {
					extra, key = []string{"X-Aex-Provider-Key", own}, own
				}
				e := c.try(t, wire, path, body, want, extra...)
				if e == nil {
					return
				}
				name, value := header[wire.name], key
				if name == "" {
					name, value = "Authorization", "Bearer "+key
				}
				if e.Header.Get(name) != fakeprovider.Fingerprint(value) || e.Header.Get("X-Aex-Provider-Key") != "" {
					t.Errorf("the provider got %v", e.Header)
				}
			})
		}
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	must(t, c.ledger.Backup(t.Context(), copied))
	b, err := os.ReadFile(copied)
	must(t, err)
	if !bytes.Contains(b, []byte(c.agent)) || bytes.Contains(b, []byte(own)) {
		t.Error("the agent's own key is in the ledger, or the copy is none")
	}
}
