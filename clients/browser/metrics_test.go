package browser

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPromtool has Prometheus' own tool read the metrics of a loaded gateway.
func TestPromtool(t *testing.T) {
	w := newWorld(t, usual)
	var calls []chan struct{}
	for range 4 {
		calls = append(calls, w.call())
	}
	ask := func(accept, token string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/metrics", nil)
		must(t, err)
		req.Header.Set("Accept", accept)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, string(body)
	}
	secret, err := os.ReadFile(filepath.Join(w.home, "operator.token"))
	must(t, err)
	token := strings.TrimSpace(string(secret))
	status, text := ask("text/plain;version=0.0.4", token)
	if status != http.StatusOK {
		t.Fatalf("metrics: %d %s", status, text)
	}
	check := exec.CommandContext(t.Context(), os.Getenv("PROMTOOL"), "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	for _, name := range []string{
		`gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_response_model="gpt-4o-mini",gen_ai_token_type="input"}`,
		"gen_ai_client_operation_duration_seconds_bucket{", "gen_ai_server_time_to_first_token_seconds_bucket{", "aex_cost_usd_total{",
		`aex_refusals_total{cause="model_not_allowed"}`, "aex_holds 4", "aex_live_calls 4", "aex_ledger_commit_duration_seconds_count",
		`aex_agent_budget_usd{agent="atlas",window="total"} 25`,
		`aex_group_budget_usd{group="acme",window="monthly"} 5000`, `aex_group_paused{group="trial"} 1`, `aex_group_cost_usd_total{group="acme/search"} `,
	} {
		if !strings.Contains(text, name) {
			t.Errorf("no %s", name)
		}
	}
	if status, body := ask("application/json", token); status != http.StatusOK || !strings.Contains(body, `"total_spent_global_usd"`) {
		t.Errorf("the JSON of aex 1.2: %d %.200s", status, body)
	}
	if status, _ := ask("text/plain", w.token); status != http.StatusUnauthorized {
		t.Errorf("an agent's token reads the metrics: %d", status)
	}
	for _, done := range calls {
		<-done
	}
}
