package plain

import (
	"strings"
	"testing"
)

// What looks like a key is not shown, wherever it stands; the names of models,
// tools and places are.
func TestDiscreet(t *testing.T) {
	for _, secret := range []string{
		"sk-real-key-canary-5b1c", "sk-ant-api03-Zm9vYmFyYmF6_x-1AA", "sk-proj-abcDEF123_456-xyz", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "gsk_abcdefgh12345678",
		"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "AKIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-1", "0123456789abcdef0123456789abcdef", strings.Repeat("ab12", 16),
		"xoxb-123456789012-abcdef", "wJalrXUtnFEMI7K7MDENG2bPxRfiCYEXAMPLEKEY3",
	} {
		for _, text := range []string{secret, "model " + secret + " is not known", `"` + secret + `"`, "openai/" + secret, "/v1/" + secret + "/x", "\n" + secret} {
			got := Discreet(text)
			if strings.Contains(got, secret) || !strings.Contains(got, Hidden) {
				t.Errorf("%q is shown as %q", text, got)
			}
		}
	}
	if got := Discreet("postgres://me:hunter2@db/x"); got != "postgres://***@db/x" {
		t.Errorf("an address is shown as %q", got)
	}
	if got := Discreet("-----BEGIN PRIVATE KEY-----\nMIIB+/=\n-----END PRIVATE KEY-----"); got != Hidden {
		t.Errorf("a file of a key is shown as %q", got)
	}
	for _, name := range []string{
		"gpt-4o-mini-2024-07-18", "claude-sonnet-4-5-20250929", "meta-llama/Llama-3.2-90B-Vision-Instruct-Turbo", "anthropic.claude-3-5-sonnet-20241022-v2:0",
		"ft:gpt-4o-mini-2024-07-18:my-org:suffix:AbC12xyZ", "mistralai/Mixtral-8x22B-Instruct-v0.1", "deepseek-r1-distill-qwen-32b", "models/gemini-2.5-flash-preview-05-20",
		"Qwen/Qwen2.5-Coder-32B-Instruct-GPTQ-Int8", "accounts/fireworks/models/llama-v3p1-405b-instruct", "text-embedding-3-small", "delete_all_customers_from_database",
		"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0", "task-something-long-enough", "computer_use_preview", "web_search_20250305",
		"POST /v1/chat/completions", "$0.000123 of $12345678901234567890.12", "run fd524f8080369087",
	} {
		if got := Discreet(name); got != name {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
}
