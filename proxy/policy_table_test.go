package proxy

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Auro-rium/aex/v3/internal/fakeprovider"
	"github.com/Auro-rium/aex/v3/ledger"
	"github.com/Auro-rium/aex/v3/policy"
	"github.com/Auro-rium/aex/v3/proxy/refusal"
)

// court is a world in which many agents call under policies of their own.
type court struct {
	*world
	agents int
}

// courtPrices are what every model costs there: nothing is left to be assumed.
const courtPrices = "{input_usd_per_mtok: 1, output_usd_per_mtok: 2, audio_in_usd_per_mtok: 3, per_search_usd: 0.01}"

// courtModels are the models of the wires, each also by a name of the house's.
func courtModels() string {
	var b strings.Builder
	b.WriteString("version: 1\nmodels:\n")
	seen := map[string]bool{}
	for _, wire := range policyWires {
		provider := cmp.Or(map[string]string{"messages": "anthropic", "gemini": "google"}[wire.name], "openai")
		if !seen[wire.model] {
			fmt.Fprintf(&b, "  %s: {provider: %s, pricing: %s}\n", wire.model, provider, courtPrices)
		}
		seen[wire.model] = true
		fmt.Fprintf(&b, "  house-%s: {provider: %s, provider_model: %s, pricing: %s}\n", wire.name, provider, wire.model, courtPrices)
	}
	return b.String()
}

func newCourt(t *testing.T) *court {
	return &court{world: newWorld(t, setup{models: courtModels(), prices: []string{}})}
}

// told waits until a call is over for the ledger, too.
func (c *court) told(t *testing.T) {
	t.Helper()
	select {
	case <-c.notices:
	case <-time.After(30 * time.Second):
		t.Fatal("the gateway did not tell of a call")
	}
}

// as makes an agent with the capabilities and calls as it from now on.
func (c *court) as(scope ledger.Scope, caps policy.Capabilities) {
	c.t.Helper()
	c.agents++
	c.agent, c.token = fmt.Sprintf("agent-%d", c.agents), fmt.Sprintf("%032x", c.agents)
	_, err := c.ledger.CreateAgent(c.t.Context(), ledger.NewAgent{Name: c.agent, Budget: usd(c.t, "1000"), Capabilities: asJSON(c.t, caps)})
	must(c.t, err)
	must(c.t, c.ledger.AddToken(c.t.Context(), ledger.NewToken{Hash: ledger.HashToken(c.token), Agent: c.agent, Scope: scope, Expires: time.Now().Add(time.Hour)}))
}

// verdict is what must come of a call: allowed when code is "", else refused
// with the code, by the rule.
type verdict struct{ code, rule string }

// try makes a call and holds it against the verdict: what is refused is so in
// the wire's own shape and never reaches the provider.
func (c *court) try(t *testing.T, wire policyWire, path, body string, want verdict, header ...string) (sent *fakeprovider.Entry) {
	t.Helper()
	before := len(c.provider.Bill())
	status, h, answer, err := c.post(path, body, append([]string{"Anthropic-Version", "2023-06-01"}, header...)...)
	must(t, err)
	c.told(t)
	bill := c.provider.Bill()[before:]
	if want.code == "" { // a provider's own refusal is its own affair
		if status != http.StatusOK && status != http.StatusBadRequest || len(bill) != 1 || h.Get("X-Aex-Code") != "" {
			t.Errorf("%s\n%s\nshould be allowed: %d %s, %d calls sent: %.300s", path, body, status, h.Get("X-Aex-Code"), len(bill), answer)
			return nil
		}
		return &bill[0]
	}
	if status != refusal.New(want.code, "").Status || h.Get("X-Aex-Code") != want.code || !strings.Contains(answer, want.rule) {
		t.Errorf("%s\n%s\nshould be refused as %s by %q: %d %s %.300s", path, body, want.code, want.rule, status, h.Get("X-Aex-Code"), answer)
	}
	if !wire.refusal.MatchString(strings.TrimSpace(answer)) {
		t.Errorf("%s: not the shape of the API's own errors: %.300s", path, answer)
	}
	if len(bill) != 0 {
		t.Errorf("%s\n%s\nreached the provider", path, body)
	}
	return nil
}

// rules are the capabilities that look at what a request holds: what each
// denies, and that it denies nothing else.
var rules = []struct {
	name   string
	change func(*policy.Capabilities)
	denies map[string]string // trait -> the rule that is named
}{
	{"open", func(*policy.Capabilities) {}, nil},
	{"no tools", func(c *policy.Capabilities) { c.Tools = false },
		map[string]string{tool: "allow_tools", other: "allow_tools", unnamed: "allow_tools", choice: "allow_tools", hosted: "allow_tools",
			turns: "allow_tools", shown: "allow_tools"}},
	{"no function calling", func(c *policy.Capabilities) { c.FunctionCalling = false },
		map[string]string{tool: "allow_function_calling", other: "allow_function_calling", unnamed: "allow_function_calling",
			choice: "allow_function_calling", hosted: "allow_function_calling", turns: "allow_function_calling", shown: "allow_function_calling"}},
	{"tools by name", func(c *policy.Capabilities) { c.AllowedTools = []string{"search", "look*"} },
		map[string]string{other: "allowed_tool_names", unnamed: "allowed_tool_names", hosted: "allowed_tool_names"}},
	{"all but one tool", func(c *policy.Capabilities) { c.DeniedTools = []string{"delete_*"} },
		map[string]string{other: "denied_tool_names", unnamed: "denied_tool_names"}},
	{"no vision", func(c *policy.Capabilities) { c.Vision = false },
		map[string]string{media: "allow_vision", remote: "allow_vision", shown: "allow_vision"}},
	{"some models", func(c *policy.Capabilities) { c.DeniedModels = []string{"gpt-4o"} }, map[string]string{detour: "denied_models"}},
	{"strict", func(c *policy.Capabilities) { c.Strict = true },
		map[string]string{hosted: "strict_mode", remote: "strict_mode", hidden: "strict_mode", unknown: "strict_mode", detour: "strict_mode"}},
}

