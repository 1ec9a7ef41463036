package proxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
)

// outputCap is the cap on output in a request as the provider got it: the
// greatest where there are two; 0: none.
func outputCap(t *testing.T, wire policyWire, body []byte) int64 {
	t.Helper()
	var got struct {
		MaxTokens           int64 `json:"max_tokens"`
		MaxCompletionTokens int64 `json:"max_completion_tokens"`
		MaxOutputTokens     int64 `json:"max_output_tokens"`
		GenerationConfig    struct {
			MaxOutputTokens int64 `json:"maxOutputTokens"`
		} `json:"generationConfig"`
		GenerationSnake struct {
			MaxOutputTokens int64 `json:"max_output_tokens"`
		} `json:"generation_config"`
	}
	must(t, json.Unmarshal(body, &got))
	return max(got.MaxTokens, got.MaxCompletionTokens, got.MaxOutputTokens, got.GenerationConfig.MaxOutputTokens, got.GenerationSnake.MaxOutputTokens)
}

// TestTokenPolicyOnEveryWire: the caps hold when the client leaves its own out,
// and lower one that asks for more.
func TestTokenPolicyOnEveryWire(t *testing.T) {
	court := newCourt(t)
	for _, wire := range policyWires {
		wire.legacy = "" // as clients of compatible servers do
		c := &capped{t, court, wire}
		with, call := c.with, c.call
		with(func(c *policy.Capabilities) { c.MaxInputTokens = 1000 })
		call("input within", ask{fields: capFields(wire, 20)}, verdict{}, -20*has(wire))
		call("input beyond", ask{label: "long", fields: capFields(wire, 20)}, verdict{"policy_denied", "max_input_tokens"}, 0)

		with(func(c *policy.Capabilities) { c.MaxTokensPerReq = 2000 })
		call("request beyond by its input", ask{label: "long", fields: capFields(wire, 20)}, verdict{"policy_denied", "max_tokens_per_request"}, 0)
		if wire.cap == "" {
			call("request within", ask{}, verdict{}, 0)
			with(func(c *policy.Capabilities) { c.MaxOutputTokens = 1 })
			call("no output to limit", ask{}, verdict{}, 0)
			continue
		}
		call("request without a cap", ask{}, verdict{}, 2000)
		call("request with null", wire.capped("null"), verdict{}, 2000)
		call("request within", wire.capped(20), verdict{}, -20)
		call("request beyond", wire.capped(1999), verdict{}, 1998)
		call("request with 0", wire.capped(0), verdict{}, 2000)

		with(func(c *policy.Capabilities) { c.MaxOutputTokens = 100 })
		call("output left out", ask{}, verdict{}, -100)
		call("output null", wire.capped("null"), verdict{}, -100)
		call("output at the limit", wire.capped(100), verdict{}, -100)
		call("output beyond", wire.capped(101), verdict{}, -100)
		call("output far beyond", wire.capped(1<<39), verdict{}, -100)
		c.several()
	}
}

// capped tries the caps of an agent on one wire.
type capped struct {
	*testing.T
	court *court
	wire  policyWire
}

// with gives the agent other capabilities.
func (c *capped) with(change func(*policy.Capabilities)) {
	c.Helper()
	limited := policy.Open()
	change(&limited)
	c.court.as(ledger.Execution, limited)
}

// call makes one, which is sent with the cap -sent, or with one of sent at most.
func (c *capped) call(name string, a ask, want verdict, sent int64) {
	c.Helper()
	c.Run(c.wire.name+"/"+name, func(t *testing.T) {
		path, body := c.wire.request(c.wire.model, a)
		if a.label == "long" {
			body = strings.Replace(body, `"hello"`, `"`+strings.Repeat("word ", 2000)+`"`, 1)
		}
		e := c.court.try(t, c.wire, path, body, want)
		if e == nil {
			return
		}
		if got := outputCap(t, c.wire, e.Body); sent > 0 && (got <= 0 || got > sent) || sent < 0 && got != -sent {
			t.Errorf("%s\nwas sent with a cap of %d: %s", body, got, e.Body)
		}
	})
}

// several asks for several outputs, and for caps by other names, under an agent's limit of 100.
func (c *capped) several() {
	c.Helper()
	call, wire := c.call, c.wire
	several := map[string]string{"chat": `,"n":4`, "completions": `,"n":4`, "gemini": `,"generationConfig":{"candidateCount":4}`}[wire.name]
	if several == "" {
		return
	}
	call("outputs together left out", ask{fields: several}, verdict{}, -25)
	if wire.name == "gemini" {
		call("outputs together beyond", ask{fields: `,"generationConfig":{"candidateCount":4,"maxOutputTokens":26}`}, verdict{}, -25)
		call("output beyond in snake_case", ask{fields: `,"generation_config":{"max_output_tokens":101}`}, verdict{}, -100)
		return
	}
	call("outputs together beyond", ask{fields: several + `,"max_tokens":26`}, verdict{}, -25)
	if wire.name == "completions" {
		call("best of many", ask{fields: `,"best_of":5,"max_tokens":21`}, verdict{}, -20)
		return
	}
	call("the other cap beyond", ask{fields: `,"max_completion_tokens":101`}, verdict{}, -100)
	call("one cap of two beyond", ask{fields: `,"max_tokens":1,"max_completion_tokens":101`}, verdict{}, -100)
	call("the other cap within", ask{fields: `,"max_completion_tokens":33`}, verdict{}, -33)
}