// TestPolicyOnEveryWire puts everything that a request can hold under every
// rule that looks at it.
func TestPolicyOnEveryWire(t *testing.T) {
	c := newCourt(t)
	for _, rule := range rules {
		caps := policy.Open()
		caps.ReserveHostedTools = true // else the bound of cost denies them
		rule.change(&caps)
		c.as(ledger.Execution, caps)
		for _, wire := range policyWires {
			for _, a := range append([]ask{{trait: plainAsk}}, wire.asks...) {
				t.Run(strings.Join([]string{rule.name, wire.name, a.trait, a.label}, "/"), func(t *testing.T) {
					path, body := wire.request(wire.model, a)
					if by, denied := rule.denies[a.trait]; denied {
						code := "policy_denied"
						if by == "denied_models" {
							code = "model_not_allowed"
						}
						c.try(t, wire, path, body, verdict{code, by})
						return
					}
					if a.trait == detour { // denied by its price, at least
						c.try(t, wire, path, body, verdict{"policy_denied", "leave it out"})
						return
					}
					if a.trait == hosted {
						c.unclear(t, path, body)
						return
					}
					c.try(t, wire, path, body, verdict{})
				})
			}
		}
	}
}

// unclear is a call with a tool of the provider's own, which no rule denies
// here: where its fee is not known the price refuses it, and nothing else does.
func (c *court) unclear(t *testing.T, path, body string) {
	t.Helper()
	status, h, answer, err := c.post(path, body, "Anthropic-Version", "2023-06-01")
	must(t, err)
	c.told(t)
	if status != http.StatusOK && (h.Get("X-Aex-Code") != "policy_denied" || strings.Contains(answer, "_tool") || strings.Contains(answer, "strict")) &&
		!strings.Contains(answer, "cannot be checked") && !strings.Contains(answer, "the fee of") {
		t.Errorf("%s\n%s\nwas refused: %d %s", path, body, status, answer)
	}
}

// TestModelPolicyOnEveryWire: lists go by the name asked for and the name sent,
// with globs; a denied name is denied with a date behind it too.
func TestModelPolicyOnEveryWire(t *testing.T) {
	c := newCourt(t)
	for _, wire := range policyWires {
		house := "house-" + wire.name
		first, last := wire.model[:3]+"*", "*"+wire.model[len(wire.model)-3:]
		for _, tt := range []struct {
			name            string
			allowed, denied []string
			asked           string
			want            string
		}{
			{"no lists", nil, nil, wire.model, ""},
			{"allowed by name", []string{"x", wire.model}, nil, wire.model, ""},
			{"allowed by glob", []string{first}, nil, wire.model, ""},
			{"allowed by the name asked for", []string{house}, nil, house, ""},
			{"allowed by the name sent", []string{wire.model}, nil, house, ""},
			{"not on the list", []string{"another"}, nil, wire.model, "allowed_models"},
			{"asked for by another name", []string{"another"}, nil, house, "allowed_models"},
			{"a name is no prefix", []string{wire.model[:len(wire.model)-2]}, nil, wire.model, "allowed_models"},
			{"denied by name", nil, []string{wire.model}, wire.model, "denied_models"},
			{"denied in capitals", nil, []string{wire.model}, strings.ToUpper(wire.model), "denied_models"},
			{"denied by glob", nil, []string{last}, wire.model, "denied_models"},
			{"denied by the name asked for", nil, []string{house}, house, "denied_models"},
			{"denied by the name sent", nil, []string{wire.model}, house, "denied_models"},
			{"denied though allowed", []string{wire.model}, []string{first}, wire.model, "denied_models"},
			{"others denied", nil, []string{"another"}, wire.model, ""},
			{"unknown", nil, nil, "nobodys-model", "unknown"},
		} {
			t.Run(wire.name+"/"+tt.name, func(t *testing.T) {
				caps := policy.Open()
				caps.AllowedModels, caps.DeniedModels = tt.allowed, tt.denied
				for _, strict := range []bool{false, true} {
					caps.Strict = strict
					c.as(ledger.Execution, caps)
					path, body := wire.request(tt.asked, ask{})
					want := verdict{"model_not_allowed", tt.want}
					switch tt.want {
					case "":
						want = verdict{}
					case "unknown":
						want = verdict{"model_not_priced", "nobodys-model"}
					}
					c.try(t, wire, path, body, want)
				}
			})
		}
	}
}

func TestStreamingPolicyOnEveryWire(t *testing.T) {
	c := newCourt(t)
	silent := policy.Open()
	silent.Streaming = false
	for _, wire := range policyWires {
		if wire.stream == "" {
			continue
		}
		t.Run(wire.name, func(t *testing.T) {
			path, body := wire.streamed(wire.model, ask{})
			c.as(ledger.Execution, policy.Open())
			c.try(t, wire, path, body, verdict{})
			c.as(ledger.Execution, silent)
			c.try(t, wire, path, body, verdict{"policy_denied", "allow_streaming"})
			path, body = wire.request(wire.model, ask{})
			c.try(t, wire, path, body, verdict{})
		})
	}
}