// capFields are the fields of a cap where the wire has one.
func capFields(wire policyWire, n int64) string {
	if wire.cap == "" {
		return ""
	}
	return fmt.Sprintf(wire.cap, fmt.Sprint(n))
}

func has(wire policyWire) int64 {
	if wire.cap == "" {
		return 0
	}
	return 1
}

// TestMalformedIsRefused: what a gateway of before broke over, or let through,
// is refused in the API's own shape, as an error of the request.
func TestMalformedIsRefused(t *testing.T) {
	c := newCourt(t)
	limited := policy.Open()
	limited.MaxTokensPerReq, limited.AllowedTools = 5000, []string{"lookup"}
	for _, caps := range []policy.Capabilities{policy.Open(), limited} {
		c.as(ledger.Execution, caps)
		for _, wire := range policyWires {
			path, body := wire.request(wire.model, ask{})
			bad := map[string]string{
				"a list": `[]`, "text": `"hello"`, "nothing": ``, "null": `null`, "half": body[:len(body)/2], "more": body + `{}`,
			}
			if wire.name != "gemini" { // its model is in the path
				bad["two models"] = strings.Replace(body, "{", `{"model":"gpt-4o-mini",`, 1)
			}
			if wire.cap != "" {
				for _, n := range []string{`"abc"`, `-1`, `1.5`, `true`, `[]`, `{}`, `1e99`} {
					_, bad["cap "+n] = wire.request(wire.model, wire.capped(n))
				}
			}
			switch wire.name {
			case "chat", "messages":
				_, rest, _ := strings.Cut(body, `]}]`)
				head := `{"model":"` + wire.model + `","messages":`
				for name, m := range map[string]string{"text": `"hello"`, "an object": `{}`, "null": `null`} {
					bad["messages is "+name] = head + m + rest
				}
				bad["no messages"] = `{"model":"` + wire.model + `"` + rest
			}
			for name, body := range bad {
				t.Run(wire.name+"/"+name, func(t *testing.T) {
					c.try(t, wire, path, body, verdict{"invalid_request", "aex: "})
				})
			}
		}
	}
}

// TestProviderRefusesTheRest: messages that are none cost nothing, and the
// provider's own refusal comes through.
func TestProviderRefusesTheRest(t *testing.T) {
	c := newCourt(t)
	c.as(ledger.Execution, policy.Open())
	for _, wire := range policyWires {
		if wire.name != "chat" && wire.name != "messages" {
			continue
		}
		for _, list := range []string{`[1]`, `["hello"]`, `[[]]`, `[]`} {
			path := wire.path
			status, h, answer, err := c.post(path, fmt.Sprintf(`{"model":%q,"max_tokens":10,"messages":%s}`, wire.model, list), "Anthropic-Version", "2023-06-01")
			must(t, err)
			c.told(t)
			if status != http.StatusBadRequest || !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
				t.Errorf("%s %s: %d %s", path, list, status, answer)
			}
		}
	}
	agent, err := c.ledger.Agent(t.Context(), c.agent)
	must(t, err)
	if agent.Account.Spent != 0 || agent.Account.Reserved != 0 {
		t.Errorf("refused calls cost %s, and hold %s", agent.Account.Spent, agent.Account.Reserved)
	}
}

// TestOneRequestAMinute: a limit lets through as many as it says. No limit at
// all is the absence of one, not 0.
func TestOneRequestAMinute(t *testing.T) {
	c := newCourt(t)
	for _, wire := range policyWires {
		c.as(ledger.Execution, policy.Open())
		_, err := c.ledger.SetAgent(t.Context(), c.agent, ledger.AgentChange{Limits: &ledger.Limits{RequestsPerMinute: 1}})
		must(t, err)
		path, body := wire.request(wire.model, ask{})
		c.try(t, wire, path, body, verdict{})
		c.try(t, wire, path, body, verdict{"rate_limited", "1 requests a minute"})
	}
}

// TestUnreadablePolicyAllowsNothing: what cannot be read is never "all".
func TestUnreadablePolicyAllowsNothing(t *testing.T) {
	c := newCourt(t)
	for _, text := range []string{`[]`, `{"allowed_models":"gpt-4o"}`, `{"allowed_models":[1]}`, `{"allowed_models":[""],"allow_streaming":true}`,
		`{"allow_tools":"yes"}`, `{"max_output_tokens":-1}`, `{"nobody_knows":true}`} {
		c.as(ledger.Execution, policy.Open())
		_, err := c.ledger.SetAgent(t.Context(), c.agent, ledger.AgentChange{Capabilities: json.RawMessage(text)})
		must(t, err)
		for _, wire := range policyWires {
			path, body := wire.request(wire.model, ask{})
			c.try(t, wire, path, body, verdict{"policy_denied", "cannot be read"})
		}
	}
	// Nor does a token with a broken word for its end open anything.
	c.token = strings.Repeat("0", 31)
	for _, wire := range policyWires {
		path, body := wire.request(wire.model, ask{})
		status, h, _, err := c.post(path, body)
		must(t, err)
		if status != http.StatusUnauthorized || h.Get("X-Aex-Code") != "invalid_token" {
			t.Errorf("%s: %d", wire.name, status)
		}
	}
}
